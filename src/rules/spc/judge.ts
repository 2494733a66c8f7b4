/** Judges one point of a chart by its frozen limits. */
import type { RunRule, SpcConfig } from '../../core/spc.ts';
import { type Limits, type Lines, linesOf, type Subgroup, spreadKindOf, spreadLinesOf } from './limits.ts';
import { extend, NO_RUN, type RunState, runOf, type ShortWindows, type Side, zoneOf } from './runs.ts';

/** Signals on the wire: run rules, those of the range or s chart, and those of the charts with memory. */
export type Signal = RunRule | 'R1' | 'R2' | 'R4' | 'EWMA' | 'CUSUM+' | 'CUSUM-';

/** One rule that holds at a point. */
interface Flag {
  readonly rule: Signal;
  readonly side: Side;
  /** True at the first point of an excursion: that is the event; later points belong to it. */
  readonly first: boolean;
  /** What was compared, and with what. Null: the chart has no such line. */
  readonly value: number;
  readonly center: number;
  readonly lcl: number | null;
  readonly ucl: number | null;
}

/** A point that was judged: what the chart shows of it. */
export interface JudgedPoint {
  /** The plotted value: as measured, z of an EWMA, or of the two sums of a CUSUM the larger (the lower one negative). */
  readonly value: number;
  readonly size: number;
  readonly center: number;
  readonly lcl: number;
  readonly ucl: number;
  readonly spread: number | null;
  readonly flags: readonly Flag[];
}

/** What a chart remembers from point to point. */
export interface ChartState {
  readonly runs: RunState;
  readonly spreadRuns: RunState;
  /** The last point, null after a bad or missing one. */
  readonly last: { readonly value: number; readonly size: number } | null;
  /** EWMA: its value and its variance; null before the first point. */
  readonly ewma: { readonly z: number; readonly variance: number } | null;
  /** CUSUM: both sums, in standard errors; null before the first point. */
  readonly cusum: { readonly plus: number; readonly minus: number } | null;
  /** Rules whose excursion stands, and on which side: it lasts until a point reaches the center, or a bad one comes. */
  readonly active: { readonly [rule in Signal]?: Side };
  /** Those of them that hold at the last point itself. */
  readonly held: readonly Signal[];
}

const NO_SIGNALS: ChartState['active'] = {};
const NO_FLAGS: readonly Flag[] = [];
const NONE_HELD: readonly Signal[] = [];

/** Rules about the pattern of points on both sides of the center: one stands as long as the pattern goes on. */
const PATTERN_RULES: readonly Signal[] = ['N3', 'N4', 'N7', 'N8'];

/** A chart before its first point. */
export const FRESH_CHART: ChartState = {
  runs: NO_RUN,
  spreadRuns: NO_RUN,
  last: null,
  ewma: null,
  cusum: null,
  active: NO_SIGNALS,
  held: NONE_HELD,
};

/** What judging needs of a configuration. */
type Design = Pick<SpcConfig, 'chart' | 'subgroup' | 'rules' | 'lambda' | 'width' | 'slack' | 'decision' | 'headStart'>;

/** A flag before it is known whether it is the first of its run. */
type Found = Omit<Flag, 'first'>;

/** A bad or missing point: every run is broken; averages and sums go on with the next point. */
export function breakRuns(state: ChartState): ChartState {
  return { ...state, runs: NO_RUN, spreadRuns: NO_RUN, last: null, active: NO_SIGNALS, held: NONE_HELD };
}

/** Judges one point by frozen limits. */
export function judge(
  design: Design,
  limits: Pick<Limits, 'center' | 'sigma'>,
  state: ChartState,
  point: Subgroup,
  short?: ShortWindows,
): { readonly state: ChartState; readonly judged: JudgedPoint } {
  const lines = linesOf(design.chart, limits, point.size);
  if (design.chart === 'ewma') return judgeAverage(design, lines, state, point);
  if (design.chart === 'cusum') return judgeSums(design, lines, state, point);
  const step = stepOf(state.last, point, lines.center);
  const runs = extend(state.runs, zoneOf(point.value, lines.center, lines.sigma), step);
  const found: Found[] = [];
  for (const rule of design.rules) {
    const side = runOf(rule, runs, short);
    if (side !== undefined) found.push({ rule, side, value: point.value, ...shownLines(lines) });
  }
  const spread = judgeSpread(design, limits.sigma, state.spreadRuns, point);
  const next = { ...state, runs, spreadRuns: spread.runs };
  return settle(
    next,
    point,
    { value: point.value, ...shownLines(lines) },
    spread.found.length === 0 ? found : [...found, ...spread.found],
    (rule) => {
      if (isSpreadSignal(rule)) return spread.side;
      return design.rules.some((judged) => judged === rule) ? Math.sign(point.value - lines.center) : 0;
    },
  );
}

function shownLines({ center, lcl, ucl }: Lines): { center: number; lcl: number; ucl: number } {
  return { center, lcl, ucl };
}

/** Rise or fall from the last point; points of different sizes are compared in their own σ. */
function stepOf(last: ChartState['last'], { value, size }: Subgroup, center: number): -1 | 0 | 1 {
  if (!last) return 0;
  const same = last.size === size;
  const now = same ? value : (value - center) * Math.sqrt(size);
  const before = same ? last.value : (last.value - center) * Math.sqrt(last.size);
  return now > before ? 1 : now < before ? -1 : 0;
}

/** The rules of the range and s chart: beyond its limits, and runs on one side. Moving ranges share points, so runs of them mean nothing. */
const SPREAD_RULES: readonly { readonly of: RunRule; readonly name: Signal }[] = [
  { of: 'N1', name: 'R1' },
  { of: 'WE1', name: 'R1' },
  { of: 'N2', name: 'R2' },
  { of: 'WE4', name: 'R4' },
];

function isSpreadSignal(rule: Signal): boolean {
  return SPREAD_RULES.some(({ name }) => name === rule);
}

/** The range or s chart of a point; `side`: where the spread lies beside its center, 0 on it or without one. */
function judgeSpread(
  design: Design,
  sigma: number,
  before: RunState,
  { spread, size }: Subgroup,
): { readonly runs: RunState; readonly found: readonly Found[]; readonly side: number } {
  const kind = spreadKindOf(design);
  if (kind === 'none' || spread === null) return { runs: NO_RUN, found: [], side: 0 };
  const moving = kind === 'moving-range';
  const lines = spreadLinesOf(kind, sigma, moving ? 2 : size);
  const runs = extend(before, zoneOf(spread, lines.center, lines.sigma), 0);
  const found: Found[] = [];
  for (const { of, name } of SPREAD_RULES) {
    if (!design.rules.includes(of) || (moving && name !== 'R1')) continue;
    const side = runOf(of, runs);
    if (side === undefined || found.some(({ rule }) => rule === name)) continue;
    found.push({ rule: name, side, value: spread, ...shownLines(lines) });
  }
  return { runs, found, side: Math.sign(spread - lines.center) };
}

/** EWMA: z = λx + (1−λ)z, its limits by its exact variance, which grows from point to point (Montgomery, section 9.2). */
function judgeAverage(design: Design, lines: Lines, state: ChartState, point: Subgroup): Verdict {
  const { lambda, width } = design;
  const before = state.ewma ?? { z: lines.center, variance: 0 };
  const z = lambda * point.value + (1 - lambda) * before.z;
  const variance = (lambda * lines.sigma) ** 2 + (1 - lambda) ** 2 * before.variance;
  const reach = width * Math.sqrt(variance);
  const shown = { value: z, center: lines.center, lcl: lines.center - reach, ucl: lines.center + reach };
  const side: Side | undefined = z > shown.ucl ? 1 : z < shown.lcl ? -1 : undefined;
  const found: Found[] = side === undefined ? [] : [{ rule: 'EWMA', side, ...shown }];
  return settle({ ...state, ewma: { z, variance } }, point, shown, found, () => Math.sign(z - lines.center));
}

/** Tabular CUSUM of standardised points (Montgomery, section 9.1); a sum on the decision interval is no signal. */
function judgeSums(design: Design, lines: Lines, state: ChartState, point: Subgroup): Verdict {
  const { slack, decision, headStart } = design;
  const before = state.cusum ?? { plus: headStart, minus: headStart };
  const z = (point.value - lines.center) / lines.sigma;
  const plus = Math.max(0, before.plus + z - slack);
  const minus = Math.max(0, before.minus - z - slack);
  const shown = { value: plus >= minus ? plus : -minus, center: 0, lcl: -decision, ucl: decision };
  const found: Found[] = [];
  if (plus > decision) found.push({ rule: 'CUSUM+', side: 1, value: plus, center: 0, lcl: null, ucl: decision });
  if (minus > decision) found.push({ rule: 'CUSUM-', side: -1, value: -minus, center: 0, lcl: -decision, ucl: null });
  return settle({ ...state, cusum: { plus, minus } }, point, shown, found, (rule) =>
    rule === 'CUSUM+' ? Math.sign(plus) : -Math.sign(minus),
  );
}

interface Verdict {
  readonly state: ChartState;
  readonly judged: JudgedPoint;
}

/**
 * What holds at a point, and whether it is news. One excursion is one event: a rule that held stands until the value it
 * compares reaches its center, so that a point back within the lines on the same side ends nothing.
 *
 * @param besideOf the side of the center on which what a rule compares lies now, 0 on it
 */
function settle(
  state: ChartState,
  { value, size, spread }: Subgroup,
  shown: Pick<JudgedPoint, 'value' | 'center' | 'lcl' | 'ucl'>,
  found: readonly Found[],
  besideOf: (rule: Signal) => number,
): Verdict {
  const last = { value, size };
  if (found.length === 0 && state.active === NO_SIGNALS)
    return { state: { ...state, last, held: NONE_HELD }, judged: { ...shown, size, spread, flags: NO_FLAGS } };
  const standing = Object.entries(state.active).filter(
    ([rule, side]) => !PATTERN_RULES.includes(rule as Signal) && besideOf(rule as Signal) === side,
  );
  const flags = found.map((flag) => ({ ...flag, first: state.active[flag.rule] !== flag.side }));
  const all = [...standing, ...found.map(({ rule, side }) => [rule, side] as const)];
  const active = all.length === 0 ? NO_SIGNALS : Object.fromEntries(all);
  const held = found.map(({ rule }) => rule);
  return { state: { ...state, last, active, held }, judged: { ...shown, size, spread, flags } };
}

/** Judges a whole series by frozen limits; null is a bad or missing point. */
export function judgeSeries(
  design: Design,
  limits: Pick<Limits, 'center' | 'sigma'>,
  points: readonly (Subgroup | null)[],
  short?: ShortWindows,
): readonly (JudgedPoint | null)[] {
  let state = FRESH_CHART;
  return points.map((point) => {
    if (point === null) {
      state = breakRuns(state);
      return null;
    }
    const verdict = judge(design, limits, state, point, short);
    state = verdict.state;
    return verdict.judged;
  });
}
