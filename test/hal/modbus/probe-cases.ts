import { ORDERS, type Order } from '../../../hal/modbus/map/address.ts';
import { type Random, seededRandom } from '../../../src/core/random.ts';
import { NUMBER_TYPES, type NumberType, type Watched } from '../../../src/probe/probe-decode.ts';
import type { Asked } from '../../../src/probe/probe-rank.ts';
import { registersOf, wordsOf } from './probe-words.ts';

/*
 * Devices that nobody has: a register map with the wanted values in it and what devices have around them, watched for
 * some seconds, and what their display showed before. Made from a seed; nothing here looks at how probe ranks.
 */

/** Where a wanted value really is. */
export interface Truth {
  readonly table: 'input' | 'holding';
  readonly address: number;
  readonly type: NumberType;
  readonly order: Order;
  readonly exponent: number;
}

/** One case: what is seen, what is asked, and the truth. */
export interface ProbeCase {
  readonly seed: number;
  readonly watched: readonly Watched[];
  readonly asked: Asked;
  /** What the display showed, one a wanted value. */
  readonly shown: readonly string[];
  readonly truths: readonly Truth[];
  /** Both tables are one memory: the truth is in either. */
  readonly isMirrored: boolean;
  /** Digits that the display shows. */
  readonly digits: number;
}

/** Looks at the registers: one a half second for five seconds. */
const LOOKS = 10;
/** The display was read this many looks before at most. */
const BEFORE = 6;

/** A value of the device: its registers at every moment from the display's on. */
interface Variable {
  readonly table: 'input' | 'holding';
  readonly address: number;
  readonly words: readonly (readonly number[])[];
}

/** How a case is made: everything at random unless given. */
export interface CaseOptions {
  /** The wanted values are single digits: counts of one to nine, such as an operating mode. */
  readonly tiny?: boolean;
  /** Most registers are 0: besides the wanted values nothing is there. */
  readonly sparse?: boolean;
}

/** Makes the case of a seed. */
export function probeCase(seed: number, options: CaseOptions = {}): ProbeCase {
  const random = seededRandom(seed * 7919 + 17);
  const type = pick(random, NUMBER_TYPES);
  const order = registersOf(type) === 1 ? (random() < 0.5 ? 'ABCD' : 'BADC') : pick(random, ORDERS);
  const digits = pickWeighted(random, [2, 3, 4, 5], [0.05, 0.2, 0.4, 0.35]);
  const wanted = pickWeighted(random, [1, 2, 3], [0.6, 0.25, 0.15]);
  const table: Truth['table'] = random() < 0.5 ? 'input' : 'holding';
  const size = 12 + Math.floor(random() * 49);
  const start = pick(random, [0, 1, 40, 100, 256, 512, 1000, 3000, 3059, 4096, 19000, 40001]);
  const map = new RegisterMap(
    table,
    start,
    Math.max(size, 4 * registersOf(type) * wanted),
    random,
    options.sparse ? 0 : undefined,
  );

  const truths: Truth[] = [];
  const shown: string[] = [];
  const shared = exponentFor(random, type);
  const isShared = random() < 0.6;
  const places = map.placesFor(type, wanted);
  for (const address of places) {
    const exponent = isShared ? shared : exponentFor(random, type);
    const quantity = quantityFor(random, type, exponent, options.tiny === true);
    const internal = course(random, quantity, LOOKS + BEFORE);
    const raws = rawsOf(random, type, exponent, internal);
    map.put(
      address,
      raws.map((raw) => wordsOf(type, order, raw)),
    );
    truths.push({ table, address, type, order, exponent });
    shown.push(displayed(random, type, exponent, raws[0]!, internal[0]!, digits));
  }
  if (!options.sparse) map.fill(type, order);
  const other: Truth['table'] = table === 'input' ? 'holding' : 'input';
  const kind = pickWeighted(random, ['mirror', 'absent', 'own'] as const, [0.15, 0.35, 0.5]);
  const second = new RegisterMap(other, start, map.size, random, options.sparse ? 0 : undefined);
  if (kind === 'own' && !options.sparse) second.fill(type, order);
  const watched = [map.watched(), kind === 'mirror' ? map.watched(other) : second.watched()];
  const named = pickWeighted<Asked['table']>(random, [undefined, table, other], [0.5, 0.42, 0.08]);
  const asked = { table: named, first: start, last: start + map.size - 1 };
  const isMirrored = kind === 'mirror';
  return { seed, watched: kind === 'absent' ? watched.slice(0, 1) : watched, asked, shown, truths, isMirrored, digits };
}

/** The registers of one table. */
class RegisterMap {
  readonly size: number;
  private readonly table: 'input' | 'holding';
  private readonly start: number;
  private readonly random: Random;
  /** Parity of the multi-register values of this device. */
  private readonly shift: number;
  private readonly variables: Variable[] = [];
  private readonly used = new Set<number>();

  /** What a register holds that nothing was put into; undefined: the device has no such register. */
  private readonly emptyWord: number | undefined;

  constructor(table: 'input' | 'holding', start: number, size: number, random: Random, emptyWord?: number) {
    this.emptyWord = emptyWord;
    this.table = table;
    this.start = start;
    this.size = size;
    this.random = random;
    this.shift = random() < 0.3 ? 1 : 0;
  }

  /** Addresses for the wanted values: half the time beside each other, else anywhere, always one of a regular grid. */
  placesFor(type: NumberType, wanted: number): number[] {
    const registers = registersOf(type);
    const slots = Math.floor((this.size - this.shift) / registers);
    const at = (slot: number): number => this.start + this.shift + slot * registers;
    if (this.random() < 0.5) {
      const first = Math.floor(this.random() * (slots - wanted + 1));
      return Array.from({ length: wanted }, (_, index) => at(first + index));
    }
    const free = Array.from({ length: slots }, (_, slot) => slot);
    return Array.from({ length: wanted }, () => at(free.splice(Math.floor(this.random() * free.length), 1)[0]!));
  }

  put(address: number, words: readonly (readonly number[])[]): void {
    words[0]!.forEach((_, index) => {
      this.used.add(address + index);
    });
    this.variables.push({ table: this.table, address, words: words.slice(BEFORE) });
  }

  /** Fills the rest of the map with what devices have: mostly more of the same kind. */
  fill(type: NumberType, order: Order): void {
    const { random } = this;
    const mostlySame = random() < 0.75 ? 0.6 : 0.1;
    for (let address = this.start + this.shift; address < this.start + this.size; ) {
      if (this.used.has(address)) {
        address++;
        continue;
      }
      const content = random() < mostlySame ? this.valueLike(type, order) : this.somethingElse(order);
      const registers = content?.[0]?.length ?? 1;
      const fits = Array.from({ length: registers }, (_, index) => address + index).every(
        (each) => !this.used.has(each) && each < this.start + this.size,
      );
      if (content && fits) this.put(address, content);
      else if (content) this.put(address, constant([0]));
      address += fits ? registers : 1;
    }
  }

  /** What a master would see; `as` names the other table when both are one memory. */
  watched(as: 'input' | 'holding' = this.table): Watched {
    const looks = Array.from({ length: LOOKS }, (_, look) => {
      const registers = new Array<number | undefined>(this.size).fill(this.emptyWord);
      for (const { address, words } of this.variables)
        words[look]!.forEach((word, index) => {
          registers[address - this.start + index] = word;
        });
      return registers;
    });
    return { table: as, start: this.start, looks };
  }

  private valueLike(type: NumberType, order: Order): number[][] {
    const { random } = this;
    const exponent = exponentFor(random, type);
    const internal = course(random, quantityFor(random, type, exponent, false), LOOKS + BEFORE);
    return rawsOf(random, type, exponent, internal).map((raw) => wordsOf(type, order, raw));
  }

  /** Undefined: a hole. */
  private somethingElse(order: Order): number[][] | undefined {
    const { random } = this;
    switch (
      pickWeighted(
        random,
        ['zero', 'setting', 'other', 'counter', 'junk', 'text', 'mark', 'hole'] as const,
        [0.3, 0.2, 0.16, 0.1, 0.1, 0.04, 0.04, 0.06],
      )
    ) {
      case 'zero':
        return constant([0]);
      case 'setting':
        return constant([
          pick(random, [1, 2, 3, 5, 10, 50, 60, 100, 230, 240, 247, 400, 480, 1000, 1200, 9600, 19200]),
        ]);
      case 'other': {
        const type = pick(random, ['uint16', 'int16', 'float32', 'uint32', 'int32'] as const);
        return this.valueLike(
          type,
          registersOf(type) === 1 ? (order === 'ABCD' || order === 'CDAB' ? 'ABCD' : 'BADC') : order,
        );
      }
      case 'counter': {
        const from = Math.floor(random() * 60_000);
        const each = Math.ceil(random() * 3);
        return Array.from({ length: LOOKS + BEFORE }, (_, look) => [(from + each * look) & 0xffff]);
      }
      case 'junk':
        return constant([Math.floor(random() * 65_536)]);
      case 'text':
        return constant(Array.from({ length: 4 }, () => (letter(random) << 8) | letter(random)));
      case 'mark':
        return constant([pick(random, [0x8000, 0xffff, 0x7fff])]);
      case 'hole':
        return undefined;
    }
  }
}

/** A quantity in the display's unit that its registers can hold. */
function quantityFor(random: Random, type: NumberType, exponent: number, tiny: boolean): number {
  const scale = 10 ** exponent;
  const isSigned = type.startsWith('int') || type.startsWith('float');
  const sign = isSigned && random() < 0.25 ? -1 : 1;
  if (type.startsWith('float')) return sign * logUniform(random, tiny ? 1 : 0.5, tiny ? 9.4 : 99_999);
  if (tiny) return sign * Math.ceil(random() * 9) * scale;
  const most: Record<string, number> = { uint16: 65_000, int16: 32_000, bcd16: 9900, bcd32: 99_000_000 };
  // Half of the wide integers are what they are wide for: counters of energy with up to nine digits.
  const shown = type.endsWith('64') && random() < 0.5 ? 999_999_999 : 99_999;
  const largest = Math.min(most[type] ?? (type.endsWith('32') ? 2e9 : 9e15), Math.max(shown / scale, 99_999));
  // One register in ten has no more than two digits, such as 42 for 4.2 bar.
  return sign * logUniform(random, random() < 0.1 ? 10 : 100, largest) * scale;
}

/** How a quantity goes: still, or wandering by up to half a per cent a look, each moment of a look seen alike. */
function course(random: Random, quantity: number, moments: number): number[] {
  const share = random() < 0.25 ? 0 : logUniform(random, 1e-5, 5e-3);
  const walk = random() < 0.5 ? 0.3 : 0;
  const holds = 1 + Math.floor(random() * 3);
  let base = quantity;
  let value = quantity;
  return Array.from({ length: moments }, (_, moment) => {
    if (moment % holds === 0) {
      base *= 1 + share * walk * normal(random);
      value = base * (1 + share * normal(random));
    }
    return value;
  });
}

/** What the register holds at each moment. */
function rawsOf(random: Random, type: NumberType, exponent: number, internal: readonly number[]): number[] {
  const scale = 10 ** exponent;
  if (type.startsWith('float')) {
    // A third of the makers compute with whole tenths or hundredths before they make a float of it.
    const digits = random() < 0.33 ? 4 + Math.floor(random() * 3) : 15;
    const raws = internal.map((value) => Number((value / scale).toPrecision(digits)));
    const isWidened = type === 'float64' && random() < 0.3;
    return type === 'float32' || isWidened ? raws.map(Math.fround) : raws;
  }
  const most: Record<string, number> = { uint16: 65_535, int16: 32_767, bcd16: 9999, bcd32: 99_999_999, uint32: 4e9 };
  const largest = most[type] ?? (type === 'int32' ? 2e9 : 9e15);
  return internal.map((value) => Math.min(largest, Math.max(-largest, Math.round(value / scale))));
}

/**
 * What the display shows: as many digits as it has, the whole part always in full. Most show what the register holds, and
 * not more decimals than that has; one in ten has one digit more than the register.
 */
function displayed(
  random: Random,
  type: NumberType,
  exponent: number,
  raw: number,
  internal: number,
  digits: number,
): string {
  const isFiner = random() < 0.1;
  const isWhole = !type.startsWith('float');
  const last = exponent - (isFiner && isWhole ? 1 : 0);
  const value = isFiner && isWhole ? Math.round(internal / 10 ** last) * 10 ** last : raw * 10 ** exponent;
  const whole = value === 0 ? 1 : Math.floor(Math.log10(Math.abs(value))) + 1;
  const fine = isWhole ? Math.max(0, -last) : 9;
  return value.toFixed(Math.max(0, Math.min(digits - whole, fine)));
}

function exponentFor(random: Random, type: NumberType): number {
  if (type.startsWith('float') && random() < 0.5) return 0;
  return Math.floor(random() * 9) - 4;
}

function constant(words: readonly number[]): number[][] {
  return Array.from({ length: LOOKS + BEFORE }, () => [...words]);
}

function letter(random: Random): number {
  return 0x41 + Math.floor(random() * 26);
}

function logUniform(random: Random, from: number, to: number): number {
  return Math.exp(Math.log(from) + random() * (Math.log(to) - Math.log(from)));
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)]!;
}

function pickWeighted<T>(random: Random, items: readonly T[], weights: readonly number[]): T {
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [index, item] of items.entries()) {
    left -= weights[index]!;
    if (left < 0) return item;
  }
  return items.at(-1)!;
}
