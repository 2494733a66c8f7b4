/** The command `verify`: checks the chain of quality records, in a file or in the store, and writes it to a file. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { EventsPage, JsonEvent } from '../../api/rules-view.ts';
import { EXIT, type ExitCode, Fault, messageOf } from '../../core/errors.ts';
import type { SignedCheckpoint } from '../../core/event.ts';
import { PUBLIC_FILE } from '../../trace/signing.ts';
import {
  checkpointLine,
  headerLine,
  type KeptCheckpoint,
  keptCheckpoints,
  recordLine,
  type Verdict,
  verifyChain,
} from '../../trace/verify-chain.ts';
import { runningGateway } from '../client.ts';
import { openStored, type Stored } from '../stored.ts';
import { type CliContext, type CommonOptions, print, printJson, warn } from '../terminal/context.ts';
import { durationOption } from '../terminal/duration.ts';
import { formatTime } from '../terminal/format.ts';
import { saveFile } from '../terminal/save.ts';

/** Options of `verify`. */
interface VerifyOptions extends CommonOptions {
  readonly since?: string;
  readonly export?: string;
  readonly key?: string;
  readonly checkpoints?: string;
}

/** The largest file that is read, bytes: about a million records. */
const MAX_FILE_BYTES = 500_000_000;

/** How far a checkpoint is looked for before the time that is asked for. */
const EVENTS_BACK = 1000;
const MOST_PAGES_BACK = 50;

const PUBLIC_KEY = /^[0-9a-f]{64}$/;

/**
 * `verify FILE`: checks a file without a gateway. `verify --since 30d`: checks what is stored, and with `--export FILE`
 * writes it to a file that can be checked anywhere.
 *
 * @returns 0 when all of it is as it was written, 1 with the first record that is not
 */
export async function verify(file: string | undefined, options: VerifyOptions, context: CliContext): Promise<ExitCode> {
  if ((file === undefined) === (options.since === undefined))
    throw new Fault(
      'verify takes a file, or --since for what is stored',
      'Write millgate verify FILE, or millgate verify --since 30d.',
      EXIT.usage,
    );
  if (file !== undefined && options.export !== undefined)
    throw new Fault('--export is of what is stored', 'Write millgate verify --since 30d --export FILE.', EXIT.usage);
  const trusted = options.key === undefined ? undefined : trustedKey(options.key, context);
  const kept = options.checkpoints === undefined ? [] : keptIn(options.checkpoints, context);
  const bytes = file === undefined ? Buffer.from(await storedChain(options, context)) : bytesOf(file, context);
  if (options.export !== undefined) saveFile(options.export, bytes, context);
  const verdict = verifyChain(bytes, { trusted, kept });
  if (options.json) printJson(context, verdict);
  else print(context, verdictLines(verdict, { isTrusted: trusted !== undefined, kept: kept.length }, context));
  if (options.export !== undefined && !options.json) warn(context, [`millgate: ${options.export}: written.`]);
  return verdict.ok ? EXIT.ok : EXIT.failed;
}

function bytesOf(file: string, { cwd }: CliContext): Buffer {
  const path = resolve(cwd, file);
  try {
    if (statSync(path).size > MAX_FILE_BYTES)
      throw new Fault(`${file} is too large`, `Export it in parts: at most ${MAX_FILE_BYTES / 1e6} MB.`, EXIT.usage);
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault(`${file}: cannot be read: ${messageOf(error)}`, 'Check the path.', EXIT.usage, { cause: error });
  }
}

/** The public key that must have signed: given itself, or as a file that holds it. */
function trustedKey(given: string, context: CliContext): string {
  const text = PUBLIC_KEY.test(given) ? given : bytesOf(given, context).toString('utf8').trim();
  if (PUBLIC_KEY.test(text)) return text;
  throw new Fault(
    `${given} holds no public key`,
    `Name the file ${PUBLIC_FILE} of the gateway's store, or its 64 hex digits.`,
    EXIT.usage,
  );
}

/** Checkpoints that somebody kept: lines of events, or an earlier export. */
function keptIn(file: string, context: CliContext): KeptCheckpoint[] {
  const kept = keptCheckpoints(bytesOf(file, context).toString('utf8'));
  if (kept.length > 0) return kept;
  throw new Fault(
    `${file} holds no checkpoint`,
    'Name a file with a line for each event that the gateway published, or an earlier export.',
    EXIT.usage,
  );
}

/** The chain as it is stored, with a checkpoint made now, or the last one where no gateway runs. */
async function storedChain(options: VerifyOptions, context: CliContext): Promise<string> {
  const gateway = await runningGateway(options, context);
  const fresh = await gateway?.post<SignedCheckpoint>('/api/v1/quality/checkpoint', {});
  const stored = await openStored(options, context);
  try {
    const fromMs = Math.max(0, Math.floor(context.clock.wallMs() - durationOption('since', options.since!)));
    const { records, behind, last } = await chainSince(stored, fromMs);
    const end = fresh ?? last;
    if (!end)
      throw new Fault('there is no checkpoint of this time', 'Start the gateway, or look further back: --since 365d.');
    const covered = fresh ? records.filter(({ seq }) => seq < fresh.checkpoint.count) : records;
    const lines = [headerLine(end.publicKey, behind), ...covered.map(({ text }) => text), checkpointLine(end)];
    return `${lines.join('\n')}\n`;
  } finally {
    await stored.close();
  }
}

interface ChainPart {
  readonly records: readonly { readonly seq: number; readonly text: string }[];
  /** The checkpoint that the first of them follows, where there is one. */
  readonly behind: SignedCheckpoint | undefined;
  readonly last: SignedCheckpoint | undefined;
}

/** Records since a time, and those before it as far as the last checkpoint. */
async function chainSince(stored: Stored, fromMs: number): Promise<ChainPart> {
  const items: ChainItem[] = [];
  let start: number | undefined;
  let from: Parameters<Stored['events']>[0] | undefined = { fromMs };
  while (from) {
    const { events, next } = await stored.events(from);
    start ??= events[0]?.seq;
    items.push(...events.flatMap(itemsOf));
    from = next === undefined ? undefined : { afterSeq: next };
  }
  const first = items.find((item) => 'text' in item);
  const before = first && first.seq > 0 && start !== undefined ? await itemsBefore(stored, start) : [];
  const all = [...before, ...items];
  const records = all.filter((item) => 'text' in item);
  const checkpoints = all.filter((item) => 'signature' in item);
  // Where no checkpoint is stored before the first record, it begins with the first that is followed by records.
  const behind = records[0]?.seq === 0 ? undefined : checkpoints[0];
  const follow = behind ? records.filter(({ seq }) => seq >= behind.checkpoint.count) : [];
  const last = checkpoints.at(-1);
  return follow.length === 0 ? { records, behind: undefined, last } : { records: follow, behind, last };
}

type ChainItem = { readonly seq: number; readonly text: string } | SignedCheckpoint;

function itemsOf(event: JsonEvent): ChainItem[] {
  return [recordLine(event) ?? checkpointIn(event)].filter((item) => item !== undefined);
}

/** From the last checkpoint that is stored before event `start` on; all that is there when there is none within reach. */
async function itemsBefore(stored: Stored, start: number): Promise<ChainItem[]> {
  let items: ChainItem[] = [];
  for (let end = start, pages = 0; end > 1 && pages < MOST_PAGES_BACK; pages++) {
    const begin = Math.max(1, end - EVENTS_BACK);
    const found: ChainItem[] = [];
    let next: number | undefined = begin - 1;
    while (next !== undefined && next < end - 1) {
      const page: EventsPage = await stored.events({ afterSeq: next });
      found.push(...page.events.filter(({ seq }) => seq < end).flatMap(itemsOf));
      next = page.next;
    }
    items = [...found, ...items];
    const checkpoint = items.findLastIndex((item) => 'signature' in item);
    if (checkpoint >= 0) return items.slice(checkpoint);
    end = begin;
  }
  return items;
}

function checkpointIn({ kind, what, checkpoint, signature, publicKey }: JsonEvent): SignedCheckpoint | undefined {
  if (kind !== 'quality' || what !== 'checkpoint') return undefined;
  return { checkpoint, signature, publicKey } as SignedCheckpoint;
}

function verdictLines(
  verdict: Verdict,
  { isTrusted, kept }: { readonly isTrusted: boolean; readonly kept: number },
  context: CliContext,
): string[] {
  const { colors } = context;
  if (!verdict.ok) {
    const where = verdict.record === null ? `line ${verdict.line}` : `record ${verdict.record} (line ${verdict.line})`;
    return [colors.red(`Broken at ${where}: ${verdict.why}.`)];
  }
  const { records, from, to, behind, key, time } = verdict;
  const what = records === 0 ? 'No records' : `${records} records (${from} to ${to})`;
  const signed = `${what} are as they were written; signed ${formatTime(time, context)} by key ${key}.`;
  const advice = `Compare the key with the one that the gateway publishes in its checkpoints, or name it: --key FILE.`;
  const compared = kept === 1 ? 'It agrees with the checkpoint' : `It agrees with the ${kept} checkpoints`;
  const earlier = `They begin behind the checkpoint of ${behind?.records} records, which was signed ${formatTime(behind?.time ?? 0, context)}; what is older was not asked for, or left the store behind it.`;
  const cut = `They begin with record ${from}, and no checkpoint before it is here; the later ones cover it.`;
  const begin = behind ? [earlier] : from !== null && from > 0 ? [cut] : [];
  return [
    colors.green(signed),
    ...begin,
    ...(kept === 0 ? [] : [colors.green(`${compared} that were kept elsewhere.`)]),
    ...(isTrusted ? [] : [advice]),
  ];
}
