import type { GatewayView } from '../api/view.ts';
import { EXIT, Fault } from '../core/errors.ts';
import type { EventBody } from '../core/event.ts';
import type { Store } from '../store/store.ts';
import type { Forwarder } from '../uplink/forwarder.ts';
import { rangesOf } from '../uplink/intervals.ts';

/** Sends what is stored again on request. Each time leaves an audit event. */
export function createReplay(
  store: Pick<Store, 'status'>,
  forwarders: readonly Forwarder[],
  event: (body: EventBody) => void,
): GatewayView['replay'] {
  return async (uplink, { stream, from, to }, by) => {
    const forwarder = forwarders.find((one) => one.status().name === uplink);
    if (!forwarder) throw new Fault(`there is no uplink ${uplink}`, EXIT.failed);
    const { stored } = await store.status();
    const found = stored[stream]
      .map((range) => ({ from: Math.max(range.from, from), to: Math.min(range.to, to) }))
      .filter((range) => range.from < range.to);
    const count = found.reduce((sum, range) => sum + forwarder.replay(stream, range), 0);
    const message = `${count} ${stream} of ${from} to ${to - 1} are sent to ${uplink} again, as ${by} wishes`;
    event({ kind: 'audit', what: 'replay', message, uplink, stream, from, to: to - 1, count, by });
    return { count, stored: rangesOf(found).map((range) => ({ from: range.from, to: range.to - 1 })) };
  };
}
