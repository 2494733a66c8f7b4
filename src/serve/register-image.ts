/** Answers the questions of a Modbus master out of the last readings: a value that is not good and fresh is never sent. Pure. */
import type { ModbusAddress, ModbusType, Table } from '../../hal/modbus/map/address.ts';
import { encodeValue } from '../../hal/modbus/map/register-values.ts';
import type { ModbusServerConfig, ServedPoint } from '../config/config.ts';
import type { Reading, TagId, Value } from '../core/reading.ts';

/** Exception codes, Modbus Application Protocol V1.1b3, chapter 7. */
export const EXCEPTION = { function: 1, address: 2, value: 3, failure: 4, target: 11 } as const;

/** Most items of one request (V1.1b3, 6.1 to 6.4). */
const MOST_BITS = 2000;
const MOST_REGISTERS = 125;

/** The bits of a status word. */
const STATUS = {
  /** Every value of the block is there, and fresh. */
  good: 1,
  /** One at least is doubtful, such as one out of its range. */
  uncertain: 2,
  /** One at least has no value: its device does not answer, or nothing was read yet. */
  bad: 4,
  /** One at least is older than it may be. */
  stale: 8,
  /** One at least does not fit its registers. */
  unfit: 16,
} as const;

/** How many of a block cannot be used stands in the upper byte, which holds no more. */
const MOST_COUNTED = 255;

/** How a value stands that is to be sent. */
type Standing =
  | { readonly flag: typeof STATUS.good | typeof STATUS.uncertain; readonly registers: Uint16Array }
  | { readonly flag: typeof STATUS.bad | typeof STATUS.stale | typeof STATUS.unfit; readonly registers?: undefined };

type TagPoint = Extract<ServedPoint, { kind: 'tag' }>;

/** A place of the map, and what is sent of it where there is no value; undefined: the request is refused. */
type Laid = ServedPoint & { readonly absent: Uint16Array | undefined };

/** One master's view of the map. */
export interface RegisterImage {
  /**
   * Answers one request.
   *
   * @param pdu function code and data
   * @param nowMs the monotonic clock
   * @returns function code and data of the answer, or of the exception
   */
  answer(pdu: Uint8Array, nowMs: number): Uint8Array;
}

/** Why a request is not answered; thrown within this file only. */
class Refused extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exception ${code}`);
    this.code = code;
  }
}

const TABLE_OF: Readonly<Record<number, Table>> = { 1: 'coil', 2: 'discrete', 3: 'holding', 4: 'input' };

/**
 * Makes the image of a map.
 *
 * @param lastOf the last reading of a tag; undefined before the first
 */
export function createImage(
  { points, whenBad }: Pick<ModbusServerConfig, 'points' | 'whenBad'>,
  lastOf: (tag: TagId) => Reading | undefined,
): RegisterImage {
  const tables: Record<Table, Map<number, Laid[]>> = {
    coil: new Map(),
    discrete: new Map(),
    input: new Map(),
    holding: new Map(),
  };
  const tags = new Map<TagId, TagPoint[]>();
  for (const point of points) {
    const laid = laidOf(point, whenBad);
    const { table, start, count } = point.address;
    for (let at = start; at < start + count; at++) tables[table].set(at, [...(tables[table].get(at) ?? []), laid]);
    if (laid.kind === 'tag') tags.set(laid.tag, [...(tags.get(laid.tag) ?? []), laid]);
  }
  const wordOf = (names: readonly TagId[], nowMs: number): number =>
    statusWord(
      names.flatMap((tag) => (tags.get(tag) ?? []).map((point) => standingOf(point, lastOf(tag), nowMs).flag)),
    );
  const registersOf = (point: Laid, nowMs: number): Uint16Array => {
    if (point.kind === 'status') return Uint16Array.of(wordOf(point.tags, nowMs));
    const registers = standingOf(point, lastOf(point.tag), nowMs).registers ?? point.absent;
    if (!registers) throw new Refused(EXCEPTION.failure);
    return registers;
  };
  return {
    answer(pdu, nowMs) {
      const code = pdu[0]!;
      try {
        const table = TABLE_OF[code];
        // Nothing is written, so that a master finds no function to write by.
        if (!table) throw new Refused(EXCEPTION.function);
        if (pdu.length !== 5) throw new Refused(EXCEPTION.value);
        const isBits = table === 'coil' || table === 'discrete';
        const [start, count] = [word(pdu, 1), word(pdu, 3)];
        if (count < 1 || count > (isBits ? MOST_BITS : MOST_REGISTERS)) throw new Refused(EXCEPTION.value);
        const items = itemsOf(tables[table], start, count, (point) => registersOf(point, nowMs));
        return isBits ? bitsAnswer(code, items) : registersAnswer(code, items);
      } catch (error) {
        if (error instanceof Refused) return Uint8Array.of(code | 0x80, error.code);
        throw error;
      }
    },
  };
}

/** The items of a range. Everything in it must be there, and no value may be cut: halves of two instants make a wrong number. */
function itemsOf(
  table: ReadonlyMap<number, readonly Laid[]>,
  start: number,
  count: number,
  registersOf: (point: Laid) => Uint16Array,
): Uint16Array {
  const items = new Uint16Array(count);
  const end = start + count;
  for (let at = start; at < end; at++) {
    const here = table.get(at);
    if (!here) throw new Refused(EXCEPTION.address);
    for (const point of here) {
      const { address } = point;
      if (address.start < start || address.start + address.count > end) throw new Refused(EXCEPTION.address);
      if (address.start !== at) continue;
      for (const [index, register] of registersOf(point).entries()) items[at - start + index]! |= register;
    }
  }
  return items;
}

function registersAnswer(code: number, items: Uint16Array): Uint8Array {
  const answer = new Uint8Array(2 + 2 * items.length);
  answer[0] = code;
  answer[1] = 2 * items.length;
  for (const [index, item] of items.entries()) {
    answer[2 + 2 * index] = item >> 8;
    answer[3 + 2 * index] = item & 0xff;
  }
  return answer;
}

function bitsAnswer(code: number, items: Uint16Array): Uint8Array {
  const answer = new Uint8Array(2 + Math.ceil(items.length / 8));
  answer[0] = code;
  answer[1] = answer.length - 2;
  for (const [index, item] of items.entries()) if (item !== 0) answer[2 + (index >> 3)]! |= 1 << (index & 7);
  return answer;
}

/** Whether a value may be sent, and as which registers. */
function standingOf(point: TagPoint, last: Reading | undefined, nowMs: number): Standing {
  if (!last || last.quality === 'bad') return { flag: STATUS.bad };
  // The device was busy and its last value was kept: that is an old number, however young the reading.
  if (last.quality === 'uncertain' && last.why === 'last-usable') return { flag: STATUS.stale };
  if (point.staleMs !== undefined && nowMs - last.monoMs > point.staleMs) return { flag: STATUS.stale };
  const encoded = encodeValue(rawOf(last.value, point), point.address);
  if (!encoded.ok) return { flag: STATUS.unfit };
  return { flag: last.quality === 'good' ? STATUS.good : STATUS.uncertain, registers: encoded.value };
}

/** The number that a master is sent: (value − offset) / scale, whole where its registers hold whole numbers. */
function rawOf(value: Value, { address: { type }, scale, offset }: TagPoint): Value {
  if (typeof value === 'string' || type === 'bool' || type === 'string') return value;
  if (typeof value === 'boolean') return Number(value);
  if (scale === 1 && offset === 0 && typeof value === 'bigint') return type.startsWith('float') ? Number(value) : value;
  const raw = (Number(value) - offset) / scale;
  return type.startsWith('float') ? raw : Math.round(raw);
}

/** One word for how the values of a block stand. */
function statusWord(flags: readonly Standing['flag'][]): number {
  const unusable = flags.filter((flag) => flag !== STATUS.good && flag !== STATUS.uncertain).length;
  const bits = flags.reduce<number>((all, flag) => (flag === STATUS.good ? all : all | flag), 0);
  return (Math.min(unusable, MOST_COUNTED) << 8) | bits | (unusable === 0 ? STATUS.good : 0);
}

/** A place with what it shows without a value. Where that is a pattern, no value is sent that looks like it. */
function laidOf(point: ServedPoint, whenBad: ModbusServerConfig['whenBad']): Laid {
  const pattern = whenBad === 'exception' || point.kind === 'status' ? undefined : absentPattern(point.address);
  if (pattern === undefined) return { ...point, absent: undefined };
  const { address } = point;
  const whole: ModbusType = address.count === 1 ? 'uint16' : address.count === 2 ? 'uint32' : 'uint64';
  const absent =
    address.type === 'string' ? new Uint16Array(address.count) : encodeValue(pattern, { ...address, type: whole });
  const registers = absent instanceof Uint16Array ? absent : absent.ok ? absent.value : undefined;
  return { ...point, address: { ...address, invalid: [pattern] }, absent: registers };
}

/**
 * The pattern that means "no value": NaN, the least signed and the greatest unsigned integer, as SunSpec has them, and an
 * empty text. One bit has none.
 */
function absentPattern({ type, count, bit }: ModbusAddress): bigint | undefined {
  if (type === 'bool' || bit !== undefined) return undefined;
  if (type === 'string') return 0n;
  if (type === 'float16') return 0x7e00n;
  if (type === 'float32') return 0x7fc0_0000n;
  if (type === 'float64') return 0x7ff8_0000_0000_0000n;
  const bits = BigInt(count * 16);
  return type.startsWith('int') ? 1n << (bits - 1n) : (1n << bits) - 1n;
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
