/** Corrects the times of records that were stamped before the clock was known. */
import type { Clock } from '../../core/clock.ts';
import type { GatewayEvent } from '../../core/event.ts';
import type { SeqRange } from '../../core/intervals.ts';
import type { DeviceRecord } from '../../core/reading.ts';
import type { Stream } from '../store.ts';
import { decodeEvents, decodeRecords } from './codec.ts';
import type { KnownShapes } from './record-shapes.ts';

/**
 * What became known of the clock of one run, after it had stamped records: wall clock = monotonic clock + `offsetMs`.
 * Everything in the ranges that is marked as taken with an unknown clock was taken in that run.
 */
export interface WallOffset extends Readonly<Record<Stream, SeqRange>> {
  /** Names the run, whose monotonic clock no other shares. */
  readonly boot: string;
  readonly offsetMs: number;
  /** True times of the first and the last record of the range, UTC ms. */
  readonly firstWallMs: number;
  readonly lastWallMs: number;
}

/** The offset for number `seq` of a stream, where one is known. */
export function offsetOf(offsets: readonly WallOffset[], stream: Stream, seq: number): number | undefined {
  return offsets.find((offset) => seq >= offset[stream].from && seq < offset[stream].to)?.offsetMs;
}

/**
 * The records of a stored body, each at its true time where that became known since. Everybody who reads records reads
 * them so; one that is still marked as taken with an unknown clock has the time that the clock showed.
 *
 * @param first number of the first record in the body
 */
export function decodeTrueRecords(
  body: Uint8Array,
  first: number,
  offsets: readonly WallOffset[],
  known?: KnownShapes,
): DeviceRecord[] {
  const { records } = decodeRecords(body, known);
  return records.map((record, index) => {
    const offsetMs = record.clockKnown ? undefined : offsetOf(offsets, 'readings', first + index);
    return offsetMs === undefined ? record : recordAgain(record, offsetMs);
  });
}

/** See {@link decodeTrueRecords}. */
export function decodeTrueEvents(body: Uint8Array, first: number, offsets: readonly WallOffset[]): GatewayEvent[] {
  return decodeEvents(body).map((event, index) => {
    const offsetMs = event.clockKnown ? undefined : offsetOf(offsets, 'events', first + index);
    return offsetMs === undefined ? event : eventAgain(event, offsetMs);
  });
}

/** The time of an instant by the clock that is right, UTC ms. */
export function trueWallMs(monoMs: number, offsetMs: number): number {
  return Math.floor(monoMs + offsetMs);
}

/** A record with the time that it would have been stamped with, had the clock been known. */
function recordAgain(record: DeviceRecord, offsetMs: number): DeviceRecord {
  const { monoMs } = record.at;
  return { ...record, at: { wallMs: trueWallMs(monoMs, offsetMs), monoMs }, clockKnown: true };
}

/** An event with the time that it would have been stamped with, had the clock been known. */
function eventAgain(event: GatewayEvent, offsetMs: number): GatewayEvent {
  return { ...event, wallMs: trueWallMs(event.monoMs, offsetMs), clockKnown: true };
}

/** What the clock shows beyond the monotonic one; undefined as long as it is not known. */
export function offsetNow(clock: Clock): number | undefined {
  return clock.known() ? clock.wallMs() - clock.monoMs() : undefined;
}

/** Records of this run that wait for their commit, stamped again where the clock became known meanwhile. */
export function stampedRecords(records: DeviceRecord[], clock: Clock): DeviceRecord[] {
  if (records.every(({ clockKnown }) => clockKnown)) return records;
  const offsetMs = offsetNow(clock);
  if (offsetMs === undefined) return records;
  return records.map((record) => (record.clockKnown ? record : recordAgain(record, offsetMs)));
}

/** See {@link stampedRecords}. */
export function stampedEvents(events: GatewayEvent[], clock: Clock): GatewayEvent[] {
  if (events.every(({ clockKnown }) => clockKnown)) return events;
  const offsetMs = offsetNow(clock);
  if (offsetMs === undefined) return events;
  return events.map((event) => (event.clockKnown ? event : eventAgain(event, offsetMs)));
}
