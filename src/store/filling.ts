/** Says in time that the store fills with what an uplink does not take: when it is full, the oldest of it is let go. */
import type { Alarms } from '../core/event.ts';
import { type Store, type StoreStatus, StoreTrouble } from './store.ts';

/** How full the store is, and how much of what it holds still has to be delivered, when it is told; and when it is over. */
const RAISED = 0.8;
const CLEARED = 0.7;

const ALARM = 'store/filling';

/** The uplink that has most still to be given, and the shares of the store; undefined where nothing waits. */
function fillingOf({ bytes, maxBytes, accounts, next, oldest }: StoreStatus) {
  const held = Math.max(1, next.readings - oldest.readings);
  const [most] = accounts
    .filter(({ stream, uplink, waiting }) => stream === 'readings' && uplink !== undefined && waiting > 0)
    .sort((a, b) => b.waiting - a.waiting);
  return most && { uplink: most.uplink!, share: maxBytes > 0 ? bytes / maxBytes : 0, waiting: most.waiting / held };
}

/** Looks whether the store fills, and raises or clears the alarm; to be called now and then. */
export function fillingWatch(store: Pick<Store, 'status'>, alarms: Alarms): () => Promise<void> {
  return async () => {
    let status: StoreStatus;
    try {
      status = await store.status();
    } catch (error) {
      // A disk in trouble is told of elsewhere.
      if (error instanceof StoreTrouble) return;
      throw error;
    }
    const found = fillingOf(status);
    const least = found ? Math.min(found.share, found.waiting) : 0;
    if (found && least >= RAISED) {
      const { uplink, share, waiting } = found;
      const percent = (part: number) => `${Math.min(100, Math.round(part * 100))} %`;
      const message = `store: ${percent(share)} full, and ${uplink} has still to be given ${percent(waiting)} of it. When it is full, the oldest is let go: see to ${uplink}, or raise store.maxSize`;
      alarms.raise(ALARM, message, { uplink });
    } else if (least < CLEARED) alarms.clear(ALARM, 'store: there is room again');
  };
}
