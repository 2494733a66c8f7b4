/** Knows for one run of the gateway what the clock was worth, and restamps what was stored before. */
import type { Clock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { SeqRange } from '../../core/intervals.ts';
import type { Logger } from '../../core/log.ts';
import { offsetNow, trueWallMs, type WallOffset } from '../format/restamp.ts';
import type { Backend } from '../protocol.ts';
import type { CommitBatch, Receipt } from '../store.ts';

/** Keeps track of what was committed while the clock was not known, and gives it the right time once it is. */
interface Stamps {
  /** Notes what of a commit has no trusted time; tells the store of the offset once the clock is known. */
  committed(batch: CommitBatch, receipt: Receipt): void;
  /** What is known of this run's clock and may not be noted yet; undefined while nothing is, or nothing needs it. */
  own(): WallOffset | undefined;
  /** All that is known of clocks, this run's and those of earlier ones. */
  offsets(): readonly WallOffset[];
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
    offsets() {
      const offset = ownOffset();
      return offset ? [...backend.offsets, offset] : backend.offsets;
    },
  };
}
