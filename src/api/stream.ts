/** Sends readings to clients as server-sent events, and drops those that are too slow. */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Reading } from '../core/reading.ts';
import { SECURITY_HEADERS } from './guard.ts';
import { jsonReading, toJson } from './json.ts';
import type { GatewayView } from './view.ts';

/** How many clients may follow the readings at once. */
export const MAX_STREAM_CLIENTS = 16;

/** What may wait for one client before it counts as too slow and is dropped, bytes. */
export const MAX_WAITING_BYTES = 1_000_000;

/** How often a silent stream shows that it is alive, ms. */
const KEEP_ALIVE_MS = 15_000;

/** The clients that follow the readings as server-sent events. */
export interface Streams {
  /** Serves one more client, or says false when there are too many. `tags`: those wanted; empty for all. */
  attach(response: ServerResponse, tags: ReadonlySet<string>): boolean;
  /** Clients at present, and those dropped so far because they were too slow. */
  counts(): { readonly clients: number; readonly dropped: number };
  close(): void;
}

interface Client {
  readonly response: ServerResponse;
  readonly tags: ReadonlySet<string>;
}

/**
 * Serves readings as they are made. First comes one `snapshot` event with the last reading of each tag, then `readings`
 * events. A client that does not take them is dropped, so that it holds up neither the gateway nor its memory.
 */
export function createStreams({ view, clock, log }: { view: GatewayView; clock: Clock; log: Logger }): Streams {
  const clients = new Set<Client>();
  let dropped = 0;
  let unsubscribe: (() => void) | undefined;
  let cancelKeepAlive = () => {};

  const send = (client: Client, text: string): void => {
    if (client.response.writableLength + Buffer.byteLength(text) > MAX_WAITING_BYTES) {
      dropped++;
      log.warn('a client of /api/v1/stream reads too slowly and was dropped; follow fewer tags (?tag=DEVICE/TAG)');
      clients.delete(client);
      client.response.destroy();
      return;
    }
    client.response.write(text);
  };

  const publish = (readings: readonly Reading[]): void => {
    let everything: string | undefined;
    for (const client of clients) {
      if (client.tags.size === 0) {
        everything ??= event('readings', readings);
        send(client, everything);
      } else {
        const wanted = readings.filter(({ tag }) => client.tags.has(tag));
        if (wanted.length > 0) send(client, event('readings', wanted));
      }
    }
  };

  const keepAlive = (): void => {
    for (const client of clients) send(client, ': alive\n\n');
    cancelKeepAlive = clock.after(KEEP_ALIVE_MS, keepAlive);
  };

  const detach = (client: Client): void => {
    clients.delete(client);
    if (clients.size > 0) return;
    cancelKeepAlive();
    unsubscribe?.();
    unsubscribe = undefined;
  };

  return {
    attach(response, tags) {
      if (clients.size >= MAX_STREAM_CLIENTS) return false;
      const client = { response, tags };
      clients.add(client);
      response.on('close', () => detach(client));
      response.on('error', () => response.destroy());
      response.writeHead(200, { ...SECURITY_HEADERS, 'Content-Type': 'text/event-stream; charset=utf-8' });
      if (!unsubscribe) {
        unsubscribe = view.onReadings(publish);
        cancelKeepAlive = clock.after(KEEP_ALIVE_MS, keepAlive);
      }
      const last = view.tags().flatMap((tag) => (tag.last && wants(tags, tag.tag) ? [tag.last] : []));
      send(client, event('snapshot', last));
      return true;
    },
    counts: () => ({ clients: clients.size, dropped }),
    close() {
      for (const client of clients) client.response.end();
      clients.clear();
      cancelKeepAlive();
      unsubscribe?.();
      unsubscribe = undefined;
    },
  };
}

function wants(tags: ReadonlySet<string>, tag: string): boolean {
  return tags.size === 0 || tags.has(tag);
}

function event(name: string, readings: readonly Reading[]): string {
  return `event: ${name}\ndata: ${toJson(readings.map(jsonReading))}\n\n`;
}
