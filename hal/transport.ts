import type { NotConnected } from './driver.ts';

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
