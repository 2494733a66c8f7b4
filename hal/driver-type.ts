/** What the configuration and the gateway know of a kind of channel before there is one: its keys, its cost, its maker. */
import type { ZodRawShape } from 'zod';
import type { Checked } from '../src/core/checked.ts';
import type { Clock } from '../src/core/clock.ts';
import type { Logger } from '../src/core/log.ts';
import type { Random } from '../src/core/random.ts';
import type { TagId, ValueForm } from '../src/core/reading.ts';
import type { Driver, Tag } from './driver.ts';
import type { RecordedWire } from './recording/recording.ts';
import type { LineTap } from './transport.ts';

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
  readonly channelShape: () => ZodRawShape;
  /** Keys of a device beside the common ones (`channel`, `profile`, `every`, `tags`, …). */
  readonly deviceShape: () => ZodRawShape;
  /** Keys of a tag beside the common ones (`unit`, `every`, `scale`, …); `address` is here. */
  readonly tagShape: () => ZodRawShape;
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
