/** Bounds how many changes of a line are told upstream. */
import type { Edge } from './port.ts';

/** One change of a state that is told upstream. */
interface Report {
  readonly active: boolean;
  /** The port's clock, ms. */
  readonly stampMs: number;
  /** True when changes before it were lost, or left out in a storm. */
  readonly isDoubtful: boolean;
}

/** Changes of one line that are told at once, after a quiet time. */
const BURST = 256;

/** Changes a second of one line that are told for ever: as many as a store takes for years. */
export const SUSTAINED_PER_SECOND = 50;

/** Tells the changes of one line, within bounds. */
export interface Reporter {
  /** What to tell now; to be called with no edges too, so that the last state of a storm is told. */
  take(edges: readonly Edge[], nowMs: number): readonly Report[];
  /** Changes left out since the last call. */
  leftOut(): number;
}

/**
 * Tells every change until a storm comes: more than {@link BURST} at once and {@link SUSTAINED_PER_SECOND} after that.
 * Then changes are left out and counted, the next one told is doubtful, and the last one is always told.
 */
export function createReporter(): Reporter {
  let tokens = BURST;
  let refilledMs: number | undefined;
  let isDoubtful = false;
  let pending: Edge | undefined;
  let leftOut = 0;

  return {
    take(edges, nowMs) {
      tokens = Math.min(BURST, tokens + ((nowMs - (refilledMs ?? nowMs)) * SUSTAINED_PER_SECOND) / 1000);
      refilledMs = nowMs;
      const reports: Report[] = [];
      const tell = ({ active, stampMs }: Edge): void => {
        tokens--;
        reports.push({ active, stampMs, isDoubtful });
        isDoubtful = false;
      };
      if (pending && tokens >= 1) {
        tell(pending);
        pending = undefined;
      }
      for (const edge of edges) {
        isDoubtful ||= edge.missed > 0;
        if (pending) {
          pending = undefined;
          leftOut++;
          isDoubtful = true;
        }
        if (tokens >= 1) tell(edge);
        else pending = edge;
      }
      return reports;
    },
    leftOut() {
      const count = leftOut;
      leftOut = 0;
      return count;
    },
  };
}
