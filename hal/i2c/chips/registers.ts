/** A chip without a driver of its own, as plain registers. */
import { type Checked, failed } from '../../../src/core/checked.ts';
import type { Value } from '../../../src/core/reading.ts';
import {
  bytesMs,
  type Chip,
  type ChipOptions,
  type I2cDevice,
  noSample,
  type Place,
  type REGISTER_TYPES,
  type RegisterType,
  sample,
  signed,
  uintOf,
} from '../chip.ts';
import { I2cFault } from '../fault.ts';

/** Bytes of a type. */
export function bytesOf(type: RegisterType): number {
  return type === 'bool' ? 1 : type === 'float32' ? 4 : Number(/\d+/.exec(type)![0]) / 8;
}

/** The value in the bytes of a register; `bit` picks one of the bits of a `bool`. NaN is possible in a float32. */
export function decodeRegister(bytes: Uint8Array, place: Place): Value {
  const ordered = place.order === 'little' ? bytes.toReversed() : bytes;
  const raw = uintOf(ordered);
  if (place.type === 'bool') return ((raw >> (place.bit ?? 0)) & 1) === 1;
  if (place.type === 'float32') return new DataView(ordered.slice().buffer).getFloat32(0);
  return place.type.startsWith('int') ? signed(raw, 8 * bytes.length) : raw;
}

/** The bytes of a value; undefined when it does not fit its type. A bit needs the byte it is in. */
export function encodeRegister(value: Value, place: Place, before: number): Uint8Array | undefined {
  const type = place.type as RegisterType;
  const size = bytesOf(type);
  const view = new DataView(new ArrayBuffer(size));
  if (type === 'bool') {
    if (typeof value !== 'boolean') return undefined;
    const mask = 1 << (place.bit ?? 0);
    view.setUint8(0, value ? before | mask : before & ~mask);
  } else if (typeof value !== 'number' || !Number.isFinite(value)) {
    return undefined;
  } else if (type === 'float32') {
    view.setFloat32(0, value);
  } else {
    const span = 256 ** size;
    const low = type.startsWith('int') ? -span / 2 : 0;
    if (!Number.isInteger(value) || value < low || value >= low + span) return undefined;
    for (let index = 0, rest = value < 0 ? value + span : value; index < size; index++, rest = Math.floor(rest / 256))
      view.setUint8(size - 1 - index, rest % 256);
  }
  const bytes = new Uint8Array(view.buffer);
  return place.order === 'little' ? bytes.reverse() : bytes;
}

function pointerBytes(options: ChipOptions): 1 | 2 {
  return options.pointer === 16 ? 2 : 1;
}

function checkRegister(word: string, tag: ChipOptions, options: ChipOptions): Checked<Place> {
  const match = /^(0x[0-9a-f]{1,4}|\d{1,5})(?:\.([0-7]))?$/i.exec(word);
  if (!match)
    return failed(
      ['address'],
      `"${word}" is not a register: write its number such as "0x10", or "0x10.3" for a bit of it`,
    );
  const register = Number(match[1]);
  const last = pointerBytes(options) === 2 ? 0xffff : 0xff;
  if (register > last)
    return failed(
      ['address'],
      `the last register is ${last}: write one up to that${last === 255 ? ', or pointer: 16 on the device if its registers have 16-bit numbers' : ''}`,
    );
  const bit = match[2] === undefined ? undefined : Number(match[2]);
  const type = (tag.type as RegisterType | undefined) ?? (bit === undefined ? 'uint8' : 'bool');
  if ((type === 'bool') !== (bit !== undefined))
    return failed(
      ['type'],
      bit === undefined
        ? `a bool is one bit, and the address does not say which: write for example "${word}.0"`
        : `one bit is a bool, not ${type}: remove type, or the bit from the address`,
    );
  const order = (tag.order as 'big' | 'little' | undefined) ?? 'big';
  return { ok: true, value: { quantity: word, type, register, order, ...(bit === undefined ? {} : { bit }) } };
}

async function readBytes(device: I2cDevice, place: Place, pointer: 1 | 2): Promise<Uint8Array> {
  const length = bytesOf(place.type as RegisterType);
  const register = place.register!;
  if (pointer === 1) return device.readRegister(register, length);
  await device.write(register >> 8, register & 0xff);
  return device.read(length);
}

async function writeValue(device: I2cDevice, place: Place, value: Value, pointer: 1 | 2): Promise<Value> {
  const before = place.type === 'bool' ? (await readBytes(device, place, pointer))[0]! : 0;
  const bytes = encodeRegister(value, place, before);
  if (!bytes) throw new I2cFault('illegal-value', `${String(value)} does not fit ${place.type}`);
  const register = place.register!;
  await device.writeOnce(...(pointer === 2 ? [register >> 8] : []), register & 0xff, ...bytes);
  return decodeRegister(await readBytes(device, place, pointer), place);
}

/** Any chip with registers: each tag names one, with its type. */
export const registers: Chip = {
  name: 'registers',
  addresses: Array.from({ length: 0x75 }, (_, index) => 0x03 + index),
  deviceKeys: ['pointer'],
  tagKeys: ['type', 'order'],
  quantities: () => ({}),
  checkPlace: checkRegister,
  readMs: (_options, places) =>
    places.reduce((sum, { type }) => sum + bytesMs(4 + bytesOf(type as (typeof REGISTER_TYPES)[number])), 0),
  async open(device, options) {
    const pointer = pointerBytes(options);
    return {
      async read(places) {
        const samples = [];
        for (const place of places) {
          const value = decodeRegister(await readBytes(device, place, pointer), place);
          samples.push(Number.isNaN(value) ? noSample('the register holds NaN') : sample(value));
        }
        return samples;
      },
      write: (place, value) => writeValue(device, place, value, pointer),
    };
  },
};
