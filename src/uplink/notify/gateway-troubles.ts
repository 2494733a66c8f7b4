/** What the journal says of trouble with the gateway itself, under ids that people can name: `system:uplink/plant/not-connected`. Pure. */
import type { EventBody } from '../../core/event.ts';

/** What an event means for what stands. */
export type GatewayTrouble =
  | { readonly kind: 'begins' | 'ends' | 'once'; readonly id: string; readonly message: string }
  /** The gateway started: what stood before is raised anew where it still stands. */
  | { readonly kind: 'restart' };

/** What all ids of the gateway's own trouble begin with. */
export const SYSTEM = 'system:';

/** Its own alarms, channels without a connection, and data that will never arrive; undefined for every other event. */
export function troubleIn(body: EventBody): GatewayTrouble | undefined {
  switch (body.kind) {
    case 'lifecycle':
      if (body.what === 'started') return { kind: 'restart' };
      if (body.what !== 'system-alarm') return undefined;
      return at(body.change === 'raised' ? 'begins' : 'ends', String(body.id), body.message);
    case 'quality': {
      if (typeof body.channel !== 'string') return undefined;
      const id = `line/${body.channel}/not-connected`;
      if (body.what === 'not-connected') return at('begins', id, body.message);
      return body.what === 'connected' ? at('ends', id, body.message) : undefined;
    }
    case 'gap': {
      const { stream, count, cause, uplink } = body;
      const whom = typeof uplink === 'string' ? ` for ${uplink}` : '';
      const what = stream === 'readings' ? 'records' : 'events';
      return at('once', `gap/${String(uplink ?? 'store')}`, `${count} ${what}${whom} are lost: ${cause}`);
    }
    default:
      return undefined;
  }
}

function at(kind: 'begins' | 'ends' | 'once', id: string, message: string): GatewayTrouble {
  return { kind, id: `${SYSTEM}${id}`, message };
}
