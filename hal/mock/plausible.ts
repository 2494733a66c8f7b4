/** Picks a signal that looks like the real value of a tag. */
import type { Tag } from '../driver.ts';
import { FLOAT16_MAX, INTEGER_RANGES, type ModbusType } from '../modbus/map/address.ts';
import { hashOf, mix, uniform } from './noise.ts';
import type { Signal } from './signal.ts';

/** A configured tag with what the gateway knows of its value beyond the address. */
export type SimulatedTag = Tag & {
  /** The published value is raw · scale + offset. */
  readonly scale: number;
  readonly offset: number;
  /** Range of the published value. */
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly unit: string | undefined;
  readonly counter: boolean;
};

/** What the raw value of a tag may be. */
interface RawForm {
  readonly type: ModbusType;
  /** Longest text, in bytes. */
  readonly textBytes: number;
}

/** How a published value moves: it wanders between two numbers, or only rises, by an amount each hour. */
type Habit = Range | { readonly perHour: number; readonly from: number };

/** What is usual in a small factory, by unit. Ranges are of machines at work, not of sensors. */
const HABITS: Record<string, Habit> = {
  '°C': { low: 22, high: 68 },
  '°F': { low: 72, high: 154 },
  K: { low: 295, high: 341 },
  bar: { low: 2, high: 8 },
  mbar: { low: 990, high: 1025 },
  hPa: { low: 990, high: 1025 },
  kPa: { low: 200, high: 800 },
  Pa: { low: 20, high: 250 },
  V: { low: 226, high: 234 },
  A: { low: 3, high: 24 },
  mA: { low: 5, high: 18 },
  W: { low: 600, high: 5200 },
  kW: { low: 0.8, high: 18 },
  VA: { low: 700, high: 5600 },
  kVA: { low: 1, high: 20 },
  var: { low: 100, high: 1800 },
  kvar: { low: 0.2, high: 6 },
  Hz: { low: 49.95, high: 50.05 },
  '%': { low: 35, high: 85 },
  '%RH': { low: 38, high: 58 },
  rpm: { low: 1380, high: 1490 },
  'mm/s': { low: 0.9, high: 2.4 },
  mm: { low: 9.97, high: 10.03 },
  kg: { low: 1, high: 25 },
  'l/min': { low: 8, high: 32 },
  'm³/h': { low: 2, high: 14 },
  Nm: { low: 12, high: 80 },
  s: { low: 2.1, high: 3.2 },
  ms: { low: 12, high: 60 },
  g: { low: 0.05, high: 0.9 },
  ppm: { low: 420, high: 980 },
  kWh: { perHour: 12, from: 1200 },
  MWh: { perHour: 0.012, from: 12 },
  Wh: { perHour: 12_000, from: 120_000 },
  kvarh: { perHour: 3, from: 300 },
  h: { perHour: 1, from: 800 },
};

/** Words in a tag's name that say more than its unit. The first that fits decides. */
const SPECIAL_WORDS: readonly (readonly [RegExp, Habit])[] = [
  [/power-?factor|cos-?phi/, { low: 0.82, high: 0.97 }],
  [/dc-?(bus|link)/, { low: 545, high: 585 }],
  [/volt.*l1-l2|volt.*l2-l3|volt.*l3-l1/, { low: 396, high: 404 }],
  [/thd/, { low: 1.5, high: 4.5 }],
  [/kurtosis/, { low: 2.7, high: 3.6 }],
  [/crest/, { low: 3, high: 5 }],
];

/** Words that stand in for a unit. */
const WORDS: readonly (readonly [RegExp, Habit])[] = [
  [/energy|kwh/, { perHour: 12, from: 1200 }],
  [/hours|runtime/, { perHour: 1, from: 800 }],
  [/freq/, { low: 49.95, high: 50.05 }],
  [/volt/, { low: 226, high: 234 }],
  [/current|ampere/, { low: 3, high: 24 }],
  [/power/, { low: 600, high: 5200 }],
  [/temp/, { low: 22, high: 68 }],
  [/press/, { low: 2, high: 8 }],
  [/humid|level|load|valve|position/, { low: 35, high: 85 }],
  [/speed|rpm/, { low: 1380, high: 1490 }],
  [/vibration/, { low: 0.9, high: 2.4 }],
  [/torque/, { low: 12, high: 80 }],
  [/flow/, { low: 8, high: 32 }],
  [/weight|mass/, { low: 1, high: 25 }],
  [/cycle/, { low: 2.1, high: 3.2 }],
];

const USUAL: Range = { low: 20, high: 80 };

/** Share of the time that a truth value is on, by words in its name. */
const DUTIES: readonly (readonly [RegExp, number])[] = [
  [/fault|alarm|error|jam|trip|warn|emergency|stop/, 0.02],
  [/open|door|busy/, 0.15],
  [/run|ready|enable|online|ok$/, 0.85],
];

/** Numbers that stand for something; they change seldom, and a fault code is nearly always 0. */
const CODE = /code|state|status|mode|stage|step$|word|fault|alarm|error/;
const FAULT = /fault|alarm|error|warning/;

/** Part of a configured min…max that is left free on either side, so that noise and rounding stay inside. */
const MARGIN = 0.12;

/**
 * A signal for the raw value of a tag that looks as the real one might: it stays inside `min…max` and the register's
 * own range once scaled, moves, and differs from tag to tag. A function of the tag alone.
 */
export function plausibleSignal(tag: SimulatedTag, { type, textBytes }: RawForm): Signal {
  const seed = hashOf(tag.id);
  if (type === 'string') return { kind: 'constant', value: textFor(tag, textBytes) };
  if (type === 'bool') return toggleFor(tag.name, seed);
  const limits = rawLimits(tag, type);
  if (!tag.counter && tag.unit === undefined && CODE.test(tag.name)) return codeFor(tag.name, limits, seed);
  const habit = habitOf(tag);
  if (habit && 'perHour' in habit) return risingFor(tag, habit, limits, seed);
  if (tag.counter) {
    const perSecond = 0.2 + 0.5 * uniform(seed, 1);
    return { kind: 'counter', start: Math.max(0, limits.low), perSecond, wrap: Math.max(1, limits.high + 1) };
  }
  return wanderingFor(tag, workingRange(tag, habit), limits, seed, type);
}

function habitOf({ name, unit }: SimulatedTag): Habit | undefined {
  const isNamed = ([word]: readonly [RegExp, Habit]): boolean => word.test(name);
  return SPECIAL_WORDS.find(isNamed)?.[1] ?? HABITS[unit ?? ''] ?? WORDS.find(isNamed)?.[1];
}

/** What is usual where it lies inside the tag's own range, else that range. */
function workingRange({ min, max }: SimulatedTag, usual: Range | undefined): Range {
  if (min === undefined || max === undefined) return usual ?? USUAL;
  return usual && usual.low >= min && usual.high <= max ? usual : { low: min, high: max };
}

function wanderingFor(tag: SimulatedTag, { low, high }: Range, limits: Range, seed: number, type: ModbusType): Signal {
  const a = (low - tag.offset) / tag.scale;
  const b = (high - tag.offset) / tag.scale;
  const inner = within({ low: Math.min(a, b), high: Math.max(a, b) }, limits);
  const span = inner.high - inner.low;
  const min = inner.low + span * (MARGIN + 0.25 * uniform(seed, 2));
  const max = inner.high - span * (MARGIN + 0.25 * uniform(seed, 3));
  const periodMs = 20_000 + 70_000 * uniform(seed, 4);
  if (INTEGER_RANGES[type] && max - min < 1) {
    const value = Math.min(Math.floor(limits.high), Math.max(Math.ceil(limits.low), Math.round((min + max) / 2)));
    return { kind: 'constant', value };
  }
  const decimals = type.startsWith('float') ? undefined : 0;
  return { kind: 'walk', min, max, periodMs, noise: 0, decimals };
}

function risingFor(
  tag: SimulatedTag,
  { perHour, from }: { perHour: number; from: number },
  limits: Range,
  seed: number,
): Signal {
  const share = 0.4 + 1.2 * uniform(seed, 5);
  const usual = (from * share - tag.offset) / tag.scale;
  const isInside = usual > limits.low && usual < limits.high;
  const start = isInside ? usual : limits.low + 0.3 * (limits.high - limits.low);
  const end = tag.scale > 0 ? limits.high : limits.low;
  const perMs = Math.abs((perHour * share) / tag.scale) / 3_600_000;
  const overMs = Math.max(1, Math.abs(end - start) / perMs);
  return { kind: 'ramp', from: start, to: end, overMs, atEnd: 'hold', noise: 0, decimals: undefined };
}

function toggleFor(name: string, seed: number): Signal {
  const duty = DUTIES.find(([word]) => word.test(name))?.[1] ?? 0.5;
  return { kind: 'toggle', periodMs: 30_000 + 60_000 * uniform(seed, 6), duty, phase: uniform(seed, 7) };
}

function codeFor(name: string, { low, high }: Range, seed: number): Signal {
  const codes = FAULT.test(name) ? [0, 0, 0, 0, 0, 0, 0, 0, 0, 1 + (seed % 4)] : [1, 1, 1, 2, 1, 1, 3, 0];
  const values = codes.map((code) => Math.min(high, Math.max(low, code)));
  return { kind: 'steps', values, everyMs: 15_000 + 10_000 * uniform(seed, 8), atEnd: 'repeat' };
}

function textFor({ name, id }: SimulatedTag, textBytes: number): string {
  const number = String(mix(hashOf(id), 8) % 100_000).padStart(5, '0');
  const text = /serial/.test(name)
    ? `SN${number}`
    : /version|firmware/.test(name)
      ? `1.${number.slice(-2)}`
      : `SIM-${number}`;
  return text.slice(0, Math.max(textBytes, 1));
}

interface Range {
  readonly low: number;
  readonly high: number;
}

/** Raw values that both the register and the tag's min…max allow; whole numbers for integer types. */
function rawLimits(tag: SimulatedTag, type: ModbusType): Range {
  const own = registerRange(type);
  const ends = [tag.min, tag.max].map((end) => (end === undefined ? undefined : (end - tag.offset) / tag.scale));
  const [low, high] = tag.scale > 0 ? ends : [ends[1], ends[0]];
  const isWhole = !type.startsWith('float');
  const least = low === undefined ? own.low : Math.max(own.low, isWhole ? Math.ceil(low) : low);
  const most = high === undefined ? own.high : Math.min(own.high, isWhole ? Math.floor(high) : high);
  // A range that the register cannot show at all is a mistake in the file; the register decides.
  return least <= most ? { low: least, high: most } : own;
}

function registerRange(type: ModbusType): Range {
  const integers = INTEGER_RANGES[type];
  if (integers) {
    const high = Math.min(Number(integers[1]), Number.MAX_SAFE_INTEGER);
    return { low: Math.max(Number(integers[0]), -Number.MAX_SAFE_INTEGER), high };
  }
  if (type === 'float16') return { low: -FLOAT16_MAX, high: FLOAT16_MAX };
  return { low: -1e9, high: 1e9 };
}

/** The part of a range inside the limits; when there is none, a stretch of the limits themselves. */
function within({ low, high }: Range, limits: Range): Range {
  const least = Math.max(low, limits.low);
  const most = Math.min(high, limits.high);
  if (least <= most) return { low: least, high: most };
  const span = Math.min(limits.high - limits.low, Math.abs(high - low));
  return low > limits.high
    ? { low: limits.high - span, high: limits.high }
    : { low: limits.low, high: limits.low + span };
}
