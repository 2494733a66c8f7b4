/** Ranks the places and decodings that fit expected values. */
import { ORDERS } from '../../hal/modbus/map/address.ts';
import type { Value } from '../core/reading.ts';
import { type Belief, believe, lnAdd } from './probe-belief.ts';
import { DECODINGS, type Decoding, NUMBER_TYPES, seriesAt, type Watched } from './probe-decode.ts';
import { type Expected, fitOf, reachOf } from './probe-expected.ts';
import {
  isFloat,
  SCALE_EXPONENTS,
  type ScaleExponent,
  scaled,
  scalePrior,
  togetherPrior,
  togetherScalePrior,
} from './probe-prior.ts';

/** Where a value may be and how it is read there. */
export interface Place {
  readonly table: 'input' | 'holding';
  readonly address: number;
  readonly decoding: Decoding;
  /** The power of ten that the raw value is multiplied by. */
  readonly exponent: ScaleExponent;
}

/** A place that fits an expected value, and how well. */
export interface Candidate extends Place {
  /** Raw value, the last time it was seen. */
  readonly raw: Value;
  /** Scaled: the last, the smallest and the largest that was seen. */
  readonly value: number;
  readonly lowest: number;
  readonly highest: number;
  /** Natural logarithm of how well everything speaks for it; only differences mean something. */
  readonly score: number;
  /** Its share of the belief in all candidates of this value, 0…1. */
  readonly share: number;
  /** Places that nothing seen can tell from this one: the same registers gave the same value each time. */
  readonly same: readonly Place[];
}

/** What was asked for, so that it goes before what was read for safety. */
export interface Asked {
  /** The table that was named; undefined: both. */
  readonly table: 'input' | 'holding' | undefined;
  /** First and last register that were named; one more on each side may have been read. */
  readonly first: number;
  readonly last: number;
}

/** A place as it is being ranked. */
interface Found extends Omit<Candidate, 'score' | 'share' | 'same'> {
  score: number;
  same: Place[];
  /** Everything that it showed, to tell it from others. */
  readonly shown: string;
}

/** Most candidates of one expected value that go into the ranking, and that come out of it. */
const MOST_RANKED = 120;
const MOST_SHOWN = 20;

/** A register that was not named is off by one or in the other table: manuals err, but seldom. */
const LN_OTHER_TABLE = Math.log(0.1);
const LN_NAMED_TABLE = Math.log(0.9);
const LN_OFF_BY_ONE = Math.log(0.06);

/** What a technician reads off a display moves more often than not; most of what else devices hold does not. */
const LN_MOVING = Math.log(2.5);

/** Below this a fit is none. A counter of nine digits that runs on shows each of its values very seldom. */
const LEAST_FIT = 1e-12;

/** The first look may be this far, as a share, from the mean of all. */
const FIRST_LOOK = 0.3;

/**
 * Ranks every table, address, type, order and scale by how well it fits each expected value, how plausible it is in
 * itself and among its neighbours, and how well it goes together with the places of the other expected values.
 *
 * @returns one list an expected value, the best first; empty when nothing fits
 */
export function rank(watched: readonly Watched[], asked: Asked, expected: readonly Expected[]): Candidate[][] {
  const found: Found[][] = expected.map(() => []);
  const belief = believe(watched);
  for (const table of watched) {
    const length = Math.max(0, ...table.looks.map(({ length: registers }) => registers));
    const first = Math.max(table.start, asked.first - 1);
    const last = Math.min(table.start + length - 1, asked.last + 1);
    for (let address = first; address <= last; address++)
      for (const decoding of DECODINGS) {
        const value = firstValue(table, address, decoding);
        if (value === undefined) continue;
        for (const [index, each] of expected.entries())
          for (const exponent of SCALE_EXPONENTS) {
            if (!isNear(value, each, decoding, exponent)) continue;
            const place = { table: table.table, address, decoding, exponent };
            const candidate = judged(place, table, belief, asked, each);
            if (candidate) found[index]!.push(candidate);
          }
      }
  }
  return jointly(found.map(likeliest)).map((ranked) => withShares(withTies(ranked)));
}

function firstValue(watched: Watched, address: number, decoding: Decoding): number | undefined {
  const look = watched.looks.find((words) => words[address - watched.start] !== undefined);
  return look && seriesAt({ ...watched, looks: [look] }, address, decoding)?.values[0];
}

function isNear(first: number, { value, halfStep }: Expected, decoding: Decoding, exponent: ScaleExponent): boolean {
  const quantum = isFloat(decoding.type) ? 0 : 10 ** exponent;
  return Math.abs(scaled(first, exponent) - value) <= FIRST_LOOK * Math.abs(value) + halfStep + quantum;
}

function judged(place: Place, watched: Watched, belief: Belief, asked: Asked, expected: Expected): Found | undefined {
  const { table, address, decoding, exponent } = place;
  const series = seriesAt(watched, address, decoding);
  if (!series) return undefined;
  const values = series.values.map((value) => scaled(value, exponent));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const lowest = Math.min(...values);
  const highest = Math.max(...values);
  const quantum = isFloat(decoding.type) ? 0 : 10 ** exponent;
  if (Math.abs(mean - expected.value) > reachOf(expected, highest - lowest, quantum)) return undefined;
  const fit = fitOf(expected, values, quantum);
  if (fit < LEAST_FIT) return undefined;
  const named = asked.table === undefined ? 0 : asked.table === table ? LN_NAMED_TABLE : LN_OTHER_TABLE;
  const isOutside = address < asked.first || address > asked.last;
  const score =
    belief.of(table, address, decoding) +
    scalePrior(decoding, exponent, expected.decimals) +
    named +
    (isOutside ? LN_OFF_BY_ONE : 0) +
    (lowest === highest ? 0 : LN_MOVING) +
    Math.log(fit);
  const shown = values.map((value) => value.toPrecision(12)).join(' ');
  return { ...place, raw: series.last, value: values.at(-1)!, lowest, highest, score, same: [], shown };
}

/** The places that are worth comparing. */
function likeliest(found: readonly Found[]): Found[] {
  return [...found].sort((one, other) => other.score - one.score).slice(0, MOST_RANKED);
}

/**
 * Puts places together that nothing seen can tell apart; the simplest of them speaks for the others, because zeros beside
 * a value are no evidence that it is wider.
 */
function withTies(ranked: readonly Found[]): Found[] {
  const heads = new Map<string, Found[]>();
  const kept: Found[] = [];
  for (const candidate of ranked) {
    const alike = heads.get(candidate.shown) ?? [];
    const head = alike.find((each) => overlap(each, candidate));
    if (head) {
      const score = lnAdd(head.score, candidate.score);
      const simplest = isSimpler(candidate, head) ? candidate : head;
      const other = simplest === head ? candidate : head;
      const merged = { ...simplest, score, same: [...head.same, placeOf(other)] };
      kept[kept.indexOf(head)] = merged;
      heads.set(candidate.shown, [...alike.filter((each) => each !== head), merged]);
    } else {
      kept.push(candidate);
      heads.set(candidate.shown, [...alike, candidate]);
    }
  }
  return kept;
}

/** Fewer registers, then the more usual type, then the plainer order; of equals neither. */
function isSimpler({ decoding: one }: Place, { decoding: other }: Place): boolean {
  if (one.registers !== other.registers) return one.registers < other.registers;
  if (one.type !== other.type) return NUMBER_TYPES.indexOf(one.type) < NUMBER_TYPES.indexOf(other.type);
  return ORDERS.indexOf(one.order) < ORDERS.indexOf(other.order);
}

/** Whether two places share a register; in both tables the same addresses, for many devices serve one memory as both. */
function overlap(one: Place, other: Place): boolean {
  return one.address < other.address + other.decoding.registers && other.address < one.address + one.decoding.registers;
}

function placeOf({ table, address, decoding, exponent }: Place): Place {
  return { table, address, decoding, exponent };
}

function withShares(found: readonly Found[]): Candidate[] {
  const best = Math.max(...found.map(({ score }) => score));
  const total = found.reduce((sum, { score }) => sum + Math.exp(score - best), 0);
  return found.slice(0, MOST_SHOWN).map(({ shown: _, ...candidate }) => ({
    ...candidate,
    share: Math.exp(candidate.score - best) / total,
  }));
}

/** An expected value that nothing fits beside an anchor costs as much as a bad fit. */
const LN_MISSING = -12;

/** Values that are read off one device are often beside each other, in the order they are shown. */
const IS_NEXT = 0.3;
/** Registers that a value may be in, for how much being next says. */
const REGISTERS = 60;

/** Values of one type usually begin all at even, or all at odd, addresses. */
const IS_ALIGNED = 0.9;

const LN_SAME_TABLE = Math.log(0.95 / 0.5);
const LN_TABLES_DIFFER = Math.log(0.05 / 0.5);

/**
 * Ranks the candidates of several expected values together: they come from one device, which has its habits.
 *
 * @param found the candidates of each expected value, the best first
 * @returns the same with the scores of the whole; those that go together best come first
 */
function jointly(found: readonly (readonly Found[])[]): Found[][] {
  if (found.length < 2) return found.map((each) => [...each]);
  const ranked: Found[][] = found.map(() => []);
  let best: { total: number; picks: readonly (Found | undefined)[] } | undefined;
  for (const [index, candidates] of found.entries())
    for (const anchor of candidates) {
      const together = around(anchor, index, found);
      ranked[index]!.push({ ...anchor, score: together.total });
      if (!best || together.total > best.total) best = together;
    }
  return ranked.map((candidates, index) => {
    const pick = best?.picks[index];
    const isPick = (candidate: Found): number => (pick && isSame(candidate, pick) ? 1 : 0);
    return candidates.sort((one, other) => isPick(other) - isPick(one) || other.score - one.score);
  });
}

/** The best places of the other values beside an anchor; no register is used twice. */
function around(
  anchor: Found,
  anchorIndex: number,
  found: readonly (readonly Found[])[],
): { total: number; picks: readonly (Found | undefined)[] } {
  const picks: (Found | undefined)[] = found.map(() => undefined);
  picks[anchorIndex] = anchor;
  let total = anchor.score;
  for (const [index, candidates] of found.entries()) {
    if (index === anchorIndex) continue;
    let pick: Found | undefined;
    let best = LN_MISSING;
    for (const candidate of candidates) {
      if (picks.some((other) => other && collide(other, candidate))) continue;
      const score = candidate.score + together(anchor, candidate, index - anchorIndex);
      if (pick && score <= best) continue;
      best = score;
      pick = candidate;
    }
    picks[index] = pick;
    total += pick ? best : LN_MISSING;
  }
  return { total, picks };
}

/** How much likelier a place is once the anchor is known. */
function together(anchor: Place, other: Place, places: number): number {
  const { registers } = anchor.decoding;
  let sum = togetherPrior(anchor.decoding, other.decoding);
  if (isFloat(anchor.decoding.type) === isFloat(other.decoding.type))
    sum += togetherScalePrior(other.decoding.type, anchor.exponent, other.exponent);
  if (anchor.table !== other.table) return sum + LN_TABLES_DIFFER;
  sum += LN_SAME_TABLE;
  const isNext = other.address === anchor.address + places * registers;
  sum += Math.log((isNext ? IS_NEXT * REGISTERS : 0) + 1 - IS_NEXT);
  if (registers === 1 || other.decoding.registers !== registers) return sum;
  const isAligned = (other.address - anchor.address) % registers === 0;
  return sum + Math.log(isAligned ? IS_ALIGNED * registers : ((1 - IS_ALIGNED) * registers) / (registers - 1));
}

function collide(one: Place, other: Place): boolean {
  return one.table === other.table && overlap(one, other);
}

function isSame(one: Place, other: Place): boolean {
  return (
    one.table === other.table &&
    one.address === other.address &&
    one.decoding === other.decoding &&
    one.exponent === other.exponent
  );
}
