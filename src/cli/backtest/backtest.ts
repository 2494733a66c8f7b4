/** The command `backtest`: finds the readings, runs the rules over them and prints what they would have raised. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { FileReadings, FileTag, ReadingColumns } from '../../backtest/readings-file.ts';
import type { Played } from '../../backtest/records.ts';
import type { BacktestResult } from '../../backtest/run.ts';
import { type Config, tagsOf } from '../../config/config.ts';
import { codeOf, EXIT, type ExitCode, Fault, messageOf } from '../../core/errors.ts';
import type { TagId } from '../../core/reading.ts';
import { loadOrFail } from '../configuration.ts';
import { type CliContext, type CommonOptions, print, warn } from '../terminal/context.ts';
import { sinceOption } from '../terminal/duration.ts';
import { backtestLines } from './backtest-text.ts';

/** Options of `backtest`. */
interface BacktestOptions extends CommonOptions {
  readonly since?: string;
  readonly csv?: string;
  readonly against?: string;
}

/** The largest file that is read into memory, bytes: about ten million readings. */
const MAX_FILE_BYTES = 400_000_000;

/** Readings to play, as often as there are configurations to try on them. */
interface Source {
  readonly name: string;
  readonly play: () => Iterable<Played>;
  /** Tags it has readings of; undefined where that is not known before it is played. */
  readonly tags: ReadonlySet<TagId> | undefined;
  /** Of a file: all of them. */
  readonly readings?: ReadingColumns;
}

/**
 * `backtest`: what the rules of the configuration would have raised over stored readings, or over those of a file. With
 * `--against`, those of another configuration beside it.
 */
export async function backtest(options: BacktestOptions, context: CliContext): Promise<ExitCode> {
  if (options.since !== undefined && options.csv !== undefined)
    throw new Fault('--since is of stored readings and --csv of a file', 'Give one of them.', EXIT.usage);
  const config = await loadOrFail(options, context);
  const other = options.against === undefined ? undefined : await loadOrFail({ config: options.against }, context);
  const source =
    options.csv === undefined
      ? await storedReadings(config, options.since, context)
      : await fileReadings(options.csv, [config, ...(other ? [other] : [])], context);
  const result = await run(config, source);
  const compared = other && (await run(other, source));
  if (result.readings === 0) throw new Fault(`${source.name} has no readings`, 'Nothing was tried.');
  warnOfUntested([config, ...(other ? [other] : [])], source, context);
  if (options.json) context.stdout.write(await json(config, result, other, compared));
  else {
    const against = other && compared ? { result: compared, lines: await sidesOf(config, other) } : undefined;
    print(context, backtestLines(result, against, source.name, context));
  }
  return EXIT.ok;
}

/** Which file is which of two that are compared, and in what their rules differ. */
async function sidesOf(here: Config, against: Config): Promise<string[]> {
  const { changes } = await import('../../config/apply/changes.ts');
  const found = changes(here, against).filter(({ part }) => /^(alarm|chart|computed tag|tag|device)$/.test(part));
  return [
    `HERE is ${here.file}, AGAINST is ${against.file}.`,
    ...found.map(({ part, name, change, details }) => `  ${part} ${name}: ${details.join(', ') || change}`),
  ];
}

async function run(config: Config, source: Source): Promise<BacktestResult> {
  const [{ runBacktest }, { ruleConfigOf }] = await Promise.all([
    import('../../backtest/run.ts'),
    import('../../backtest/rules-of.ts'),
  ]);
  return runBacktest(ruleConfigOf(config, source.tags, source.readings), source.play());
}

async function json(
  config: Config,
  result: BacktestResult,
  other: Config | undefined,
  compared: BacktestResult | undefined,
): Promise<string> {
  const { resultText } = await import('../../backtest/wire.ts');
  const against = other && compared ? `,\n"against":{${resultText(other, compared)}}` : '';
  return `{${resultText(config, result)}${against}}\n`;
}

async function storedReadings(config: Config, since: string | undefined, context: CliContext): Promise<Source> {
  const fromMs = since === undefined ? 0 : sinceOption(since, context);
  const [{ readArchive }, { recordsOfArchive }] = await Promise.all([
    import('../../store/archive.ts'),
    import('../../backtest/records.ts'),
  ]);
  const { path } = config.store;
  const told = new Set<string>();
  const tell = (message: string): void => {
    if (!told.has(message)) warn(context, [`millgate: ${message}`]);
    told.add(message);
  };
  return {
    name: `the store ${path}`,
    tags: undefined,
    play: () => guarded(recordsOfArchive(readArchive(path, fromMs, tell)), path),
  };
}

/** Reading the store as it is played: what the disk says becomes a fault with a remedy. */
function* guarded(played: Iterable<Played>, path: string): Generator<Played> {
  try {
    yield* played;
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    const remedy = /CANTOPEN|EACCES|EPERM|READONLY/.test(code) ? 'Run as the user of the gateway' : 'Check the disk';
    throw new Fault(`${path}: cannot be read: ${messageOf(error)}`, `${remedy}.`, EXIT.unavailable, { cause: error });
  }
}

async function fileReadings(name: string, configs: readonly Config[], context: CliContext): Promise<Source> {
  const file = resolve(context.cwd, name);
  const [{ parseReadings }, { BrokenFile, decodeText }, { recordsOfFile }] = await Promise.all([
    import('../../backtest/readings-file.ts'),
    import('../../backtest/csv.ts'),
    import('../../backtest/records.ts'),
  ]);
  const bytes = readBytes(file, name);
  let parsed: FileReadings;
  try {
    parsed = parseReadings(decodeText(bytes), fileTagsOf(configs));
  } catch (error) {
    if (error instanceof BrokenFile)
      throw new Fault(`${name}: ${error.message}`, 'Mend that line and try again.', EXIT.failed, { cause: error });
    throw error;
  }
  for (const [tag, count] of parsed.unknown)
    warn(context, [`millgate: ${name}: ${count} readings of ${tag} are left out: it is not in the configuration.`]);
  return { name, tags: parsed.known, readings: parsed.readings, play: () => recordsOfFile(parsed.readings) };
}

function readBytes(file: string, name: string): Uint8Array {
  try {
    const { size } = statSync(file);
    if (size > MAX_FILE_BYTES)
      throw new Fault(`${name}: ${Math.round(size / 1e6)} MB are too large`, 'Split it into days: at most 400 MB.');
    return readFileSync(file);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault(`${name}: cannot be read: ${messageOf(error)}`, 'Check the path.', EXIT.usage, { cause: error });
  }
}

function fileTagsOf(configs: readonly Config[]): ReadonlyMap<TagId, FileTag> {
  const tags = new Map<TagId, FileTag>();
  for (const config of [...configs].reverse())
    for (const { tag, form, min, max } of tagsOf(config)) tags.set(tag.id, { form, min, max });
  return tags;
}

/** A rule without readings was not tried: its silence says nothing. */
function warnOfUntested(configs: readonly Config[], { tags, name }: Source, context: CliContext): void {
  if (!tags) return;
  const untested = new Set<string>();
  for (const { alarms, spc, production, maintenance, parts, inventory, derived } of configs) {
    const computed = new Set(derived.map(({ tag }) => tag.tag.id));
    const machines = production.map(({ id, count }) => ({ id, tag: count.tag }));
    const readers = [
      ...parts.map(({ id, serial }) => ({ id, tag: serial.tag })),
      ...inventory.flatMap(({ id, in: into, out }) =>
        [into, out].flatMap((source) => (source ? [{ id, tag: source.tag }] : [])),
      ),
    ];
    for (const { id, tag } of [...alarms, ...spc, ...machines, ...maintenance, ...readers])
      if (!tags.has(tag) && !computed.has(tag)) untested.add(`${id} (${tag})`);
  }
  if (untested.size > 0)
    warn(context, [`millgate: ${name} has no readings for ${[...untested].join(', ')}: not tried.`]);
}
