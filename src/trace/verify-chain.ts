/** Writes the chain of quality records to a file, and checks such a file without the gateway. */
import type { SignedCheckpoint } from '../core/event.ts';
import { canonical } from './canonical.ts';
import { type ChainRecord, GENESIS, hashOf, type Link } from './chain.ts';
import { isSigned, keyIdOf } from './signing.ts';

/** What the first line of a file says of its form. */
const FORMAT = 'millgate/quality-chain/1';

/** Members that every event has; the rest is what was recorded. */
const OF_THE_STREAM = new Set(['schema', 'gateway', 'epoch', 'seq', 't', 'clock', 'chain']);

/** The first line of a file. */
export function headerLine(publicKey: string): string {
  return canonical({ format: FORMAT, publicKey });
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
      readonly key: string;
      /** When it was signed, UTC ms. */
      readonly time: number;
    }
  | { readonly ok: false; readonly line: number; readonly record: number | null; readonly why: string };

interface RecordOfFile {
  readonly hash: string;
  readonly record: ChainRecord;
}

/**
 * Checks a file: that every byte of every record is what was hashed, that each follows the one before, and that the last
 * one is the one that was signed.
 *
 * @param trusted the public key that must have signed it; undefined: the one that the file names
 */
export function verifyChain(text: string, trusted: string | undefined): Verdict {
  const lines = text.endsWith('\n') ? text.slice(0, -1).split('\n') : text.split('\n');
  const publicKey = publicKeyIn(lines[0]!);
  if (publicKey === undefined) return broken(1, null, 'the first line is not that of a chain of quality records');
  if (trusted !== undefined && trusted !== publicKey)
    return broken(1, null, `it names key ${keyIdOf(publicKey)}, and ${keyIdOf(trusted)} was to sign it`);
  const records = lines.slice(1, -1);
  let before: RecordOfFile | undefined;
  let first: number | null = null;
  for (const [index, line] of records.entries()) {
    const expected = before === undefined ? undefined : before.record.seq + 1;
    const found = recordIn(line);
    if (!found) return broken(index + 2, expected ?? firstNamed(records, index), 'the line is not what was written');
    const why = whyBroken(found, before, records.slice(index + 1));
    if (why) return broken(index + 2, why.record, why.text);
    first ??= found.record.seq;
    before = found;
  }
  return endOf(lines, before, first, publicKey);
}

function broken(line: number, record: number | null, why: string): Verdict {
  return { ok: false, line, record, why };
}

function whyBroken(
  { hash, record }: RecordOfFile,
  before: RecordOfFile | undefined,
  rest: readonly string[],
): { readonly record: number; readonly text: string } | undefined {
  const { seq, prev } = record;
  if (hashOf(record) !== hash) return { record: seq, text: 'its content does not match its hash: it was changed' };
  const expected = before ? before.record.seq + 1 : seq;
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
function endOf(
  lines: readonly string[],
  last: RecordOfFile | undefined,
  first: number | null,
  publicKey: string,
): Verdict {
  const line = lines.length;
  const to = last?.record.seq ?? null;
  const end = lines.length > 1 ? checkpointIn(lines.at(-1)!) : undefined;
  if (!end) {
    const cut = recordIn(lines.at(-1)!) ?? last;
    const record = cut ? cut.record.seq : null;
    return broken(line, record, 'no checkpoint follows: the file was cut, or its last line was changed');
  }
  const { checkpoint, signature } = end;
  const { count, head, key, time } = checkpoint;
  if (key !== keyIdOf(publicKey))
    return broken(line, to, `the checkpoint is of key ${key}, and the file names ${keyIdOf(publicKey)}`);
  if (!isSigned(checkpoint, signature, publicKey))
    return broken(line, to, 'the signature of the checkpoint is not right: it was changed or replaced');
  if (last && (count !== last.record.seq + 1 || head !== last.hash))
    return broken(
      line,
      to,
      `the checkpoint is of ${count} records, and the last one here is number ${to}: records or the checkpoint were cut or replaced`,
    );
  return { ok: true, records: last ? to! - first! + 1 : 0, from: first, to, key, time };
}

/** The number that a broken first record has by the one that follows it. */
function firstNamed(records: readonly string[], index: number): number | null {
  const next = records[index + 1] === undefined ? undefined : recordIn(records[index + 1]!);
  return next ? next.record.seq - 1 : null;
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

function publicKeyIn(line: string): string | undefined {
  const found = objectIn(line);
  const isHeader = found && hasExactly(found, ['format', 'publicKey']) && found.format === FORMAT;
  return isHeader && HASH.test(String(found.publicKey)) ? String(found.publicKey) : undefined;
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
  const { checkpoint, signature } = found as { checkpoint: object | null; signature: unknown };
  const isCheckpoint = checkpoint !== null && hasExactly(checkpoint, ['count', 'head', 'key', 'time']);
  if (!isCheckpoint || !/^[0-9a-f]{128}$/.test(String(signature))) return undefined;
  return found as unknown as Pick<SignedCheckpoint, 'checkpoint' | 'signature'>;
}
