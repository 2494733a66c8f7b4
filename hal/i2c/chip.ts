/** The contract of a chip, and the helpers that describe one. */
import type { Checked } from '../../src/core/checked.ts';
import type { Failure } from '../../src/core/quality.ts';
import type { Value } from '../../src/core/reading.ts';
import { nearest, orList } from '../../src/core/suggest.ts';
import type { Bus } from './bus.ts';
import type { Wire } from './wire.ts';

/** Options of a device that belong to its chip, validated by `i2cDeviceShape`. */
export type ChipOptions = Readonly<Record<string, unknown>>;

/** One value a chip gives. */
export interface Quantity {
  readonly unit?: string;
  /** What the sensor can say at all, in `unit`; a value outside is doubted. */
  readonly min?: number;
  readonly max?: number;
  readonly description?: string;
}

/** Which value of which chip a tag is; what a chip adds is its own. */
export interface Place {
  readonly quantity: string;
  readonly type: 'bool' | 'float64' | RegisterType;
  /** Of a `registers` tag. */
  readonly register?: number;
  readonly bit?: number;
  readonly order?: 'big' | 'little';
  /** Of a pin. */
  readonly direction?: 'input' | 'output';
  readonly activeLow?: boolean;
  readonly pullUp?: boolean;
}

/** Types of a `registers` tag. */
export const REGISTER_TYPES = [
  'bool',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint24',
  'int24',
  'uint32',
  'int32',
  'float32',
] as const;

/** See {@link REGISTER_TYPES}. */
export type RegisterType = (typeof REGISTER_TYPES)[number];

/** What a chip says of one place. */
export type Sample =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly why: Failure; readonly detail: string };

/** A good sample. */
export function sample(value: Value): Sample {
  return { ok: true, value };
}

/** A sample that cannot be used. */
export function noSample(detail: string): Sample {
  return { ok: false, why: 'sensor-failure', detail };
}

/** A chip that was found at its address and is set up. Each call throws `I2cFault` when the device fails. */
export interface OpenChip {
  /** One sample a place, in order; all of one measurement where the chip can do that. */
  read(places: readonly Place[]): Promise<readonly Sample[]>;
  /** Writes, and gives what was read back. */
  write?(place: Place, value: Value): Promise<Value>;
}

/** What is known of a kind of chip. Everything but `open` is pure. */
export interface Chip {
  /** The `chip:` word. */
  readonly name: string;
  /** Addresses the chip can be strapped to. */
  readonly addresses: readonly number[];
  /** Keys of the device that belong to it, of those in `i2cDeviceShape`. */
  readonly deviceKeys: readonly string[];
  /** Keys of its tags beside `address`. */
  readonly tagKeys: readonly string[];
  /** The tags a device has when it lists none. */
  quantities(options: ChipOptions): Readonly<Record<string, Quantity>>;
  /** Checks the address word of a tag, and its keys. */
  checkPlace(word: string, tag: ChipOptions, options: ChipOptions): Checked<Place>;
  /** Bus and conversion time of reading `places` once, ms at 100 kHz. */
  readMs(options: ChipOptions, places: readonly Place[]): number;
  /** Finds the chip and sets it up; called again after every failure, because the chip may have lost its power. */
  open(device: I2cDevice, options: ChipOptions): Promise<OpenChip>;
}

/** One device on a bus, for as long as `signal` allows. */
export class I2cDevice {
  readonly address: number;
  private readonly bus: Bus;
  private readonly signalNow: () => AbortSignal;

  /** @param signalNow the signal of the read or write under way */
  constructor(address: number, bus: Bus, signalNow: () => AbortSignal) {
    this.address = address;
    this.bus = bus;
    this.signalNow = signalNow;
  }

  /** Reads `length` ≤ 32 bytes from a register on. */
  readRegister(register: number, length: number): Promise<Uint8Array> {
    return this.bus.transfer(
      this.address,
      (wire) => wire.readRegister(this.address, register, length),
      this.signalNow(),
    );
  }

  /** Plain read. */
  read(length: number): Promise<Uint8Array> {
    return this.bus.transfer(this.address, (wire) => wire.read(this.address, length), this.signalNow());
  }

  /** Plain write: a command, or a register and what goes into it. */
  write(...bytes: number[]): Promise<void> {
    return this.bus.transfer(
      this.address,
      (wire) => wire.write(this.address, Uint8Array.from(bytes)),
      this.signalNow(),
    );
  }

  /** A write that is never sent twice: what goes into a register that somebody named may be a command, not a setting. */
  writeOnce(...bytes: number[]): Promise<void> {
    const send = (wire: Wire) => wire.write(this.address, Uint8Array.from(bytes));
    return this.bus.transfer(this.address, send, this.signalNow(), 0);
  }

  /** Waits for a conversion; the bus is free meanwhile. */
  pause(ms: number): Promise<void> {
    return this.bus.pause(ms, this.signalNow());
  }
}

/** Bytes as a big-endian unsigned number of up to 48 bits. */
export function uintOf(bytes: Uint8Array, from = 0, length = bytes.length - from): number {
  let value = 0;
  for (let index = from; index < from + length; index++) value = value * 256 + bytes[index]!;
  return value;
}

/** A two's complement number of `bits` ≤ 48. */
export function signed(value: number, bits: number): number {
  return value >= 2 ** (bits - 1) ? value - 2 ** bits : value;
}

/** `checkPlace` of a chip whose places are the words of `quantities` and nothing else. */
export function oneOf(words: readonly string[], word: string): Checked<Place> {
  if (words.includes(word)) return { ok: true, value: { quantity: word, type: 'float64' } };
  const near = nearest(word, words);
  const remedy = near === undefined ? `: write address: and its name: ${orList(words)}` : `; did you mean "${near}"?`;
  const message = `the chip has no value ${JSON.stringify(word.slice(0, 60))}${remedy}`;
  return { ok: false, problems: [{ path: ['address'], message }] };
}

/** Time of `bytes` on a bus of 100 kHz, ms: nine bits each, address bytes included. */
export function bytesMs(bytes: number): number {
  return bytes * 0.09;
}
