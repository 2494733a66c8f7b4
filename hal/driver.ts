/** The contract of a driver: what every kind of channel promises, and what it may offer besides. Its kind: `driver-type.ts`. */
import type { Failure } from '../src/core/quality.ts';
import type { Instant, TagId, Value } from '../src/core/reading.ts';
import type { LineStatistics } from './statistics.ts';
import { NotConnected } from './transport.ts';

export { NotConnected };

/** A tag as its driver sees it: where it is (`address`, made by the driver's own `checkTag`) and whose it is. */
export interface Tag<A = unknown> {
  readonly id: TagId;
  readonly device: string;
  readonly name: string;
  readonly address: A;
}

/**
 * What a driver says of one tag: its unscaled value, or why there is none. Tags that one request answered share one
 * `Instant` object; that is how the poller finds the records. The instant is the middle of request and response.
 */
export type ReadResult = { readonly at: Instant } & (
  | {
      readonly ok: true;
      readonly value: Value;
      readonly doubt?: 'last-usable' | 'missed-edges' | 'counter-reset' | 'other-master';
    }
  | {
      readonly ok: false;
      readonly why: Failure;
      readonly detail?: string;
      /** False: nothing was asked, so that it says nothing about whether the device is there. */
      readonly asked?: false;
    }
);

/**
 * The answer to a write. `refused`: nothing was changed. `unknown`: it is not known whether the device took it.
 * `mismatch`: the device acknowledged it and holds another value. Numbers are unscaled: `holds`, what the device was last
 * seen to hold; `range`, what fits the registers, where the value does not.
 */
export type WriteResult =
  | { readonly ok: true; readonly readBack: Value | undefined }
  | {
      readonly ok: false;
      readonly kind: 'refused' | 'unknown' | 'mismatch';
      readonly why: string;
      readonly holds?: Value | undefined;
      readonly range?: readonly [least: bigint, greatest: bigint];
    };

/**
 * One physical line.
 *
 * Rules, kept by `test/contract/driver.ts` for every driver:
 * 1. `connect` first; it resolves when the line can be used and rejects with `NotConnected` otherwise. It may be called
 *    again after `close` or after `NotConnected`.
 * 2. `plan` is pure: groups of tags, each answered by one request, in an order that serves the line well; every tag in
 *    exactly one group. It may give different groups later, when the driver learned about the device.
 * 3. `read` answers one result a tag, in the order asked. It throws only `NotConnected` (nothing more can be read until
 *    the next `connect`) and the signal's reason after an abort; whatever the device does is a result. It settles by its
 *    own deadline, however silent the device. An answer to one request is never given for another.
 * 4. Calls of `read` and `write` do not overlap beyond `concurrency`; the poller sees to that.
 * 5. `close` is idempotent, may be called at any time, makes pending reads throw `NotConnected`, and releases
 *    everything within a second.
 */
export interface Driver<A = unknown> {
  /** How many `read`s may be under way at once; 1 unless the line can do better. */
  readonly concurrency: number;
  connect(signal: AbortSignal): Promise<void>;
  plan(tags: readonly Tag<A>[]): readonly (readonly Tag<A>[])[];
  read(tags: readonly Tag<A>[], signal: AbortSignal): Promise<readonly ReadResult[]>;
  close(): Promise<void>;
}

/** A driver that can write. Only tags whose configuration says `writable` are handed to it. */
export interface Writable<A = unknown> {
  write(tag: Tag<A>, value: Value, signal: AbortSignal): Promise<WriteResult>;
}

/** A driver that reports by itself: edges, lines. Tags that it reports are not polled. */
export interface Eventful<A = unknown> {
  /**
   * Results come through `onResult` from now on, never before `subscribe` returned; the returned function ends them.
   * When the line is lost, `onLost` is called once and nothing follows.
   */
  subscribe(
    tags: readonly Tag<A>[],
    onResult: (tag: Tag<A>, result: ReadResult) => void,
    onLost: (lost: NotConnected) => void,
  ): () => void;
}

/** A driver that counts what happens on its line. */
export interface Observable {
  statistics(): LineStatistics;
}

/** A driver that remembers what it learned about its devices (holes, speed) across restarts. JSON-serialisable. */
export interface Learned {
  learned(): unknown;
}

/** Whether a driver can write. */
export function isWritable<A>(driver: Driver<A>): driver is Driver<A> & Writable<A> {
  return 'write' in driver;
}

/** Whether a driver reports by itself. */
export function isEventful<A>(driver: Driver<A>): driver is Driver<A> & Eventful<A> {
  return 'subscribe' in driver;
}

/** Whether a driver counts. */
export function isObservable<A>(driver: Driver<A>): driver is Driver<A> & Observable {
  return 'statistics' in driver;
}

/** Whether a driver learns. */
export function hasLearned<A>(driver: Driver<A>): driver is Driver<A> & Learned {
  return 'learned' in driver;
}

/** The tags of each device, in the order they came: what one request answers on a line that has no requests of its own. */
export function byDevice<T extends Tag>(tags: readonly T[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const tag of tags) {
    const group = groups.get(tag.device);
    if (group) group.push(tag);
    else groups.set(tag.device, [tag]);
  }
  return [...groups.values()];
}
