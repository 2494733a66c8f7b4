/** Sends readings to clients as server-sent events, and drops those that are too slow. */
import type { ServerResponse } from 'node:http';
import { type Clock, every } from '../../core/clock.ts';
import type { Logger } from '../../core/log.ts';
import type { Reading } from '../../core/reading.ts';
import { SECURITY_HEADERS, type Transport } from '../guard.ts';
import { jsonReading } from '../json.ts';
import type { GatewayView } from '../view.ts';
import { event, Following, type JournalPlace } from './follow.ts';

/** How many clients may follow the readings at once, over TCP and over the socket each: neither locks the other out. */
export const MAX_STREAM_CLIENTS = 64;

/** What may wait for one client before it counts as too slow and is dropped, bytes. */
export const MAX_WAITING_BYTES = 1_000_000;

/** How often a silent stream shows that it is alive, ms. */
const KEEP_ALIVE_MS = 15_000;

/** What a client wants of the stream. */
interface StreamWish {
  /** Those tags only; empty for all. */
  readonly tags: ReadonlySet<string>;
  /** Only the last reading of each tag, this often, ms; undefined: every reading, as it is made. */
  readonly paceMs?: number | undefined;
  /** Status, alarms and the journal, too, as a page shows them. */
  readonly page?: boolean;
  /** Where the client was in the journal. */
  readonly place?: JournalPlace | undefined;
}

interface Client {
  readonly response: ServerResponse;
  readonly tags: ReadonlySet<string>;
  readonly transport: Transport;
  /** Readings that wait for the next step of a client with a pace, the last of each tag. */
  readonly waiting: Map<string, Reading> | undefined;
}

/** What the streams are made with. */
interface StreamParts {
  readonly view: GatewayView;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Serves readings as they are made. First comes one `snapshot` event with the last reading of each tag, then `readings`
 * events. A client that does not take them is dropped, so that it holds up neither the gateway nor its memory.
 */
export class Streams {
  private readonly parts: StreamParts;
  private readonly clients = new Set<Client>();
  private readonly following: Following;
  private dropped = 0;
  /** Set while there are clients. */
  private endFollowing: (() => void) | undefined;

  constructor(parts: StreamParts) {
    this.parts = parts;
    this.following = new Following(parts);
  }

  /** Serves one more client, or says false when there are too many. */
  attach(response: ServerResponse, { tags, paceMs, page, place }: StreamWish, transport: Transport): boolean {
    const others = [...this.clients].filter((client) => client.transport === transport);
    if (others.length >= MAX_STREAM_CLIENTS) return false;
    const client: Client = { response, tags, transport, waiting: paceMs === undefined ? undefined : new Map() };
    this.clients.add(client);
    const endPace = paceMs === undefined ? undefined : every(this.parts.clock, paceMs, () => this.flush(client));
    let endPage = (): void => {};
    response.on('close', () => {
      endPace?.();
      endPage();
      this.detach(client);
    });
    response.on('error', () => response.destroy());
    response.writeHead(200, { ...SECURITY_HEADERS, 'Content-Type': 'text/event-stream; charset=utf-8' });
    this.endFollowing ??= this.follow();
    const last = this.parts.view.tags().flatMap((tag) => (tag.last && wants(tags, tag.tag) ? [tag.last] : []));
    this.send(client, event('snapshot', last.map(jsonReading)));
    if (page) endPage = this.following.attach({ at: place, sent: new Map(), send: (text) => this.send(client, text) });
    return true;
  }

  private flush(client: Client): void {
    if (client.waiting === undefined || client.waiting.size === 0) return;
    this.send(client, event('readings', [...client.waiting.values()].map(jsonReading)));
    client.waiting.clear();
  }

  /** Clients at present, and those dropped so far because they were too slow. */
  counts(): { readonly clients: number; readonly dropped: number } {
    return { clients: this.clients.size, dropped: this.dropped };
  }

  close(): void {
    for (const client of this.clients) client.response.end();
    this.clients.clear();
    this.stopFollowing();
  }

  private follow(): () => void {
    const { view, clock } = this.parts;
    const unsubscribe = view.onReadings((readings) => this.publish(readings));
    const endKeepAlive = every(clock, KEEP_ALIVE_MS, () => {
      for (const client of this.clients) this.send(client, ': alive\n\n');
    });
    return () => {
      endKeepAlive();
      unsubscribe();
    };
  }

  private stopFollowing(): void {
    this.endFollowing?.();
    this.endFollowing = undefined;
  }

  private publish(readings: readonly Reading[]): void {
    let everything: string | undefined;
    for (const client of this.clients) {
      if (client.waiting) {
        for (const reading of readings) if (wants(client.tags, reading.tag)) client.waiting.set(reading.tag, reading);
      } else if (client.tags.size === 0) {
        everything ??= event('readings', readings.map(jsonReading));
        this.send(client, everything);
      } else {
        const wanted = readings.filter(({ tag }) => client.tags.has(tag));
        if (wanted.length > 0) this.send(client, event('readings', wanted.map(jsonReading)));
      }
    }
  }

  private send(client: Client, text: string): void {
    if (!this.clients.has(client)) return;
    if (client.response.writableLength + Buffer.byteLength(text) > MAX_WAITING_BYTES) {
      this.dropped++;
      this.parts.log.warn(
        'a client of /api/v1/stream reads too slowly and was dropped; follow fewer tags (?tag=DEVICE/TAG)',
      );
      this.clients.delete(client);
      client.response.destroy();
      return;
    }
    client.response.write(text);
  }

  private detach(client: Client): void {
    this.clients.delete(client);
    if (this.clients.size === 0) this.stopFollowing();
  }
}

function wants(tags: ReadonlySet<string>, tag: string): boolean {
  return tags.size === 0 || tags.has(tag);
}
