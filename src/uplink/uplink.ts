/** What the forwarder and the kinds of uplinks say to each other. */
import { Fault } from '../core/errors.ts';
import type { GatewayEvent } from '../core/event.ts';
import type { SeqRange } from '../core/intervals.ts';
import type { DeviceRecord } from '../core/reading.ts';
import type { RecordText, Stream } from '../store/store.ts';

/** `live` is new data; `backfill` is what an outage held back, oldest first. */
export type Lane = 'live' | 'backfill';

/**
 * What is sent in one message: consecutive records, or one event. `seq` is the number of the first. `texts` are records
 * that the store's thread has written as JSON; only an uplink that `takesTexts` is given them.
 */
export type OutgoingBatch =
  | {
      readonly kind: 'readings';
      readonly epoch: string;
      readonly seq: number;
      readonly lane: Lane;
      readonly records: readonly DeviceRecord[];
    }
  | {
      readonly kind: 'texts';
      readonly epoch: string;
      readonly seq: number;
      readonly lane: Lane;
      readonly texts: readonly RecordText[];
    }
  | { readonly kind: 'event'; readonly epoch: string; readonly seq: number; readonly event: GatewayEvent };

/**
 * What became of a batch. `rejected`: the other side will never take it as it is (too large, not authorised for the
 * topic, malformed): it is split, and what cannot be split is quarantined (`judgement.ts`).
 */
export type SendResult =
  | { readonly ok: true }
  /** `tooLarge`: a smaller message may be taken. */
  | { readonly ok: false; readonly why: string; readonly tooLarge?: boolean };

/** Why a session ended. */
export interface SessionEnd {
  readonly reason: string;
  /** Another client with the same id came; said only where there is evidence of it. */
  readonly takenOver: boolean;
  /** It was ended by the gateway, to be made anew at once. */
  readonly isPlanned?: boolean;
  /** The other side hung up on this batch for the second time in a row: that is its way to refuse it. */
  readonly hungUpOn?: OutgoingBatch;
  /** The other side hung up with this batch as the first that it had not confirmed; that may be chance. */
  readonly endedBehind?: OutgoingBatch;
  /** What was confirmed and may not have arrived all the same: it is sent again. */
  readonly again?: readonly { readonly stream: Stream; readonly range: SeqRange }[];
}

/**
 * One connection to the other side.
 *
 * Rules, kept by `test/contract/uplink.ts`:
 * 1. `send` resolves when the other side has confirmed, never before. It rejects when the batch was not confirmed by its
 *    deadline or the session ended; then nothing is known of the batch, and it will be sent again.
 * 2. Up to `window` sends may be under way; they may be confirmed out of order.
 * 3. `ended` resolves once, when the session is over for whatever reason; after that every `send` rejects at once.
 * 4. `close` says goodbye, is idempotent and takes at most two seconds, whatever the other side does.
 */
export interface UplinkSession {
  /** Sends that may be under way; may change while the session lasts. */
  readonly window: number;
  /** Bytes of a message at most, where the other side said so. */
  readonly packetBytes?: number;
  readonly ended: Promise<SessionEnd>;
  send(batch: OutgoingBatch, signal: AbortSignal): Promise<SendResult>;
  close(): Promise<void>;
  /** What of it does not work though the session stands, in one line; undefined when nothing. */
  trouble?(): string | undefined;
  /** What cannot be known of it, in one line. */
  readonly note?: string | undefined;
  /** Says again who speaks, because the configuration in force is another; absent where nobody is told. */
  announce?(signal: AbortSignal): Promise<void>;
}

/** The other side answered, and did not want this gateway: mostly a person has to change something. */
export class ConnectRefused extends Fault {}

/** Somewhere records are sent. It keeps no queue: the store is the only one. */
export interface Uplink {
  readonly name: string;
  /** Limits on one message. The forwarder cuts batches to them. */
  readonly limits: { readonly records: number; readonly fields: number };
  /** Set when it sends records as JSON without looking into them: then the backlog comes to it as text. */
  readonly takesTexts?: boolean;
  /** Opens a session, or rejects with a message that names the cause and its remedy. Every call is a new connection. */
  connect(signal: AbortSignal): Promise<UplinkSession>;
  /** What `connect` waits for, in one line, where that may last; undefined: nothing but the line. */
  waitsFor?(): string | undefined;
}

/** What is told of an uplink in `status`. */
export interface UplinkStatus {
  readonly name: string;
  readonly state: 'connected' | 'connecting' | 'waiting' | 'stopped';
  /** Why it is not connected; or, of one that is, what of it does not flow and why. */
  readonly reason: string | undefined;
  /** What cannot be known of the session that stands. */
  readonly note?: string | undefined;
  /** UTC ms: since when it is connected, or not. */
  readonly sinceMs: number;
  /** Records and events that still have to be delivered. */
  readonly pendingRecords: number;
  readonly pendingEvents: number;
  readonly deliveredRecords: number;
  readonly deliveredEvents: number;
  readonly quarantinedRecords: number;
  readonly sessions: number;
  /** Seconds until the backlog is gone at the present rate; undefined when there is none or no rate yet. */
  readonly catchUpSeconds: number | undefined;
}
