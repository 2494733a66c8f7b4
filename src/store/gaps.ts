/** Turns new entries of the ledger into `gap` events. */
import { type Clock, instantOf } from '../core/clock.ts';
import { type Alarms, type GatewayEvent, noAlarms } from '../core/event.ts';
import type { Committer } from './committer.ts';
import { type LedgerEntry, type Store, StoreTrouble } from './store.ts';

/** The state that remembers the last ledger entry that was told of. */
export const GAPS_TOLD = 'gaps-told';

/** Gap events in one commit; more wait for the next look. */
const MAX_EVENTS = 500;

/** The alarm that quality records left the store too early, and how long after the last of them it is over. */
const UNSEALED_ALARM = 'store/quality-chain';
const UNSEALED_MS = 3_600_000;

/** Publishes what the ledger gains. */
interface GapTeller {
  /** Commits an event for each entry that was not told of yet, together with how far it told. */
  tell(): Promise<void>;
}

/**
 * Turns ledger entries into `gap` events. The events and the memory of having told them are one commit, so that a crash
 * neither hides a gap nor tells it twice. An entry that holds nothing but gap events begets none: they would feed
 * themselves wherever an uplink refuses events. What every uplink has is no gap to any of them: that quality records left
 * too early is an alarm.
 *
 * @param told the state {@link GAPS_TOLD} as it was stored
 */
export function createGapTeller(
  store: Pick<Store, 'ledger' | 'peekEvents'>,
  committer: Pick<Committer, 'acceptEvents' | 'setState'>,
  clock: Clock,
  told: string | undefined,
  alarms: Alarms = noAlarms,
): GapTeller {
  let lastTold = Number(told ?? 0) || 0;
  let unsealedMs: number | undefined;
  const tellUnsealed = (unsealed: readonly LedgerEntry[]): void => {
    if (unsealed.length > 0) {
      unsealedMs = clock.monoMs();
      const count = unsealed.reduce((sum, entry) => sum + entry.count, 0);
      const message = `${count} quality records left the full store before a checkpoint that covers them was delivered: bring an uplink back that takes events, or raise store.maxSize`;
      alarms.raise(UNSEALED_ALARM, message, { from: unsealed[0]!.from, to: unsealed.at(-1)!.to - 1, count });
    } else if (unsealedMs !== undefined && clock.monoMs() - unsealedMs > UNSEALED_MS) {
      unsealedMs = undefined;
      alarms.clear(UNSEALED_ALARM, 'quality records stay until a checkpoint that covers them is delivered');
    }
  };
  let busy = false;
  return {
    async tell() {
      if (busy) return;
      busy = true;
      try {
        const news = (await store.ledger(lastTold)).slice(0, MAX_EVENTS);
        tellUnsealed(news.filter(({ cause }) => cause === 'unsealed'));
        if (news.length === 0) return;
        const worthTelling: LedgerEntry[] = [];
        for (const entry of news.filter(({ cause }) => cause !== 'unsealed'))
          if (!(await isOfGaps(store, entry))) worthTelling.push(entry);
        lastTold = news.at(-1)!.id;
        committer.setState(GAPS_TOLD, String(lastTold));
        if (worthTelling.length > 0) committer.acceptEvents(worthTelling.map((entry) => gapEvent(entry, clock)));
      } catch (error) {
        // A disk in trouble is told of elsewhere; the entries are still there at the next look.
        if (!(error instanceof StoreTrouble)) throw error;
      } finally {
        busy = false;
      }
    },
  };
}

/** Whether an entry of the stream of events holds gap events only; what cannot be read any more counts as other ones. */
async function isOfGaps(store: Pick<Store, 'peekEvents'>, { stream, from, to }: LedgerEntry): Promise<boolean> {
  if (stream !== 'events') return false;
  for (let at = from; at < to; ) {
    const found = await store.peekEvents(at, to - at);
    if (found.from !== at || found.events.length === 0) return false;
    if (found.events.some(({ body }) => body.kind !== 'gap')) return false;
    at = found.from + found.events.length;
  }
  return true;
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
