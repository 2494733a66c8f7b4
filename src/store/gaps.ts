/** Turns new entries of the ledger into `gap` events. */
import { type Clock, instantOf } from '../core/clock.ts';
import type { GatewayEvent } from '../core/event.ts';
import type { Committer } from './committer.ts';
import type { LedgerEntry, Store } from './store.ts';

/** The state that remembers the last ledger entry that was told of. */
export const GAPS_TOLD = 'gaps-told';

/** Gap events in one commit; more wait for the next look. */
const MAX_EVENTS = 500;

/** Publishes what the ledger gains. */
interface GapTeller {
  /** Commits an event for each entry that was not told of yet, together with how far it told. */
  tell(): Promise<void>;
}

/**
 * Turns ledger entries into `gap` events. The event and the memory of having told it are one commit, so that a crash
 * neither hides a gap nor tells it twice.
 *
 * @param told the state {@link GAPS_TOLD} as it was stored
 */
export function createGapTeller(
  store: Pick<Store, 'ledger'>,
  committer: Pick<Committer, 'acceptEvents' | 'setState'>,
  clock: Clock,
  told: string | undefined,
): GapTeller {
  let lastTold = Number(told ?? 0) || 0;
  let busy = false;
  return {
    async tell() {
      if (busy) return;
      busy = true;
      try {
        const news = (await store.ledger(lastTold)).slice(0, MAX_EVENTS);
        if (news.length === 0) return;
        lastTold = news.at(-1)!.id;
        committer.setState(GAPS_TOLD, String(lastTold));
        committer.acceptEvents(news.map((entry) => gapEvent(entry, clock)));
      } finally {
        busy = false;
      }
    },
  };
}

function gapEvent(entry: LedgerEntry, clock: Clock): GatewayEvent {
  const { stream, from, to, count, cause, uplink, firstWallMs, lastWallMs, detail } = entry;
  return {
    ...instantOf(clock),
    clockKnown: clock.known(),
    body: {
      kind: 'gap',
      stream,
      from,
      to: to - 1,
      count,
      cause,
      ...(uplink !== undefined && { uplink }),
      ...(firstWallMs !== undefined && { first: firstWallMs }),
      ...(lastWallMs !== undefined && { last: lastWallMs }),
      ...(detail !== undefined && { detail }),
    },
  };
}
