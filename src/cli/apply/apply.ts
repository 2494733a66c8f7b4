/** The command `apply`: puts a file in force on trial, and shows what was in force before. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { JsonTag } from '../../api/json.ts';
import { changeText } from '../../config/apply/changes.ts';
import {
  type ApplyAnswer,
  CONFIRM_MS,
  type ConfigurationChange,
  type ConfigurationEntry,
  type ConfigurationStatus,
} from '../../core/configuration.ts';
import { codeOf, EXIT, type ExitCode, Fault, messageOf } from '../../core/errors.ts';
import { silentLogger } from '../../core/log.ts';
import { FAILURES, type Failure } from '../../core/quality.ts';
import { formatDuration } from '../../core/quantity.ts';
import { operator } from '../alarms.ts';
import { findGateway, type GatewayClient, LONG_DEADLINE_MS, runningGateway } from '../client.ts';
import { ownerOf } from '../owner.ts';
import {
  type CliContext,
  type CommonOptions,
  configFile,
  print,
  printJson,
  tableWidth,
  warn,
} from '../terminal/context.ts';
import { durationOption } from '../terminal/duration.ts';
import { formatTime, plain } from '../terminal/format.ts';
import { type Column, renderTable, wrapText } from '../terminal/table.ts';
import { followTrial, leftLine } from './trial.ts';

/** Options of `apply`. */
interface ApplyOptions extends CommonOptions {
  /** How long a technician has to confirm. */
  readonly confirm?: string;
  readonly history?: boolean;
}

/**
 * `apply FILE`: puts it in force on the running gateway, and waits until it is kept or rolled back. Exit 0 when it is
 * kept (or left on trial by Ctrl-C), 1 when it was rolled back, 78 when it is not valid. Without a gateway it is checked
 * and installed for the next start.
 */
export async function apply(given: string | undefined, options: ApplyOptions, context: CliContext): Promise<ExitCode> {
  if (options.history) return history(options, context);
  if (given === undefined) throw new Fault('which file?', 'Write millgate apply FILE.', EXIT.usage);
  const confirmMs = options.confirm === undefined ? undefined : confirmOption(options.confirm);
  const text = readText(given, context);
  const gateway = await ownerOf(options, context);
  if (!gateway) return install(given, text, options, context);
  return order(given, { text, by: operator(context), confirmMs }, gateway, options, context);
}

async function order(
  given: string,
  body: { readonly text: string; readonly by: string; readonly confirmMs: number | undefined },
  gateway: GatewayClient,
  options: ApplyOptions,
  context: CliContext,
): Promise<ExitCode> {
  const { file } = await gateway.get<ConfigurationStatus>('/api/v1/configuration');
  const answer = await gateway.post<ApplyAnswer>('/api/v1/apply', body, LONG_DEADLINE_MS);
  const problems = named(answer.ok ? answer.warnings : answer.problems, file, given);
  const { formatProblems } = await import('../../config/file/problems.ts');
  if (problems.length > 0 && !options.json) warn(context, [formatProblems(problems)]);
  if (!answer.ok) {
    if (options.json) printJson(context, { ok: false, problems });
    return EXIT.configInvalid;
  }
  if (!options.json) print(context, changeLines(answer.changes, context));
  const { hash, changes } = answer;
  if (!answer.pending) {
    if (options.json) printJson(context, { ok: true, hash, changes, outcome: 'unchanged' });
    else print(context, [`${file} is in force as it is (${hash}); nothing to change.`]);
    return EXIT.ok;
  }
  const end = await followTrial(hash, gateway, context);
  if ('left' in end) {
    warn(context, [leftLine(end.left, context)]);
    if (options.json) printJson(context, { ok: true, hash, changes, outcome: 'on-trial' });
    return EXIT.ok;
  }
  const { outcome, why, how } = end.entry;
  const isKept = outcome === 'kept';
  if (options.json) printJson(context, { ok: isKept, hash, changes, outcome, why });
  else if (isKept) {
    const what = resolve(context.cwd, given) === file ? `${file} is in force` : `${file} is now ${given}`;
    print(context, [context.colors.green(`Kept: ${what} (${hash}).`)]);
    warn(context, badTagLines(changes, await gateway.get<JsonTag[]>('/api/v1/tags'), context));
  } else {
    const aside = how === 'reload' ? ` ${file} is as before; yours is kept as ${file}.rejected.` : '';
    warn(context, [context.colors.red(`Rolled back: ${why ?? outcome}. What ran before runs again.${aside}`)]);
  }
  return isKept ? EXIT.ok : EXIT.failed;
}

/** New and changed tags that read bad: data flows without them, so nothing else would say it. */
function badTagLines(changes: readonly ConfigurationChange[], tags: readonly JsonTag[], context: CliContext): string[] {
  const isNew = (tag: string) =>
    changes.some(
      ({ part, name, change }) =>
        change !== 'removed' && (part === 'device' || part === 'tag') && (tag === name || tag.startsWith(`${name}/`)),
    );
  return tags.flatMap(({ tag, last }) => {
    if (last?.quality !== 'bad' || last.why === 'waiting' || !isNew(tag)) return [];
    const why = plain(last.detail ?? FAILURES[last.why as Failure]?.means ?? last.why ?? 'bad').replace(/\.$/, '');
    return wrapText(`But ${tag} is bad: ${why}.`, Math.max(20, context.columns())).map(context.colors.yellow);
  });
}

function confirmOption(text: string): number {
  const ms = durationOption('confirm', text);
  const { least, most } = CONFIRM_MS;
  if (ms >= least && ms <= most) return ms;
  const bounds = `${formatDuration(least)} to ${formatDuration(most)}`;
  throw new Fault(`--confirm ${text}: not within ${bounds}`, 'Write for example 2m.', EXIT.usage);
}

/** The text of a file that the technician named; throws `Fault` when it cannot be read. */
export function readText(given: string, context: CliContext): string {
  try {
    return readFileSync(resolve(context.cwd, given), 'utf8');
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') throw new Fault(`${given}: there is no such file`, 'Check the path.', EXIT.usage);
    if (code === 'EACCES')
      throw new Fault(
        `${given}: may not be read by this user`,
        'Use sudo, or change its permissions.',
        EXIT.permission,
      );
    throw new Fault(`${given}: cannot be read: ${messageOf(error)}`, 'Name a YAML file.', EXIT.usage);
  }
}

/** Checks the file at the place of the configuration and puts it there, with no gateway to show that data flows. */
async function install(given: string, text: string, options: ApplyOptions, context: CliContext): Promise<ExitCode> {
  const modules = await import('../configuration.ts');
  const [{ loadWithFiles }, { mainName }, { formatProblems }, { changes: changesOf, changeText }] = await Promise.all([
    import('../../config/apply/config-files.ts'),
    import('../../config/file/disk-files.ts'),
    import('../../config/file/problems.ts'),
    import('../../config/apply/changes.ts'),
  ]);
  const { file, absolute } = configFile(options, context);
  refuseWithoutFolder(absolute, given);
  const loading = await modules.loadOptions(file, context);
  const next = loadWithFiles(loading, { from: 'text', text });
  const problems = named(next.result.ok ? next.result.warnings : next.result.problems, file, given);
  if (problems.length > 0 && !options.json) warn(context, [formatProblems(problems)]);
  if (!next.result.ok) {
    if (options.json) printJson(context, { ok: false, problems });
    return EXIT.configInvalid;
  }
  const { config } = next.result;
  const now = loadWithFiles(loading, { from: 'disk' });
  const found = now.result.ok ? changesOf(now.result.config, config) : [];
  const before = now.result.ok ? { hash: now.result.config.hash, files: now.files } : undefined;
  const installation = {
    hash: config.hash,
    files: { ...now.files, [mainName(absolute)]: text },
    before,
    by: operator(context),
    changes: found.map(changeText),
  };
  const copies = await put(
    absolute,
    before ? (now.result.ok ? now.result.config.store.path : '') : config.store.path,
    installation,
    context,
  );
  if (options.json) printJson(context, { ok: true, hash: config.hash, changes: found, outcome: 'installed', copies });
  else
    print(context, [
      ...changeLines(found, context),
      `No gateway runs. ${file} is now ${given} (${config.hash}); it takes effect with the next start.`,
      ...copies.map((copy) => `What was there before is kept as ${copy}.`),
    ]);
  return EXIT.ok;
}

/** A first configuration is not put into a folder that nobody made: the path may be mistyped, or not set up at all. */
function refuseWithoutFolder(absolute: string, given: string): void {
  const folder = dirname(absolute);
  if (existsSync(folder)) return;
  throw new Fault(
    `no gateway runs, and there is no folder ${folder} to put ${given} into`,
    `millgate init writes a first file; or name the one to replace: --config FILE; or make the folder: mkdir -p ${folder}`,
  );
}

/** Puts the files in their places; the copies of what else nobody would have any more. */
async function put(
  file: string,
  storePath: string,
  installation: Parameters<typeof import('../../config/apply/apply-start.ts')['installStopped']>[1],
  context: CliContext,
): Promise<readonly string[]> {
  const [{ installStopped, recoverTrial }, archives, { realDisk, diskFault }] = await Promise.all([
    import('../../config/apply/apply-start.ts'),
    import('../../config/apply/archive.ts'),
    import('../../config/apply/durable.ts'),
  ]);
  const { archiveFolder, openArchive, installFiles, keepCopies } = archives;
  const place = { file, disk: realDisk };
  const refused = (error: unknown): never => {
    throw diskFault(file, error);
  };
  const copy = () => keepCopies(place, installation.files, [], 'replaced').catch(refused);
  if (!existsSync(storePath)) {
    const copies = await copy();
    await installFiles(place, installation.files, {}).catch(refused);
    return copies;
  }
  const { refuseIfHeld } = await import('../../store/format/lock.ts');
  refuseIfHeld(storePath);
  const archive = await openArchive(archiveFolder(storePath), realDisk);
  const parts = { archive, place, clock: context.clock, log: silentLogger };
  await recoverTrial(parts);
  // The archive keeps what is valid only.
  const copies = installation.before ? [] : await copy();
  await installStopped(parts, installation);
  return copies;
}

/** `apply --history`: what was in force or was tried, newest first; also with the gateway stopped. */
export async function history(options: CommonOptions, context: CliContext): Promise<ExitCode> {
  const gateway = await runningGateway(options, context);
  const known = gateway
    ? (await gateway.get<ConfigurationStatus>('/api/v1/configuration')).history
    : (await stoppedArchive(options, context))?.ledger().history;
  if (options.json) printJson(context, known ?? []);
  else print(context, historyLines(known ?? [], context));
  return EXIT.ok;
}

/** What the store of a stopped gateway remembers of configurations; undefined when the file does not say where it is. */
export async function stoppedArchive(options: CommonOptions, context: CliContext) {
  const [{ load }, { archiveFolder, openArchive }, { realDisk }] = await Promise.all([
    import('../configuration.ts'),
    import('../../config/apply/archive.ts'),
    import('../../config/apply/durable.ts'),
  ]);
  const loaded = await load(configFile(options, context).file, context);
  const storePath = loaded.ok ? loaded.config.store.path : loaded.storePath;
  return storePath === undefined ? undefined : openArchive(archiveFolder(storePath), realDisk);
}

/** `confirm`: keeps the configuration on trial, once data flows. */
export async function confirm(options: CommonOptions, context: CliContext): Promise<ExitCode> {
  const gateway = await findGateway(options, context);
  const before = await gateway.get<ConfigurationStatus>('/api/v1/configuration');
  await gateway.post<ConfigurationStatus>('/api/v1/confirm', { by: operator(context) });
  const hash = before.pending?.hash ?? before.hash;
  const end = await followTrial(hash, gateway, context);
  if ('left' in end) {
    warn(context, [leftLine(end.left, context)]);
    if (options.json) printJson(context, { ok: true, hash, outcome: 'on-trial' });
    return EXIT.ok;
  }
  const { outcome, why } = end.entry;
  const isKept = outcome === 'kept';
  if (options.json) printJson(context, { ok: isKept, hash, outcome, why });
  else if (isKept) print(context, [context.colors.green(`Kept: configuration ${hash}.`)]);
  else warn(context, [context.colors.red(`Rolled back: ${why ?? outcome}.`)]);
  return isKept ? EXIT.ok : EXIT.failed;
}

/** `rollback`: takes back the configuration on trial, else returns to the last one that was kept before. */
export async function rollback(
  options: CommonOptions & { readonly list?: boolean },
  context: CliContext,
): Promise<ExitCode> {
  if (options.list) return history(options, context);
  const gateway = await findGateway(options, context);
  const before = await gateway.get<ConfigurationStatus>('/api/v1/configuration');
  const after = await gateway.post<ConfigurationStatus>(
    '/api/v1/rollback',
    { by: operator(context) },
    LONG_DEADLINE_MS,
  );
  if (options.json) printJson(context, { from: before.hash, to: after.hash });
  else print(context, [`Rolled back: configuration ${before.hash} → ${after.hash} is in force.`]);
  return EXIT.ok;
}

const SIGNS = { added: '+', removed: '-', changed: '~' } as const;

/** Differences, one below the other: what was added, removed and changed, and what is interrupted by it. */
export function changeLines(changes: readonly ConfigurationChange[], context: CliContext): string[] {
  const { colors, columns } = context;
  const paint = { added: colors.green, removed: colors.red, changed: colors.yellow };
  return changes.flatMap((change) => {
    const lines = wrapText(plain(changeText(change)), Math.max(20, columns() - 2));
    return lines.map((line, index) => paint[change.change](`${index === 0 ? SIGNS[change.change] : ' '} ${line}`));
  });
}

/** Problems of a text that was to be applied, under the name that the technician gave. */
export function named<T extends { readonly file: string }>(problems: readonly T[], file: string, given: string): T[] {
  return problems.map((problem) => (problem.file === file ? { ...problem, file: given } : problem));
}

const COLUMNS: readonly Column[] = [
  { title: 'WHEN' },
  { title: 'CONFIG', drop: 4 },
  { title: 'HOW', drop: 1 },
  { title: 'BY', cut: 'end', minWidth: 6, drop: 3 },
  { title: 'OUTCOME' },
  { title: 'WHAT', cut: 'end', minWidth: 20, drop: 2 },
];

/** What was in force or was tried, newest first. Why something was not kept is told whole, below its line. */
function historyLines(history: readonly ConfigurationEntry[], context: CliContext): string[] {
  const { colors } = context;
  if (history.length === 0) return ['Nothing was applied yet.'];
  const rows = history.map(({ atMs, hash, how, by, outcome, changes }) => [
    formatTime(atMs, context, 'seconds'),
    hash,
    how,
    plain(by),
    { text: outcome, paint: outcome === 'kept' || outcome === 'installed' ? colors.green : colors.red },
    plain(changes.join('. ')),
  ]);
  const columns = tableWidth(context);
  const [titles, ...lines] = renderTable(COLUMNS, rows, columns, colors.dim);
  const reasonOf = ({ why }: ConfigurationEntry): string[] =>
    why === undefined ? [] : wrapText(plain(why), Math.max(20, columns - 2)).map((line) => `  ${line}`);
  return [titles!, ...lines.flatMap((line, index) => [line, ...reasonOf(history[index]!)])];
}
