/** Writes the chain of quality records to a file, and checks such a file without the gateway. */
import { isUtf8 } from 'node:buffer';
import type { Checkpoint, SignedCheckpoint } from '../core/event.ts';
import { canonical } from './canonical.ts';
import { type ChainRecord, GENESIS, hashOf, type Link } from './chain.ts';
import { isSigned, keyIdOf } from './signing.ts';

/** What the first line of a file says of its form: the chain from its beginning, or from a checkpoint on, which is the second line. */
const FORMAT = 'millgate/quality-chain/1';
const FORMAT_BEHIND = 'millgate/quality-chain/2';

/** Members that every event has; the rest is what was recorded. */
const OF_THE_STREAM = new Set(['schema', 'gateway', 'epoch', 'seq', 't', 'clock', 'chain']);

/** The first line of a file; with the checkpoint that it begins behind, the first two. */
export function headerLine(publicKey: string, behind?: SignedCheckpoint): string {
  if (!behind) return canonical({ format: FORMAT, publicKey });
  return `${canonical({ format: FORMAT_BEHIND, publicKey })}\n${checkpointLine(behind)}`;
}

/** The line of an event as on the wire; undefined where it is no quality record. */
export function recordLine(
  event: Readonly<Record<string, unknown>>,
): { readonly seq: number; readonly text: string } | undefined {
  const link = event.chain as Link | undefined;
  if (!link) return undefined;
  const body = Object.fromEntries(Object.entries(event).filter(([name]) => !OF_THE_STREAM.has(name)));
  const { seq, prev, t, hash } = link;
  return { seq, text: canonical({ hash, record: { event: body, prev, seq, t } }) };
}

/** The last line of a file: it covers all of it. */
export function checkpointLine({ checkpoint, signature }: SignedCheckpoint): string {
  return canonical({ checkpoint, signature });
}

/** What a check found. `record` is the number of the first record that is broken, where one can be named. */
export type Verdict =
  | {
      readonly ok: true;
      readonly records: number;
      readonly from: number | null;
      readonly to: number | null;
      /** The checkpoint that the file begins behind: how many records it covers, and when it was signed, UTC ms; null: none. */
      readonly behind: { readonly records: number; readonly time: number } | null;
      readonly key: string;
      /** When it was signed, UTC ms. */
      readonly time: number;
    }
  | { readonly ok: false; readonly line: number; readonly record: number | null; readonly why: string };

/** What a record must follow: the number and the hash of the one before it. */
interface Before {
  readonly seq: number;
  readonly hash: string;
}

interface RecordOfFile {
  readonly hash: string;
  readonly record: ChainRecord;
}

/** A checkpoint with the number of the line that it was kept on, from 1. */
export type KeptCheckpoint = Pick<SignedCheckpoint, 'checkpoint' | 'signature'> & { readonly line: number };

/** What a file is checked against. */
interface Evidence {
  /** The public key that must have signed it; undefined: the one that the file names. */
  readonly trusted?: string | undefined;
  /** Checkpoints that were kept elsewhere: the file must hold what they signed. */
  readonly kept?: readonly KeptCheckpoint[];
}

/**
 * Checks a file: that every byte of every record is what was hashed, that each follows the one before, that the last
 * one is the one that was signed, and that it is the chain of which checkpoints were kept elsewhere.
 */
export function verifyChain(bytes: Uint8Array, { trusted, kept = [] }: Evidence = {}): Verdict {
  const lines = linesOf(bytes);
  const header = headerIn(lines[0]!);
  if (header === undefined) return broken(1, null, 'the first line is not that of a chain of quality records');
  const { publicKey, isBehind } = header;
  const skip = isBehind ? 2 : 1;
  if (trusted !== undefined && trusted !== publicKey)
    return broken(1, null, `it names key ${keyIdOf(publicKey)}, and ${keyIdOf(trusted)} was to sign it`);
  const behind = isBehind ? checkpointIn(lines[1] ?? '') : undefined;
  if (isBehind && !(behind && isOfKey(behind, publicKey)))
    return broken(2, null, 'the checkpoint that it begins behind is not right: it was changed or replaced');
  const records = lines.slice(skip, -1);
  const hashes = new Map<number, string>();
  const counts = new Set(kept.map(({ checkpoint }) => checkpoint.count));
  let before: Before | undefined = behind && { seq: behind.checkpoint.count - 1, hash: behind.checkpoint.head };
  let first: number | null = null;
  for (const [index, line] of records.entries()) {
    const found = recordIn(line);
    // What a changed record says of its own number may be what was changed.
    const number = before === undefined ? firstNamed(lines, index) : before.seq + 1;
    if (!found) return broken(index + skip + 1, number, 'the line is not what was written');
    if (hashOf(found.record) !== found.hash)
      return broken(index + skip + 1, number, 'its content does not match its hash: it was changed');
    const why = whyBroken(found, before, records.slice(index + 1));
    if (why) return broken(index + skip + 1, why.record, why.text);
    first ??= found.record.seq;
    if (counts.has(found.record.seq + 1)) hashes.set(found.record.seq, found.hash);
    before = { seq: found.record.seq, hash: found.hash };
  }
  const end = endOf(lines, before, first, publicKey);
  if (!end.ok) return end;
  const { count = 0, time = 0 } = behind?.checkpoint ?? {};
  return whyNotKept(end, hashes, kept, publicKey) ?? { ...end, behind: behind ? { records: count, time } : null };
}

/** What speaks against a file among the checkpoints that were kept elsewhere. */
function whyNotKept(
  { from, to }: Extract<Verdict, { ok: true }>,
  hashes: ReadonlyMap<number, string>,
  kept: readonly KeptCheckpoint[],
  publicKey: string,
): Verdict | undefined {
  for (const { checkpoint, signature, line } of kept) {
    const { count, head, key, time } = checkpoint;
    const which = `the checkpoint of ${count} records that was kept (line ${line})`;
    if (key !== keyIdOf(publicKey) || !isSigned(checkpoint, signature, publicKey))
      return broken(line, null, `${which} is not signed by key ${keyIdOf(publicKey)}, which the file names`);
    const last = count - 1;
    if (to === null ? count > 0 : last > to)
      return broken(
        line,
        (to ?? -1) + 1,
        `${which} was signed on ${new Date(time).toISOString()}, and the file ends with record ${to ?? 'none'}: its end was cut`,
      );
    if (from !== null && last >= from && hashes.get(last) !== head)
      return broken(line, last, `${which} is of another chain: the file was written anew up to there`);
  }
  return undefined;
}

/**
 * Checkpoints out of a text that somebody kept: a line each, as an event of the wire or as the last line of a file, and
 * behind a topic or not. Other lines are passed over.
 */
export function keptCheckpoints(text: string): KeptCheckpoint[] {
  return text.split('\n').flatMap((line, index) => {
    const begin = line.indexOf('{');
    const found = begin < 0 ? undefined : parsed(line.slice(begin));
    const isCheckpoint = isShaped(found?.checkpoint, found?.signature);
    return isCheckpoint ? [{ ...(found as unknown as KeptCheckpoint), line: index + 1 }] : [];
  });
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The lines of a file. One that is not UTF-8 is none that was written, and the last line is a whole one. */
function linesOf(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(LINE_END, at);
    lines.push(end < 0 ? '' : textOf(bytes.subarray(at, end)));
    at = end < 0 ? bytes.length : end + 1;
  }
  return lines.length === 0 ? [''] : lines;
}

const LINE_END = 10;

function textOf(bytes: Uint8Array): string {
  return isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8') : '';
}

function broken(line: number, record: number | null, why: string): Verdict {
  return { ok: false, line, record, why };
}

function whyBroken(
  { record }: RecordOfFile,
  before: Before | undefined,
  rest: readonly string[],
): { readonly record: number; readonly text: string } | undefined {
  const { seq, prev } = record;
  const expected = before ? before.seq + 1 : seq;
  if (seq < expected)
    return { record: seq, text: `it stands behind record ${expected - 1}: it is there twice, or out of order` };
  if (seq > expected) {
    const isLater = rest.some((line) => recordIn(line)?.record.seq === expected);
    if (isLater) return { record: expected, text: `record ${seq} stands before it: the records are out of order` };
    const missing = seq - expected === 1 ? `record ${expected} is` : `records ${expected} to ${seq - 1} are`;
    return { record: seq, text: `${missing} missing before it` };
  }
  const wanted = before?.hash ?? (seq === 0 ? GENESIS : prev);
  if (prev !== wanted)
    return { record: seq, text: 'it does not follow the record before it: it was put in from elsewhere' };
  return undefined;
}

/** The checkpoint at the end. */
function endOf(lines: readonly string[], last: Before | undefined, first: number | null, publicKey: string): Verdict {
  const line = lines.length;
  const to = first === null ? null : last!.seq;
  const end = lines.length > 1 ? checkpointIn(lines.at(-1)!) : undefined;
  if (!end) {
    const cut = recordIn(lines.at(-1)!)?.record ?? last;
    return broken(line, cut?.seq ?? null, 'no checkpoint follows: the file was cut, or its last line was changed');
  }
  const { count, head, key, time } = end.checkpoint;
  if (key !== keyIdOf(publicKey))
    return broken(line, to, `the checkpoint is of key ${key}, and the file names ${keyIdOf(publicKey)}`);
  if (!isOfKey(end, publicKey))
    return broken(line, to, 'the signature of the checkpoint is not right: it was changed or replaced');
  if (last && (count !== last.seq + 1 || head !== last.hash))
    return broken(
      line,
      to,
      `the checkpoint is of ${count} records, and the last one here is number ${last.seq}: records or the checkpoint were cut or replaced`,
    );
  return { ok: true, records: to === null ? 0 : to - first! + 1, from: first, to, behind: null, key, time };
}

function isOfKey({ checkpoint, signature }: Pick<SignedCheckpoint, 'checkpoint' | 'signature'>, key: string): boolean {
  return checkpoint.key === keyIdOf(key) && isSigned(checkpoint, signature, key);
}

/** The number that a broken first record has: by the next one that is whole, or by the checkpoint. */
function firstNamed(lines: readonly string[], index: number): number | null {
  const own = index + 1;
  const next = lines.findIndex((line, at) => at > own && recordIn(line) !== undefined);
  if (next >= 0) return Math.max(0, recordIn(lines[next]!)!.record.seq - (next - own));
  const end = checkpointIn(lines.at(-1)!);
  return end ? Math.max(0, end.checkpoint.count - (lines.length - 1 - own)) : null;
}

const HASH = /^[0-9a-f]{64}$/;

/** A line that is the canonical text of an object; any other byte in it makes it none. */
function objectIn(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject && canonical(value) === line ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function hasExactly(value: object, names: readonly string[]): boolean {
  return Object.keys(value).length === names.length && names.every((name) => name in value);
}

function headerIn(line: string): { readonly publicKey: string; readonly isBehind: boolean } | undefined {
  const found = objectIn(line);
  if (!found || !hasExactly(found, ['format', 'publicKey']) || !HASH.test(String(found.publicKey))) return undefined;
  const isBehind = found.format === FORMAT_BEHIND;
  return isBehind || found.format === FORMAT ? { publicKey: String(found.publicKey), isBehind } : undefined;
}

function recordIn(line: string): RecordOfFile | undefined {
  const found = objectIn(line);
  if (!found || !hasExactly(found, ['hash', 'record'])) return undefined;
  const { hash, record } = found as { hash: unknown; record: Partial<ChainRecord> | null };
  const isRecord = record && typeof record === 'object' && hasExactly(record, ['event', 'prev', 'seq', 't']);
  if (!isRecord || !Number.isSafeInteger(record.seq) || !HASH.test(String(hash))) return undefined;
  return found as unknown as RecordOfFile;
}

function checkpointIn(line: string): Pick<SignedCheckpoint, 'checkpoint' | 'signature'> | undefined {
  const found = objectIn(line);
  if (!found || !hasExactly(found, ['checkpoint', 'signature'])) return undefined;
  if (!isShaped(found.checkpoint, found.signature)) return undefined;
  return found as unknown as Pick<SignedCheckpoint, 'checkpoint' | 'signature'>;
}

function isShaped(checkpoint: unknown, signature: unknown): boolean {
  const isCheckpoint = typeof checkpoint === 'object' && checkpoint !== null;
  if (!isCheckpoint || !hasExactly(checkpoint, ['count', 'head', 'key', 'time'])) return false;
  return Number.isSafeInteger((checkpoint as Checkpoint).count) && /^[0-9a-f]{128}$/.test(String(signature));
}
