/** Gives a backtest its records: out of a file of readings, or out of the store. */
import { type DeviceRecord, type Field, Fields, type Instant } from '../core/reading.ts';
import type { ArchivedBatch } from '../store/archive.ts';
import type { ReadingColumns, TagParts } from './readings-file.ts';

/** What a backtest goes through: records in the order they were judged live, and starts of the gateway between them. */
export type Played = DeviceRecord | 'restart';

/**
 * Readings of a file as records. The readings of one tag keep the order of the file, so that late ones stay late; those
 * of different tags are put in the order of their times, so that a file may give one tag after the other.
 */
export function* recordsOfFile(readings: ReadingColumns): Generator<DeviceRecord> {
  const { order, keys } = inOrder(readings);
  const open = new Map<string, Field[]>();
  let openT = Number.NEGATIVE_INFINITY;
  for (const index of order) {
    const t = readings.timeAt(index);
    const { device } = readings.tagAt(index);
    const field = readings.fieldAt(index);
    const isLate = t < keys[index]!;
    const fields = isLate || t !== openT ? undefined : open.get(device);
    if (fields && !fields.some(({ name }) => name === field.name)) {
      fields.push(field);
      continue;
    }
    if (t !== openT || fields) {
      yield* recordsAt(open, openT);
      open.clear();
    }
    if (isLate) {
      yield recordOf(device, t, [field]);
      continue;
    }
    openT = t;
    open.set(device, [field]);
  }
  yield* recordsAt(open, openT);
}

/** Each reading's place in time: the latest time of its tag so far. */
function inOrder(readings: ReadingColumns): { order: Iterable<number>; keys: Float64Array } {
  const keys = new Float64Array(readings.length);
  const latest = new Map<TagParts, number>();
  let isSorted = true;
  for (let index = 0; index < readings.length; index++) {
    const t = readings.timeAt(index);
    const tag = readings.tagAt(index);
    const key = Math.max(t, latest.get(tag) ?? t);
    latest.set(tag, key);
    keys[index] = key;
    if (index > 0 && key < keys[index - 1]!) isSorted = false;
  }
  if (isSorted) return { keys, order: keys.keys() };
  return { keys, order: Array.from(keys.keys()).sort((a, b) => keys[a]! - keys[b]!) };
}

function* recordsAt(open: ReadonlyMap<string, readonly Field[]>, t: number): Generator<DeviceRecord> {
  for (const [device, fields] of open) yield recordOf(device, t, fields);
}

function recordOf(device: string, t: number, fields: readonly Field[]): DeviceRecord {
  const at = { wallMs: Math.round(t), monoMs: t };
  return { device, at, clockKnown: true, simulated: false, fields: Fields.of(fields) };
}

/**
 * Records out of the store, on one monotonic clock: that of each start of the gateway is put where its first record was
 * by the wall clock, but never before the last one.
 */
export function* recordsOfArchive(batches: Iterable<ArchivedBatch>): Generator<Played> {
  let bootId: string | undefined;
  let shiftMs = 0;
  let lastMonoMs = Number.NEGATIVE_INFINITY;
  for (const batch of batches) {
    if (batch.bootId !== bootId) {
      const first = batch.records[0]!.at;
      if (bootId !== undefined) yield 'restart';
      bootId = batch.bootId;
      shiftMs = Math.max(first.wallMs, lastMonoMs + 1) - first.monoMs;
    }
    for (const record of batch.records) {
      const at: Instant = { wallMs: record.at.wallMs, monoMs: record.at.monoMs + shiftMs };
      lastMonoMs = Math.max(lastMonoMs, at.monoMs);
      yield { ...record, at };
    }
  }
}
