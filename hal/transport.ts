/** Carries bytes over a wire, and lets others listen in. */
import { messageOf } from '../src/core/errors.ts';
import type { NotConnected } from './driver.ts';
import type { LineEvent } from './recording/recording.ts';

/** What a transport tells. Nothing is told after `close` or after `onLost`. */
export interface TransportEvents {
  /** Bytes in the order they came. The array may be reused by the transport after the call returns. */
  onBytes(bytes: Uint8Array): void;
  /** The connection is gone; told once. */
  onLost(lost: NotConnected): void;
}

/** Carries bytes; knows nothing of what they mean. */
export interface Transport {
  /** Opens the connection, rejecting with `NotConnected` that names cause and remedy. May be called again after a loss. */
  connect(events: TransportEvents, signal: AbortSignal): Promise<void>;
  /** Sends at once, or tells `onLost`. */
  write(bytes: Uint8Array): void;
  /** Looks whether the other side is still there, after a silence; tells `onLost` if not. */
  verify(): void;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Takes what happens on a line, at the moment it happens. Bytes may be used again after the call. */
type LineListener = (event: LineEvent) => void;

/**
 * The place of a line where its traffic can be listened in on. It outlives connections, and the drivers of a channel; as
 * long as nobody listens it costs next to nothing.
 */
export class LineTap {
  private readonly listeners = new Set<LineListener>();
  private open = false;

  /** Whether there is a connection now: a listener that begins in the middle of one has not heard it open. */
  get isOpen(): boolean {
    return this.open;
  }

  /** Hands every event to `listener` from now on; the returned function ends it. */
  listen(listener: LineListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Says what happened. */
  tell(event: LineEvent): void {
    if (event.what === 'open') this.open = true;
    else if (event.what === 'lost' || event.what === 'closed' || event.what === 'failed') this.open = false;
    for (const listener of this.listeners) listener(event);
  }
}

/** The transport with a tap on it; itself where there is none. It carries the same bytes at the same time. */
export function tapped(transport: Transport, tap: LineTap | undefined): Transport {
  if (!tap) return transport;
  return {
    async connect(events, signal) {
      tap.tell({ what: 'connecting' });
      try {
        await transport.connect(
          {
            onBytes(bytes) {
              tap.tell({ what: 'in', bytes });
              events.onBytes(bytes);
            },
            onLost(lost) {
              tap.tell({ what: 'lost', why: lost.message });
              events.onLost(lost);
            },
          },
          signal,
        );
      } catch (error) {
        tap.tell({ what: 'failed', why: messageOf(error) });
        throw error;
      }
      tap.tell({ what: 'open' });
    },
    write(bytes) {
      tap.tell({ what: 'out', bytes });
      transport.write(bytes);
    },
    verify: () => transport.verify(),
    async close() {
      if (tap.isOpen) tap.tell({ what: 'closed' });
      await transport.close();
    },
  };
}
