/** Works out formulas, with the memory that their windows need. */
import type { BinaryOperator, Expression, PlainFunction, WindowFunction } from '../core/expression.ts';
import { tagsIn } from '../core/expression.ts';
import type { Doubt, Failure } from '../core/quality.ts';
import type { Outcome, TagId } from '../core/reading.ts';
import { SlidingWindow, type Summary } from './window.ts';

/** What a formula or a part of it gives: a value, maybe a doubtful one, or why there is none. */
export type Result =
  | { readonly ok: true; readonly value: number | boolean; readonly doubt: Doubt | undefined }
  | { readonly ok: false; readonly why: Failure };

/** What a formula is worked out from. */
export interface Scene {
  /** Monotonic ms of the readings that are new. */
  readonly monoMs: number;
  /** The last outcome of a tag; undefined before the first. */
  readonly outcomeOf: (tag: TagId) => Outcome | undefined;
  /** Whether a tag is among those that were just read. */
  readonly isNew: (tag: TagId) => boolean;
}

/** A formula with its memory. `totals` are what must outlive a restart, in the order of the formula. */
export interface Evaluator {
  evaluate(scene: Scene): Result;
  totals(): readonly number[];
}

type Node = (scene: Scene) => Result;

/** What a formula is given beside its text. */
interface EvaluatorOptions {
  /** Totals as they were kept; others start at 0. */
  readonly restored?: readonly number[];
  /** Tags that only grow: when one of them falls it was reset, and its rate begins anew. */
  readonly counters?: ReadonlySet<TagId>;
}

/** The memory of the parts that add up for ever. */
interface Totals {
  readonly sums: number[];
  readonly restored: readonly number[];
  readonly counters: ReadonlySet<TagId>;
}

/**
 * Makes a formula ready to be worked out.
 *
 * Quality: without a value of one of its tags there is no value, for the same reason; a doubtful one makes it doubtful.
 * Dividing by zero, and whatever else is no finite number, is `overflow`; so is a whole number beyond 2⁵³, which would
 * not stay exact. A truth value where a number is needed (or text) is `decode-error`. `and`, `or` and `if` need only the
 * parts that decide.
 */
export function evaluatorOf(expression: Expression, options: EvaluatorOptions = {}): Evaluator {
  const totals: Totals = { sums: [], restored: options.restored ?? [], counters: options.counters ?? new Set() };
  const root = nodeOf(expression, totals);
  return { evaluate: (scene) => root(scene), totals: () => [...totals.sums] };
}

function nodeOf(expression: Expression, totals: Totals): Node {
  switch (expression.kind) {
    case 'number':
    case 'truth': {
      const result = given(expression.value);
      return () => result;
    }
    case 'tag':
      return ({ outcomeOf }) => resultOf(outcomeOf(expression.tag));
    case 'unary': {
      const of = nodeOf(expression.of, totals);
      if (expression.operator === '-') return (scene) => numeric([of(scene)], ([value]) => -value!);
      return (scene) => truth(of(scene), (value) => !value);
    }
    case 'binary':
      return binary(expression.operator, nodeOf(expression.left, totals), nodeOf(expression.right, totals));
    case 'plain':
      return plain(
        expression.name,
        expression.of.map((part) => nodeOf(part, totals)),
      );
    case 'window':
      return windowed(expression, nodeOf(expression.of, totals));
    case 'time':
      if (expression.name === 'rate') return rate(expression, nodeOf(expression.of, totals), totals.counters);
      return total(expression, nodeOf(expression.of, totals), totals);
  }
}

// ── Values at one instant ─────────────────────────────────────────────────────────────────────────────────────────

function resultOf(outcome: Outcome | undefined): Result {
  if (!outcome) return { ok: false, why: 'waiting' };
  if (outcome.quality === 'bad') return { ok: false, why: outcome.why };
  const { value } = outcome;
  const doubt = outcome.quality === 'uncertain' ? outcome.why : undefined;
  if (typeof value === 'string') return { ok: false, why: 'decode-error' };
  if (typeof value !== 'bigint') return { ok: true, value, doubt };
  const number = Number(value);
  return Number.isSafeInteger(number) ? { ok: true, value: number, doubt } : { ok: false, why: 'overflow' };
}

function binary(operator: BinaryOperator, left: Node, right: Node): Node {
  if (operator === 'and' || operator === 'or') {
    const decides = operator === 'or';
    return (scene) => {
      const [a, b] = [truth(left(scene), (value) => value), truth(right(scene), (value) => value)];
      if (a.ok && a.value === decides) return a;
      if (b.ok && b.value === decides) return b;
      return both(a, b, () => !decides);
    };
  }
  if (operator === '==' || operator === '!=') {
    const wanted = operator === '==';
    return (scene) => both(left(scene), right(scene), (a, b) => (a === b) === wanted);
  }
  const work = ARITHMETIC[operator];
  return (scene) => numeric([left(scene), right(scene)], ([a, b]) => work(a!, b!));
}

const ARITHMETIC: Record<
  Exclude<BinaryOperator, 'and' | 'or' | '==' | '!='>,
  (a: number, b: number) => number | boolean
> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

function plain(name: PlainFunction, of: readonly Node[]): Node {
  if (name === 'if') {
    return (scene) => {
      const [condition, then, otherwise] = of.map((part) => part(scene));
      const chosen = truth(condition!, (value) => value);
      if (!chosen.ok) return chosen;
      return doubted(chosen.value ? then! : otherwise!, chosen.doubt);
    };
  }
  const work: (...values: number[]) => number = Math[name];
  return (scene) =>
    numeric(
      of.map((part) => part(scene)),
      (values) => work(...values),
    );
}

// ── Values over time ──────────────────────────────────────────────────────────────────────────────────────────────

function windowed({ of, name, spanMs }: Extract<Expression, { kind: 'window' }>, value: Node): Node {
  const window = new SlidingWindow(spanMs);
  const inputs = tagsIn(of);
  return (scene) => {
    const result = numeric([value(scene)], ([number]) => number!);
    if (!result.ok) return result;
    if (inputs.some(scene.isNew)) window.add(result.value as number, scene.monoMs);
    const summary = window.summary(scene.monoMs);
    if (!summary) return { ok: false, why: 'waiting' };
    const found = STATISTIC[name](summary);
    return found === undefined ? { ok: false, why: 'waiting' } : finite(found, result.doubt);
  };
}

/** Of one reading there is no standard deviation. */
const STATISTIC: Record<WindowFunction, (summary: Summary) => number | undefined> = {
  min: ({ min }) => min,
  max: ({ max }) => max,
  mean: ({ mean }) => mean,
  rms: ({ mean, squares, count }) => Math.sqrt(mean * mean + squares / count),
  stddev: ({ squares, count }) => (count < 2 ? undefined : Math.sqrt(squares / (count - 1))),
};

/** Samples a rate is measured with: they are thinned to this many a span. */
const RATE_SAMPLES = 60;

/** Change over the last span; none before the span has passed, since a shorter time would be extrapolated. */
function rate({ of, perMs }: Extract<Expression, { kind: 'time' }>, value: Node, counters: ReadonlySet<TagId>): Node {
  let samples: { readonly monoMs: number; readonly value: number }[] = [];
  const inputs = tagsIn(of);
  const isCounter = of.kind === 'tag' && counters.has(of.tag);
  return (scene) => {
    const result = numeric([value(scene)], ([number]) => number!);
    if (!result.ok) return result;
    const now = { monoMs: scene.monoMs, value: result.value as number };
    if (isCounter && now.value < (samples.at(-1)?.value ?? now.value)) samples = [];
    const reference = samples.findLastIndex(({ monoMs }) => monoMs <= now.monoMs - perMs);
    if (reference > 0) samples = samples.slice(reference);
    const before = reference < 0 ? undefined : samples[0];
    const newest = samples.at(-1);
    if (inputs.some(scene.isNew) && !(newest && now.monoMs - newest.monoMs < perMs / RATE_SAMPLES)) samples.push(now);
    if (!before) return { ok: false, why: 'waiting' };
    return finite(((now.value - before.value) * perMs) / (now.monoMs - before.monoMs), result.doubt);
  };
}

/**
 * Sum over time, by trapezoids between readings, or the time that something was on, held from reading to reading. Time
 * without a value on both sides, and time in which the gateway did not run, is not counted.
 */
function total({ name, of, perMs }: Extract<Expression, { kind: 'time' }>, value: Node, totals: Totals): Node {
  const place = totals.sums.length;
  totals.sums.push(totals.restored[place] ?? 0);
  const inputs = tagsIn(of);
  let last: { readonly monoMs: number; readonly value: number } | undefined;
  return (scene) => {
    const raw = value(scene);
    const result = name === 'runtime' ? truth(raw, (on) => on) : numeric([raw], ([number]) => number!);
    if (!result.ok) {
      last = undefined;
      return result;
    }
    if (inputs.some(scene.isNew)) {
      const now = { monoMs: scene.monoMs, value: Number(result.value) };
      const height = !last ? 0 : name === 'runtime' ? last.value : (last.value + now.value) / 2;
      if (last) totals.sums[place]! += (height * (now.monoMs - last.monoMs)) / perMs;
      last = now;
    }
    return finite(totals.sums[place]!, result.doubt);
  };
}

// ── Quality ───────────────────────────────────────────────────────────────────────────────────────────────────────

function given(value: number | boolean): Result {
  return { ok: true, value, doubt: undefined };
}

function finite(value: number | boolean, doubt: Doubt | undefined): Result {
  if (typeof value === 'number' && !Number.isFinite(value)) return { ok: false, why: 'overflow' };
  return { ok: true, value, doubt };
}

function doubted(result: Result, doubt: Doubt | undefined): Result {
  return result.ok && doubt !== undefined ? { ...result, doubt: result.doubt ?? doubt } : result;
}

function numeric(parts: readonly Result[], work: (values: readonly number[]) => number | boolean): Result {
  let doubt: Doubt | undefined;
  const values: number[] = [];
  for (const part of parts) {
    if (!part.ok) return part;
    if (typeof part.value !== 'number') return { ok: false, why: 'decode-error' };
    values.push(part.value);
    doubt ??= part.doubt;
  }
  return finite(work(values), doubt);
}

function both(a: Result, b: Result, work: (a: number | boolean, b: number | boolean) => boolean): Result {
  if (!a.ok) return a;
  if (!b.ok) return b;
  return { ok: true, value: work(a.value, b.value), doubt: a.doubt ?? b.doubt };
}

/** A number is true when it is not 0. */
function truth(result: Result, work: (value: boolean) => boolean): Extract<Result, { ok: false }> | TruthResult {
  return result.ok
    ? { ok: true, value: work(result.value !== false && result.value !== 0), doubt: result.doubt }
    : result;
}

type TruthResult = { readonly ok: true; readonly value: boolean; readonly doubt: Doubt | undefined };
