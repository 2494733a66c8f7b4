import { isFloat, togetherPrior, togetherScalePrior } from '../../src/probe/probe-prior.ts';
import type { Found, Place } from '../../src/probe/probe-rank.ts';
import { overlap } from '../../src/probe/probe-rank.ts';

/** An expected value that nothing fits beside an anchor costs as much as a bad fit. */
const LN_MISSING = -12;

/** Values that are read off one device are often beside each other, in the order they are shown. */
const IS_NEXT = 0.3;
/** Registers that a value may be in, for how much being next says. */
const REGISTERS = 60;

/** Values of one type usually begin all at even, or all at odd, addresses. */
const IS_ALIGNED = 0.9;

const LN_SAME_TABLE = Math.log(0.95 / 0.5);
const LN_OTHER_TABLE = Math.log(0.05 / 0.5);

/**
 * Ranks the candidates of several expected values together: they come from one device, which has its habits.
 *
 * @param found the candidates of each expected value, the best first
 * @returns the same with the scores of the whole; those that go together best come first
 */
export function jointly(found: readonly (readonly Found[])[]): Found[][] {
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
  if (anchor.table !== other.table) return sum + LN_OTHER_TABLE;
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
