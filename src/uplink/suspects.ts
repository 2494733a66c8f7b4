/** Finds out which record of a refused batch is the one that is refused. */
import type { Stream } from '../store/store.ts';
import type { Progress } from './progress.ts';

/** A single item that the other side refused. */
interface Suspect {
  readonly from: number;
  /** UTC ms of the item. */
  readonly wallMs: number;
  readonly why: string;
}

/**
 * Judges refused items of one stream during one session. An item is set aside only once the other side has taken
 * another of its kind; until then the fault may lie elsewhere, with a missing permission, say, and everything is kept.
 */
interface Suspects {
  /** The other side took something. */
  accepted(): void;
  /** Notes a refused item; true when so many were refused, and none taken, that it cannot be the items. */
  refused(suspect: Suspect): boolean;
}

/** So many refused items and none accepted: the session is of no use. */
const MAX_SUSPECTS = 16;

/** Nothing refused and nothing accepted yet. */
export function createSuspects(stream: Stream, uplink: string, progress: Progress): Suspects {
  const suspects: Suspect[] = [];
  let takesOthers = false;

  const setAside = (): void => {
    for (const { from, wallMs, why } of suspects.splice(0)) {
      const span = { firstWallMs: wallMs, lastWallMs: wallMs };
      progress.quarantine({ stream, from, to: from + 1, count: 1, uplink, detail: why, ...span });
    }
  };

  return {
    accepted() {
      takesOthers = true;
      setAside();
    },
    refused(suspect) {
      // Above the limit the session is ending; what is refused then stays pending.
      if (suspects.length < MAX_SUSPECTS) suspects.push(suspect);
      if (takesOthers) setAside();
      return suspects.length >= MAX_SUSPECTS;
    },
  };
}
