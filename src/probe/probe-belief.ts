/** Judges all registers of a device together: which type, order and scale is likeliest where. */
import { isByteSwapped } from '../../hal/modbus/map/register-values.ts';
import { DECODINGS, type Decoding, NUMBER_TYPES, type NumberType, seriesAt, type Watched } from './probe-decode.ts';
import { idleEvidence, movingEvidence, stillEvidence } from './probe-evidence.ts';
import { ORDER_SHARE, SWAPPED_SHARE, TYPE_SHARE } from './probe-prior.ts';

/*
 * What each register belongs to. A table is tiled with values: every way to cut it into values of some type and order,
 * and registers that are none, has a likelihood, and the belief in one value is the share of all tilings that have it
 * (forward and backward sums, as for a hidden semi-Markov chain). A device has habits: what its map turns out to be made
 * of is what is expected of the rest of it, so that the sums are made again with that.
 */

/** Share of registers that hold no number: states, texts, what the maker left there. */
const UNRELATED_SHARE = 0.15;

/** How often habits are learned from the tilings. */
const ROUNDS = 3;

/** How many values a device must show before its own habits count as much as everybody's. */
const TYPE_INERTIA = 4;
const ORDER_INERTIA = 1.5;

/** What is believed of the registers. */
export interface Belief {
  /** Natural logarithm of the belief that a value of this decoding begins at an address; −∞: none can. */
  readonly of: (table: Watched['table'], address: number, decoding: Decoding) => number;
}

/** Shares of what the values of a device are. */
interface Habits {
  readonly types: Record<NumberType, number>;
  readonly orders: Record<string, number>;
  readonly swapped: number;
}

const EVERYBODYS: Habits = { types: TYPE_SHARE, orders: ORDER_SHARE, swapped: SWAPPED_SHARE };

/** Judges all registers of a device together. */
export function believe(watched: readonly Watched[]): Belief {
  const lines = watched.map(lineOf);
  let habits = EVERYBODYS;
  for (let round = 1; round < ROUNDS; round++) {
    for (const line of lines) tile(line, habits);
    habits = habitsOf(lines);
  }
  for (const line of lines) tile(line, habits);
  return {
    of(table, address, decoding) {
      const line = lines.find((each) => each.watched.table === table);
      const index = DECODINGS.indexOf(decoding);
      return line?.beliefs[index]?.[address - line.watched.start] ?? Number.NEGATIVE_INFINITY;
    },
  };
}

/** One table: evidence and belief of every decoding (in the order of `DECODINGS`) at every register. */
interface Line {
  readonly watched: Watched;
  readonly length: number;
  readonly evidence: readonly Float64Array[];
  readonly beliefs: readonly Float64Array[];
  /** Evidence that a register holds no number. */
  readonly idle: Float64Array;
  /** Whether a value there would be all zeros, which says nothing of habits. */
  readonly isZero: (index: number, registers: number) => boolean;
}

function lineOf(watched: Watched): Line {
  const length = Math.max(0, ...watched.looks.map(({ length: registers }) => registers));
  const evidence = DECODINGS.map((decoding) =>
    Float64Array.from({ length }, (_, index) => evidenceAt(watched, watched.start + index, decoding)),
  );
  const everMoved = Array.from({ length }, (_, index) => watched.looks.some((look) => look[index] !== 0));
  return {
    watched,
    length,
    evidence,
    beliefs: DECODINGS.map(() => new Float64Array(length)),
    idle: Float64Array.from({ length }, (_, index) => idleEvidence(watched.looks.map((look) => look[index]))),
    isZero: (index, registers) => !everMoved.slice(index, index + registers).includes(true),
  };
}

/** How much the registers themselves speak for a value; −∞ where there can be none. */
function evidenceAt(watched: Watched, address: number, decoding: Decoding): number {
  const series = seriesAt(watched, address, decoding);
  if (!series) return Number.NEGATIVE_INFINITY;
  return stillEvidence(decoding, series.words[0]!, series.values[0]!) + movingEvidence(series);
}

/** Sums over all tilings, and from them the beliefs. */
function tile({ length, evidence, beliefs, idle }: Line, habits: Habits): void {
  const priors = DECODINGS.map((decoding) => Math.log((1 - UNRELATED_SHARE) * shareOf(decoding, habits)));
  const lnUnrelated = Math.log(UNRELATED_SHARE);
  const before = new Float64Array(length + 1).fill(Number.NEGATIVE_INFINITY);
  before[0] = 0;
  const after = new Float64Array(length + 1).fill(Number.NEGATIVE_INFINITY);
  after[length] = 0;
  for (let index = 0; index < length; index++) {
    before[index + 1] = lnAdd(before[index + 1]!, before[index]! + lnUnrelated + idle[index]!);
    for (const [which, { registers }] of DECODINGS.entries())
      if (index + registers <= length)
        before[index + registers] = lnAdd(
          before[index + registers]!,
          before[index]! + priors[which]! + evidence[which]![index]!,
        );
  }
  for (let index = length - 1; index >= 0; index--) {
    let sum = after[index + 1]! + lnUnrelated + idle[index]!;
    for (const [which, { registers }] of DECODINGS.entries())
      if (index + registers <= length)
        sum = lnAdd(sum, after[index + registers]! + priors[which]! + evidence[which]![index]!);
    after[index] = sum;
  }
  for (const [which, { registers }] of DECODINGS.entries())
    for (let index = 0; index < length; index++)
      beliefs[which]![index] =
        index + registers <= length
          ? before[index]! + priors[which]! + evidence[which]![index]! + after[index + registers]! - before[length]!
          : Number.NEGATIVE_INFINITY;
}

/** What the values turned out to be, mixed with what they are elsewhere. */
function habitsOf(lines: readonly Line[]): Habits {
  const types = Object.fromEntries(NUMBER_TYPES.map((type) => [type, TYPE_INERTIA * TYPE_SHARE[type]]));
  const orders: Record<string, number> = {};
  for (const [order, share] of Object.entries(ORDER_SHARE)) orders[order] = ORDER_INERTIA * share;
  let swapped = ORDER_INERTIA * SWAPPED_SHARE;
  let values = TYPE_INERTIA;
  let doubles = ORDER_INERTIA;
  let all = ORDER_INERTIA;
  for (const { beliefs, length, isZero } of lines)
    for (const [which, { type, order, registers }] of DECODINGS.entries())
      for (let index = 0; index < length; index++) {
        const belief = Math.exp(beliefs[which]![index]!);
        if (belief < 1e-3 || isZero(index, registers)) continue;
        types[type]! += belief;
        values += belief;
        all += belief;
        if (isByteSwapped(order)) swapped += belief;
        if (registers === 1) continue;
        orders[order]! += belief;
        doubles += belief;
      }
  for (const type of NUMBER_TYPES) types[type]! /= values;
  for (const order of Object.keys(orders)) orders[order]! /= doubles;
  return { types: types as Record<NumberType, number>, orders, swapped: swapped / all };
}

/** What a value of the device is, as a share: the bytes are swapped in all its values or in none. */
function shareOf(decoding: Decoding, { types, orders, swapped }: Habits): number {
  const { type, order, registers } = decoding;
  const isSwapped = isByteSwapped(order);
  const ofBytes = isSwapped ? swapped : 1 - swapped;
  if (registers === 1) return types[type] * ofBytes;
  const twin = isSwapped ? orders.BADC! + orders.DCBA! : orders.ABCD! + orders.CDAB!;
  // Half the belief in an order is its own, half that of its bytes.
  return types[type] * Math.sqrt(orders[order]! * ((ofBytes * orders[order]!) / twin));
}

/** The logarithm of the sum of what these are the logarithms of. */
export function lnAdd(one: number, other: number): number {
  const most = Math.max(one, other);
  if (most === Number.NEGATIVE_INFINITY) return most;
  return most + Math.log1p(Math.exp(Math.min(one, other) - most));
}
