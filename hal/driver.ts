/** The contract of a driver: what every kind of channel promises, and what it may offer besides. */
import type { ZodRawShape } from 'zod';
import type { Checked } from '../src/core/checked.ts';
import type { Clock } from '../src/core/clock.ts';
import type { Logger } from '../src/core/log.ts';
import type { Failure } from '../src/core/quality.ts';
import type { Random } from '../src/core/random.ts';
import type { Instant, TagId, Value, ValueForm } from '../src/core/reading.ts';
import type { RecordedWire } from './recording/recording.ts';
import { type LineTap, NotConnected } from './transport.ts';

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

/** Counters since `connect` was first called, for one device. */
export interface DeviceStatistics {
  requests: number;
  responses: number;
  timeouts: number;
  /** Replies that came after their deadline, and were dropped. */
  lateReplies: number;
  /** Frames that were not the answer: wrong checksum, unit, function, length or transaction. */
  garbled: number;
  /** Exceptions by Modbus code. */
  exceptions: Record<number, number>;
  /** Response time percentiles over the last requests, ms. */
  responseMs: { p50: number; p95: number; max: number } | undefined;
  /** The deadline in use, ms. */
  timeoutMs: number;
  /** Time the line spent on this device, answered or not, ms. */
  busyMs: number;
  /** The widest gap of unasked registers that it refused to read over, though it reads both sides; undefined: none. */
  refusedGap?: number | undefined;
  /** The most registers it answered of a request that was too long for it; undefined: none was. */
  mostRegisters?: number | undefined;
}

/** Counters of the line and of each device on it. */
export interface LineStatistics {
  /** Share of the last 10 s or more in which the line was in use, 0…1. */
  utilisation: number;
  /** Time in use, ms. */
  busyMs: number;
  reconnects: number;
  /** Bytes that arrived when none were asked for: a second master, noise or late replies. */
  unsolicitedBytes: number;
  /** Questions that the adapter gave back as if they were answers. */
  echoes: number;
  devices: Record<string, DeviceStatistics>;
}

/** What a driver gets besides its channel. */
export interface DriverDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  /** What `Learned.learned` returned before the last restart, if anything. Untrusted: check its form. */
  readonly learned?: unknown;
  /** Where the bytes of the line can be listened in on; used by drivers whose type has a `wire`. */
  readonly tap?: LineTap | undefined;
}

/** The requests of one scan and what they cost, for `check`. */
export interface PlanEstimate {
  readonly requests: readonly {
    readonly device: string;
    readonly text: string;
    readonly tags: readonly TagId[];
    readonly lineMs: number;
  }[];
}

/** What of this machine, or of its network, a channel is: where to look when it does not work. */
export type ChannelPlace =
  | { readonly kind: 'serial' | 'i2c'; readonly path: string }
  /** `chip` is `auto`, the name of a chip or its label. */
  | { readonly kind: 'gpio'; readonly chip: string; readonly backend: 'auto' | 'chardev' | 'sysfs' }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** How a device is told from its neighbours on the line, such as `unit 7`, and how long its answers may take. */
export interface Station {
  readonly text: string;
  readonly timeoutMs: number;
}

/** Options of a tag that belong to its driver: the validated keys of `tagShape`, and `address` as text if given. */
export interface TagSource<T> {
  readonly id: TagId;
  readonly device: string;
  readonly name: string;
  readonly options: T;
  /** Options that the tag inherits from its device: the validated keys of `deviceShape`. */
  readonly deviceOptions: Record<string, unknown>;
  /** The validated options of every tag of the device by name, for options that name another tag (`scaleFrom`). */
  readonly siblings?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Tags by name with their keys, as a configuration file would have them. */
export type DefaultTags = Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>;

/**
 * What the configuration and the gateway know of a kind of channel. Everything here is pure but `create`, and `create`
 * touches no hardware either: native modules are imported in `connect`.
 */
export interface DriverType<C = unknown, A = unknown> {
  /** The `driver:` word. */
  readonly type: string;
  /** True when every reading of it is made up. */
  readonly simulated: boolean;
  /** Keys of a channel beside `driver`, as zod fields. Unknown keys are refused by the loader. */
  readonly channelShape: ZodRawShape;
  /** Keys of a device beside the common ones (`channel`, `profile`, `every`, `tags`, …). */
  readonly deviceShape: ZodRawShape;
  /** Keys of a tag beside the common ones (`unit`, `every`, `scale`, …); `address` is here. */
  readonly tagShape: ZodRawShape;
  /**
   * Checks what the shape cannot say of a device, and gives the tags that it has without listing them, by name, each with
   * the keys that its file would give (`unit`, `min`, …). A device that lists tags has those it lists, with these keys
   * beneath their own.
   */
  checkDevice?(deviceOptions: Record<string, unknown>): Checked<DefaultTags>;
  /** Checks what the shape cannot say, and gives the channel in the driver's own form. */
  checkChannel(options: Record<string, unknown>): Checked<C>;
  /** Checks one tag against its device and channel, and gives its address. */
  checkTag(source: TagSource<Record<string, unknown>>, channel: C): Checked<A>;
  /** One line for `check`: the address in every form a manual may use. */
  describeAddress(address: A): string;
  /** Where a counter at the address starts again from 0; absent or undefined: it does not, or nobody knows. */
  modulusOf?(address: A): number | undefined;
  /** What the tag holds, for the rules that judge it; absent or undefined: not known before it is read. */
  formOf?(address: A): ValueForm | undefined;
  /** Why nothing can be written to the address, and what to do instead; absent or undefined: it can be. */
  whyReadOnly?(address: A): string | undefined;
  /** The tag's default period applies only to tags that are polled; an eventful tag has none. */
  isEventful(address: A): boolean;
  /** Requests and line time of reading these tags once. */
  estimate(channel: C, tags: readonly Tag<A>[]): PlanEstimate;
  /** What a recording keeps of the channel; absent: it carries no bytes that could be recorded. */
  wire?(channel: C): RecordedWire;
  create(channel: C, deps: DriverDeps): Driver<A>;
  /** What the channel is of this machine or network, for `check` and `doctor`; absent: nothing that could be missing. */
  placeOf?(channel: C): ChannelPlace;
  /** The station that an address is at; absent where a line has one device, or none that answers questions. */
  stationOf?(channel: C, address: A): Station;
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
