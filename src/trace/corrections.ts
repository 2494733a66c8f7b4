/** Reads the records of parts and their corrections out of a journal. */

/** An event as on the wire. */
export type WireEvent = Readonly<Record<string, unknown>>;

/** Events, oldest first, in pages. */
export type Journal = () => AsyncIterable<readonly WireEvent[]>;

/** What was put right in a record: a record of its own, which names the value before. */
interface Correction {
  /** Number of its own record in the chain. */
  readonly seq: number;
  readonly t: number;
  readonly member: string;
  readonly was: unknown;
  readonly to: unknown;
  readonly by: string;
  readonly comment: string | null;
}

/** The record of a part with its corrections, oldest first. `corrected`: its members with the corrections put in. */
export interface PartRecord {
  readonly record: number | null;
  readonly t: number;
  readonly part: WireEvent;
  readonly corrections: readonly Correction[];
  readonly corrected: WireEvent;
}

/** Members of a record of which a person may say that they are wrong. */
export const CORRECTABLE = ['serial', 'result', 'job'] as const;

/** Parts that are handed out at once. */
const MOST_PARTS = 1000;

/** The number of a record in the chain; undefined of what is no record. */
export function recordNumber({ chain }: WireEvent): number | undefined {
  const seq = (chain as { seq?: unknown } | undefined)?.seq;
  return typeof seq === 'number' ? seq : undefined;
}

/** A correction in an event; undefined in any other. */
export function correctionIn(
  event: WireEvent,
): { readonly record: number; readonly correction: Correction } | undefined {
  const { kind, what, record, member, was, to, by, comment, t } = event;
  if (kind !== 'audit' || what !== 'correction' || typeof record !== 'number') return undefined;
  const text = typeof comment === 'string' ? comment : null;
  const seq = recordNumber(event) ?? 0;
  return { record, correction: { seq, t: Number(t), member: String(member), was, to, by: String(by), comment: text } };
}

/** All corrections, by the number of the record that each puts right, oldest first. */
export async function correctionsIn(journal: Journal): Promise<ReadonlyMap<number, readonly Correction[]>> {
  const corrections = new Map<number, Correction[]>();
  for await (const page of journal())
    for (const event of page) {
      const found = correctionIn(event);
      if (found) corrections.set(found.record, [...(corrections.get(found.record) ?? []), found.correction]);
    }
  return corrections;
}

/**
 * The records of all parts that a test lets through, with what was put right in them. A part is found by what it was
 * recorded as and by what it was put right to.
 */
export async function partsIn(journal: Journal, isWanted: (part: WireEvent) => boolean): Promise<PartRecord[]> {
  const corrections = await correctionsIn(journal);
  const parts: PartRecord[] = [];
  for await (const page of journal())
    for (const event of page) {
      if (event.kind !== 'quality' || event.what !== 'part') continue;
      const record = recordNumber(event) ?? null;
      const own = record === null ? [] : (corrections.get(record) ?? []);
      const corrected = { ...event, ...Object.fromEntries(own.map(({ member, to }) => [member, to])) };
      if (!isWanted(event) && !isWanted(corrected)) continue;
      parts.push({ record, t: Number(event.t), part: event, corrections: own, corrected });
      if (parts.length > MOST_PARTS) parts.shift();
    }
  return parts;
}
