import type { Order } from '../../../hal/modbus/map/address.ts';
import { NUMBER_TYPES, type NumberType, type Watched } from '../../../src/probe/probe-decode.ts';
import { type Expected, parseExpected } from '../../../src/probe/probe-expected.ts';
import { type Candidate, rank } from '../../../src/probe/probe-rank.ts';
import { type CaseOptions, type ProbeCase, probeCase, type Truth } from './probe-cases.ts';
import { numberIn, registersOf } from './probe-words.ts';

/** How one case went. */
export interface Outcome {
  readonly case: ProbeCase;
  /** The very place, and a place that nothing seen can tell from it, were ranked first for every wanted value. */
  readonly isExact: boolean;
  readonly isRight: boolean;
  readonly ranking: readonly (readonly Candidate[])[];
}

/** Probes the devices of `count` seeds from `first` on. */
export function probeAll(first: number, count: number, options: CaseOptions = {}): Outcome[] {
  return Array.from({ length: count }, (_, index) => judge(probeCase(first + index, options)));
}

function judge(each: ProbeCase): Outcome {
  const ranking = rank(each.watched, each.asked, each.shown.map(expectedOf));
  const firsts = ranking.map(([candidate]) => candidate);
  const isExact = firsts.every((found, index) => found && isSame(found, each.truths[index]!, each));
  const isRight = firsts.every((found, index) => found && isIndistinguishable(found, each.truths[index]!, each));
  return { case: each, isExact, isRight, ranking };
}

/** A display's text as probe takes it. */
export function expectedOf(text: string): Expected {
  const parsed = parseExpected(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.problems[0]!.message}`);
  return parsed.value;
}

function isSame({ table, address, decoding, exponent }: Candidate, truth: Truth, { isMirrored }: ProbeCase): boolean {
  return (
    (table === truth.table || isMirrored) &&
    address === truth.address &&
    decoding.type === truth.type &&
    decoding.order === truth.order &&
    exponent === truth.exponent
  );
}

/**
 * Whether what was found is the truth, or shares a register with it and showed the same value in every look, to the last
 * digit: then nobody can know better. Decoded here anew, and not with our own decoder.
 */
function isIndistinguishable(found: Candidate, truth: Truth, each: ProbeCase): boolean {
  if (isSame(found, truth, each)) return true;
  const { registers, type, order } = found.decoding;
  const isApart =
    found.address + registers <= truth.address || truth.address + registersOf(truth.type) <= found.address;
  if (isApart || (found.table !== truth.table && !each.isMirrored)) return false;
  const ours = valuesIn(each.watched, found.table, found.address, type, order, found.exponent);
  const theirs = valuesIn(each.watched, truth.table, truth.address, truth.type, truth.order, truth.exponent);
  return ours.length === theirs.length && ours.every((value, index) => value === theirs[index]);
}

function valuesIn(
  watched: readonly Watched[],
  table: string,
  address: number,
  type: NumberType,
  order: Order,
  exponent: number,
): string[] {
  const { start, looks } = watched.find((each) => each.table === table)!;
  return looks.map((look) => {
    const words = look.slice(address - start, address - start + registersOf(type)).map((word) => word ?? Number.NaN);
    const raw = numberIn(type, order, words);
    return exponent === 0 ? `${raw}` : (Number(raw) * 10 ** exponent).toPrecision(12);
  });
}

/** The outcomes as a table: by type and number of expected values, and by digits of the display. */
export function tableOf(outcomes: readonly Outcome[]): string[] {
  const wanted = [1, 2, 3];
  const cell = (some: readonly Outcome[]): string => {
    const right = some.filter(({ isRight }) => isRight).length;
    return some.length === 0 ? '–' : `${right}/${some.length} ${((100 * right) / some.length).toFixed(1)} %`;
  };
  const lineOf = (title: string, some: readonly Outcome[]): string =>
    [
      title.padEnd(9),
      ...wanted.map((count) => cell(some.filter((each) => each.case.shown.length === count)).padStart(16)),
      cell(some).padStart(18),
    ].join('');
  const exact = outcomes.filter(({ isExact }) => isExact).length;
  return [
    ['type'.padEnd(9), ...wanted.map((count) => `${count} expected`.padStart(16)), 'all'.padStart(18)].join(''),
    ...NUMBER_TYPES.map((type) =>
      lineOf(
        type,
        outcomes.filter((each) => each.case.truths[0]!.type === type),
      ),
    ),
    ...[2, 3, 4, 5].map((digits) =>
      lineOf(
        `${digits} digits`,
        outcomes.filter((each) => each.case.digits === digits),
      ),
    ),
    lineOf('all', outcomes),
    `the very type, order and address: ${((100 * exact) / outcomes.length).toFixed(1)} %; the rest of the right ones showed the same value in every look`,
  ];
}
