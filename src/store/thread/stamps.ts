/** Knows for one run of the gateway what the clock was worth, and restamps what was stored before. */
import type { Clock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { GatewayEvent } from '../../core/event.ts';
import type { SeqRange } from '../../core/intervals.ts';
import type { Logger } from '../../core/log.ts';
import type { DeviceRecord } from '../../core/reading.ts';
import { eventAgain, offsetNow, offsetOf, recordAgain, trueWallMs, type WallOffset } from '../format/restamp.ts';
import type { Backend } from '../protocol.ts';
import type { CommitBatch, Receipt } from '../store.ts';

/** Keeps track of what was committed while the clock was not known, and gives it the right time once it is. */
interface Stamps {
  /** Notes what of a commit has no trusted time; tells the store of the offset once the clock is known. */
  committed(batch: CommitBatch, receipt: Receipt): void;
  /** What is known of this run's clock and may not be noted yet; undefined while nothing is, or nothing needs it. */
  own(): WallOffset | undefined;
  /** Records from number `from` on, as they are read; those of a clock that became known since are stamped again. */
  records(from: number, records: DeviceRecord[]): DeviceRecord[];
  events(from: number, events: GatewayEvent[]): GatewayEvent[];
}

/** What this run committed with an unknown clock: the span of its numbers and of its monotonic times. */
interface Unsynced {
  readings: SeqRange;
  events: SeqRange;
  firstMonoMs: number;
  lastMonoMs: number;
}

/**
 * Stamps for one run on one backend.
 *
 * @param boot names the run
 */
export function createStamps(
  backend: Pick<Backend, 'offsets' | 'call'>,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
  boot: string,
): Stamps {
  let unsynced: Unsynced | undefined;
  let isTold = true;
  let own: number | undefined;

  /** The offset of this run. The first look after the clock became known finds it; it then never changes. */
  const ownOffset = (): WallOffset | undefined => {
    if (!unsynced) return undefined;
    own ??= offsetNow(clock);
    if (own === undefined) return undefined;
    const { readings, events, firstMonoMs, lastMonoMs } = unsynced;
    const times = { firstWallMs: trueWallMs(firstMonoMs, own), lastWallMs: trueWallMs(lastMonoMs, own) };
    const offset: WallOffset = { boot, offsetMs: own, readings, events, ...times };
    if (!isTold) tell(offset);
    return offset;
  };

  const offsets = (): readonly WallOffset[] => {
    const offset = ownOffset();
    return offset ? [...backend.offsets, offset] : backend.offsets;
  };

  const tell = (offset: WallOffset): void => {
    isTold = true;
    backend.call('restamp', offset).catch((error: unknown) => {
      log.warn(
        `the time of ${offset.readings.to - offset.readings.from} records could not be noted: ${messageOf(error)}`,
      );
      isTold = false;
    });
  };

  return {
    committed({ records, events }, receipt) {
      const times = [
        ...records.filter(({ clockKnown }) => !clockKnown).map(({ at }) => at.monoMs),
        ...events.filter(({ clockKnown }) => !clockKnown).map(({ monoMs }) => monoMs),
      ];
      if (times.length > 0) {
        const { readings, events: given } = unsynced ?? receipt;
        unsynced = {
          readings: { from: readings.from, to: receipt.readings.to },
          events: { from: given.from, to: receipt.events.to },
          firstMonoMs: Math.min(unsynced?.firstMonoMs ?? Number.POSITIVE_INFINITY, ...times),
          lastMonoMs: Math.max(unsynced?.lastMonoMs ?? Number.NEGATIVE_INFINITY, ...times),
        };
        isTold = false;
      }
      ownOffset();
    },
    own: ownOffset,
    records(from, records) {
      if (records.every(({ clockKnown }) => clockKnown)) return records;
      const known = offsets();
      return records.map((record, index) => {
        const offsetMs = record.clockKnown ? undefined : offsetOf(known, 'readings', from + index);
        return offsetMs === undefined ? record : recordAgain(record, offsetMs);
      });
    },
    events(from, events) {
      if (events.every(({ clockKnown }) => clockKnown)) return events;
      const known = offsets();
      return events.map((event, index) => {
        const offsetMs = event.clockKnown ? undefined : offsetOf(known, 'events', from + index);
        return offsetMs === undefined ? event : eventAgain(event, offsetMs);
      });
    },
  };
}
