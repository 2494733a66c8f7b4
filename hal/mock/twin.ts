/** Modbus devices that exist only as register images. */
import type { Value } from '../../src/core/reading.ts';
import type { ModbusAddress, Table } from '../modbus/map/address.ts';
import { spanOf } from '../modbus/map/plan.ts';
import { encodeValue } from '../modbus/map/register-values.ts';

/** A value of a twin: where it lies, and what it is. */
export interface TwinTag {
  readonly address: ModbusAddress;
  /** The raw value (before scale and offset) at an instant of the monotonic clock. */
  valueAt(monoMs: number): Value;
}

/** How a twin treats what its tags do not say. */
interface TwinOptions {
  /**
   * Whether registers between the lowest and the highest tag of a table are there and read 0. When false they answer
   * exception 02, as in devices whose map has holes.
   */
  readonly fillGaps: boolean;
}

/** A Modbus device, or several behind one endpoint, that exist only as register images. */
export interface Twin {
  /**
   * Answers one request as a device would.
   *
   * @param pdu function code and data, without unit, checksum and header
   * @returns the response's function code and data; undefined when there is no such unit
   */
  answer(unit: number, pdu: Uint8Array, monoMs: number): Uint8Array | undefined;
}

/** Exception codes, Modbus Application Protocol V1.1b3 chapter 7. */
const ILLEGAL_FUNCTION = 1;
const ILLEGAL_ADDRESS = 2;
const ILLEGAL_VALUE = 3;
const DEVICE_FAILURE = 4;

/** Most items of one request, Modbus Application Protocol V1.1b3 chapter 6. */
const MOST = { readBits: 2000, readRegisters: 125, writeBits: 1968, writeRegisters: 123 } as const;

/** One table of one unit. */
interface Image {
  readonly tags: TwinTag[];
  /** Addresses that are there. */
  readonly present: Set<number>;
  /** What a master wrote, and what is therefore read from then on. */
  readonly written: Map<number, number>;
}

type Unit = Map<Table, Image>;

/** A refusal; thrown inside this file only. */
class Refused extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exception ${code}`);
    this.code = code;
  }
}

/**
 * Makes a twin of the given tags. Its registers are made when they are read, all of one request at one instant, so that
 * a value of several registers is never torn; what is written stays until it is written again.
 */
export function createTwin(tags: readonly TwinTag[], { fillGaps }: TwinOptions): Twin {
  const units = new Map<number, Unit>();
  for (const tag of tags) {
    const unit = found(units, tag.address.unit, (): Unit => new Map());
    const image = found(unit, tag.address.table, emptyImage);
    image.tags.push(tag);
    // A value and its scale factor are read by one request: what lies between them is there as well.
    const { start, end } = spanOf(tag.address);
    for (let place = start; place < end; place++) image.present.add(place);
  }
  if (fillGaps) for (const unit of units.values()) for (const image of unit.values()) fill(image);

  return {
    answer(unitId, pdu, monoMs) {
      const unit = units.get(unitId);
      if (!unit) return undefined;
      const functionCode = pdu[0] ?? 0;
      try {
        return respond(unit, functionCode, pdu, monoMs);
      } catch (error) {
        if (error instanceof Refused) return Uint8Array.of(functionCode | 0x80, error.code);
        throw error;
      }
    },
  };
}

function respond(unit: Unit, functionCode: number, pdu: Uint8Array, monoMs: number): Uint8Array {
  switch (functionCode) {
    case 1:
      return readBits(unit.get('coil'), pdu, monoMs);
    case 2:
      return readBits(unit.get('discrete'), pdu, monoMs);
    case 3:
      return readRegisters(unit.get('holding'), pdu, monoMs);
    case 4:
      return readRegisters(unit.get('input'), pdu, monoMs);
    case 5: {
      const value = word(pdu, 3);
      if (pdu.length !== 5 || (value !== 0 && value !== 0xff00)) throw new Refused(ILLEGAL_VALUE);
      write(unit.get('coil'), word(pdu, 1), [value === 0 ? 0 : 1]);
      return pdu.slice();
    }
    case 6:
      if (pdu.length !== 5) throw new Refused(ILLEGAL_VALUE);
      write(unit.get('holding'), word(pdu, 1), [word(pdu, 3)]);
      return pdu.slice();
    case 15: {
      const count = counted(pdu, MOST.writeBits);
      checkData(pdu, Math.ceil(count / 8));
      write(
        unit.get('coil'),
        word(pdu, 1),
        Array.from({ length: count }, (_, bit) => (pdu[6 + (bit >> 3)]! >> (bit & 7)) & 1),
      );
      return pdu.slice(0, 5);
    }
    case 16: {
      const count = counted(pdu, MOST.writeRegisters);
      checkData(pdu, count * 2);
      write(
        unit.get('holding'),
        word(pdu, 1),
        Array.from({ length: count }, (_, index) => word(pdu, 6 + 2 * index)),
      );
      return pdu.slice(0, 5);
    }
    default:
      throw new Refused(ILLEGAL_FUNCTION);
  }
}

function readRegisters(image: Image | undefined, pdu: Uint8Array, monoMs: number): Uint8Array {
  const count = counted(pdu, MOST.readRegisters);
  if (pdu.length !== 5) throw new Refused(ILLEGAL_VALUE);
  const start = word(pdu, 1);
  const values = imageAt(image, start, count, monoMs);
  const response = new Uint8Array(2 + 2 * count);
  response[0] = pdu[0]!;
  response[1] = 2 * count;
  values.forEach((value, index) => {
    response[2 + 2 * index] = value >> 8;
    response[3 + 2 * index] = value & 0xff;
  });
  return response;
}

function readBits(image: Image | undefined, pdu: Uint8Array, monoMs: number): Uint8Array {
  const count = counted(pdu, MOST.readBits);
  if (pdu.length !== 5) throw new Refused(ILLEGAL_VALUE);
  const values = imageAt(image, word(pdu, 1), count, monoMs);
  const response = new Uint8Array(2 + Math.ceil(count / 8));
  response[0] = pdu[0]!;
  response[1] = response.length - 2;
  values.forEach((value, index) => {
    if (value !== 0) response[2 + (index >> 3)]! |= 1 << (index & 7);
  });
  return response;
}

/** The registers or bits of a range at one instant. */
function imageAt(image: Image | undefined, start: number, count: number, monoMs: number): Uint16Array {
  if (!image) throw new Refused(ILLEGAL_ADDRESS);
  for (let offset = 0; offset < count; offset++)
    if (!image.present.has(start + offset)) throw new Refused(ILLEGAL_ADDRESS);
  const values = new Uint16Array(count);
  for (const tag of image.tags) {
    const offset = tag.address.start - start;
    if (offset < count && offset + tag.address.count > 0) lay(tag, values, offset, monoMs);
  }
  for (const [address, value] of image.written)
    if (address >= start && address < start + count) values[address - start] = value;
  return values;
}

/** Lays one tag's registers over a range; parts outside it are left out, as a device does when a value is cut. */
function lay({ address, valueAt }: TwinTag, values: Uint16Array, offset: number, monoMs: number): void {
  const value = valueAt(monoMs);
  if (address.type === 'bool') {
    const bit = address.table === 'coil' || address.table === 'discrete' ? 0 : (address.bit ?? 0);
    const mask = 1 << bit;
    values[offset] = value ? values[offset]! | mask : values[offset]! & ~mask;
    return;
  }
  // A register that scales others reads 0 unless a tag says otherwise: ten to the power of 0. And a device may well
  // show a pattern that means "no value".
  const encoded = encodeValue(value, { ...address, scaleAt: undefined, invalid: [] });
  if (!encoded.ok) throw new Refused(DEVICE_FAILURE);
  encoded.value.forEach((register, index) => {
    if (offset + index >= 0 && offset + index < values.length) values[offset + index] = register;
  });
}

function write(image: Image | undefined, start: number, values: readonly number[]): void {
  if (!image || values.some((_, offset) => !image.present.has(start + offset))) throw new Refused(ILLEGAL_ADDRESS);
  values.forEach((value, offset) => {
    image.written.set(start + offset, value);
  });
}

function counted(pdu: Uint8Array, most: number): number {
  const count = pdu.length >= 5 ? word(pdu, 3) : 0;
  if (count < 1 || count > most) throw new Refused(ILLEGAL_VALUE);
  return count;
}

function checkData(pdu: Uint8Array, bytes: number): void {
  if (pdu[5] !== bytes || pdu.length !== 6 + bytes) throw new Refused(ILLEGAL_VALUE);
}

function word(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

function emptyImage(): Image {
  return { tags: [], present: new Set(), written: new Map() };
}

function fill({ present }: Image): void {
  let lowest = 65_535;
  let highest = 0;
  for (const address of present) {
    lowest = Math.min(lowest, address);
    highest = Math.max(highest, address);
  }
  for (let address = lowest; address <= highest; address++) present.add(address);
}

function found<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
