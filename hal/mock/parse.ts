/** Reads the address of a simulated tag, such as `sine(min=180,max=220)`. */
import { type Checked, type Problem, passed } from '../../src/core/checked.ts';
import { parseDuration } from '../../src/core/quantity.ts';
import type { Value } from '../../src/core/reading.ts';
import { hint } from '../../src/core/suggest.ts';
import type { Finish, Signal } from './signal.ts';
import { type Argument, type Call, type Expression, readExpression } from './syntax.ts';

/**
 * Reads the address of a `driver: mock` tag, such as `sine(min=180,max=220,period=60s,noise=0.5)`; `README.md` beside
 * this file lists the signals, their parameters and defaults. A plain number, truth value or quoted text is a constant.
 *
 * @returns the signal, or every problem of the text at once, each with the character (from 1) and what to write instead
 */
export function parseSignal(text: string): Checked<Signal> {
  const read = readExpression(text);
  if (!read.ok) return read;
  const problems: Problem[] = [];
  const signal = signalOf(read.value, (message) => problems.push({ path: [], message }));
  return problems.length === 0 && signal ? passed(signal) : { ok: false, problems };
}

type Report = (message: string) => void;
type Builder = (given: Given) => Signal | undefined;

const BUILDERS: Record<string, Builder> = {
  constant: (given) => ({ kind: 'constant', value: given.value('value') }),
  sine: (given) => wave(given, 'sine'),
  square: (given) => wave(given, 'square'),
  triangle: (given) => wave(given, 'triangle'),
  sawtooth: (given) => wave(given, 'sawtooth'),
  ramp: (given) => ({
    kind: 'ramp',
    from: given.number('from', 0),
    to: given.number('to', 100),
    overMs: given.durationMs('over', 60_000),
    atEnd: given.choice('end', ['hold', 'repeat'], 'hold'),
    ...finish(given),
  }),
  random: (given) => ({
    kind: 'random',
    shape: given.choice('shape', ['uniform', 'normal'], 'uniform'),
    ...range(given),
    everyMs: given.durationMs('every', 1000),
    decimals: decimals(given),
  }),
  walk: (given) => ({ kind: 'walk', ...range(given), periodMs: given.durationMs('period', 300_000), ...finish(given) }),
  counter: (given) => ({
    kind: 'counter',
    start: given.number('start', 0, { least: 0, most: Number.MAX_SAFE_INTEGER, whole: true }),
    perSecond: given.perSecond('rate', 1),
    wrap: given.optionalNumber('wrap', { least: 1, most: Number.MAX_SAFE_INTEGER, whole: true }),
  }),
  toggle,
  bool: toggle,
  steps: (given) => steps(given),
  text: (given) => steps(given),
  script: (given) => script(given),
};

function signalOf(expression: Expression, report: Report): Signal | undefined {
  switch (expression.kind) {
    case 'number':
    case 'boolean':
      return { kind: 'constant', value: expression.value };
    case 'text':
      if (expression.quoted) return { kind: 'constant', value: expression.value };
      return callOf({ kind: 'call', at: expression.at, name: expression.value, arguments: [] }, report);
    case 'call':
      return callOf(expression, report);
    default:
      report(
        `a ${expression.kind} at character ${expression.at} is not a signal: write one such as sine(min=0,max=100)`,
      );
      return undefined;
  }
}

function callOf(call: Call, report: Report): Signal | undefined {
  const builder = Object.hasOwn(BUILDERS, call.name) ? BUILDERS[call.name] : undefined;
  if (!builder) {
    const word = `there is no signal "${call.name}" (character ${call.at})`;
    report(word + hint(call.name, Object.keys(BUILDERS), 'the signals are'));
    return undefined;
  }
  const given = new Given(call, report);
  const signal = builder(given);
  given.end();
  return signal;
}

interface Limits {
  readonly least?: number;
  readonly most?: number;
  readonly whole?: boolean;
}

/** The arguments of a call; every getter reports what is wrong and then gives the default. */
class Given {
  readonly report: Report;
  private readonly call: Call;
  private readonly asked = new Set<string>();
  private readonly taken = new Set<Argument>();

  constructor(call: Call, report: Report) {
    this.call = call;
    this.report = (message) => report(`${call.name}: ${message}`);
  }

  number(key: string, fallback: number, limits?: Limits): number {
    return this.optionalNumber(key, limits) ?? fallback;
  }

  optionalNumber(key: string, limits: Limits = {}): number | undefined {
    const found = this.find(key);
    if (!found) return undefined;
    if (found.kind === 'number' && isWithin(found.value, limits)) return found.value;
    return this.wrong(key, found, describeLimits(limits));
  }

  durationMs(key: string, fallback: number): number {
    return this.optionalDurationMs(key) ?? fallback;
  }

  optionalDurationMs(key: string): number | undefined {
    const found = this.find(key);
    if (!found) return undefined;
    if (found.kind === 'duration' && found.ms > 0) return found.ms;
    return this.wrong(key, found, 'a duration above 0 with its unit, such as 60s');
  }

  perSecond(key: string, fallback: number): number {
    const found = this.find(key);
    if (!found) return fallback;
    if (found.kind === 'rate') return found.perSecond;
    return this.wrong(key, found, 'a rate with its unit, such as 12/m') ?? fallback;
  }

  choice<T extends string>(key: string, words: readonly T[], fallback: T): T {
    const found = this.find(key);
    if (!found) return fallback;
    const word = found.kind === 'text' ? words.find((candidate) => candidate === found.value) : undefined;
    return word ?? this.wrong(key, found, words.join(' or ')) ?? fallback;
  }

  value(key: string): Value {
    const found = this.find(key);
    if (!found) {
      this.report(`"${key}" is missing: write ${this.call.name}(${key}=…)`);
      return 0;
    }
    return scalarOf(found) ?? this.wrong(key, found, 'a number, true, false or a text in quotes') ?? 0;
  }

  values(key: string): readonly Value[] {
    const found = this.find(key);
    if (!found) this.report(`"${key}" is missing: write ${this.call.name}(${key}=[…])`);
    else if (found.kind !== 'list' || found.items.length === 0) this.wrong(key, found, 'a list such as [1, 2, 3]');
    else
      return found.items.flatMap(
        (item) => scalarOf(item) ?? this.wrong(key, item, 'a list of numbers, true, false or texts') ?? [],
      );
    return [];
  }

  /** Takes the arguments whose key is a time. */
  timed(): readonly { readonly fromMs: number; readonly argument: Argument }[] {
    return this.call.arguments.flatMap((argument) => {
      const fromMs = argument.key === '0' ? 0 : parseDuration(argument.key);
      if (fromMs === undefined) return [];
      this.taken.add(argument);
      return [{ fromMs, argument }];
    });
  }

  /** Reports what nobody asked for. */
  end(): void {
    const seen = new Set<string>();
    for (const argument of this.call.arguments) {
      if (seen.has(argument.key))
        this.report(`"${argument.key}" is given twice, again at character ${argument.at}: remove one of the two`);
      else if (!this.taken.has(argument)) {
        const word = `there is no parameter "${argument.key}" (character ${argument.at})`;
        this.report(word + hint(argument.key, [...this.asked], 'the parameters are'));
      }
      seen.add(argument.key);
    }
  }

  private find(key: string): Expression | undefined {
    this.asked.add(key);
    const argument = this.call.arguments.find((candidate) => candidate.key === key);
    if (argument) this.taken.add(argument);
    return argument?.value;
  }

  private wrong(key: string, found: Expression, expected: string): undefined {
    this.report(`"${key}" at character ${found.at} must be ${expected}`);
  }
}

function isWithin(value: number, { least = -Infinity, most = Infinity, whole = false }: Limits): boolean {
  return value >= least && value <= most && (!whole || Number.isInteger(value));
}

function describeLimits({ least, most, whole }: Limits): string {
  const noun = whole ? 'a whole number' : 'a number';
  if (least !== undefined && most !== undefined && most < Number.MAX_SAFE_INTEGER)
    return `${noun} from ${least} to ${most}`;
  return least === undefined ? noun : `${noun} not below ${least}`;
}

function scalarOf(expression: Expression): Value | undefined {
  return expression.kind === 'number' || expression.kind === 'boolean' || expression.kind === 'text'
    ? expression.value
    : undefined;
}

function range(given: Given): { min: number; max: number } {
  const min = given.number('min', 0);
  const max = given.number('max', 100);
  if (min > max) given.report(`min=${min} is above max=${max}: exchange the two`);
  return { min, max };
}

function decimals(given: Given): number | undefined {
  return given.optionalNumber('decimals', { least: 0, most: 12, whole: true });
}

function finish(given: Given): Finish {
  return { noise: given.number('noise', 0, { least: 0 }), decimals: decimals(given) };
}

function share(given: Given, key: string, fallback: number): number {
  return given.number(key, fallback, { least: 0, most: 1 });
}

function wave(given: Given, shape: (Signal & { kind: 'wave' })['shape']): Signal {
  return {
    kind: 'wave',
    shape,
    ...range(given),
    periodMs: given.durationMs('period', 60_000),
    phase: share(given, 'phase', 0),
    duty: shape === 'square' ? share(given, 'duty', 0.5) : 0.5,
    ...finish(given),
  };
}

function toggle(given: Given): Signal {
  return {
    kind: 'toggle',
    periodMs: given.durationMs('period', 60_000),
    duty: share(given, 'duty', 0.5),
    phase: share(given, 'phase', 0),
  };
}

function steps(given: Given): Signal {
  return {
    kind: 'steps',
    values: given.values('values'),
    everyMs: given.durationMs('every', 10_000),
    atEnd: given.choice('end', ['repeat', 'hold'], 'repeat'),
  };
}

function script(given: Given): Signal | undefined {
  const repeatMs = given.optionalDurationMs('repeat');
  const entries = given.timed().flatMap(({ fromMs, argument }) => {
    const value = argument.value;
    const isText = value.kind === 'text' && !Object.hasOwn(BUILDERS, value.value);
    const signal = isText ? ({ kind: 'constant', value: value.value } as const) : signalOf(value, given.report);
    return signal ? [{ fromMs, signal }] : [];
  });
  if (entries.length === 0)
    return void given.report('the script is empty: write script(0s=20, 30s=ramp(from=20,to=80))');
  for (let index = 1; index < entries.length; index++) {
    if (entries[index]!.fromMs <= entries[index - 1]!.fromMs)
      given.report('the times must rise from one entry to the next: write the entry with the earlier time first');
  }
  if (entries[0]!.fromMs !== 0)
    given.report('the first entry must be at 0s, so that there is a value from the start: write script(0s=…, …)');
  const lastMs = entries.at(-1)!.fromMs;
  if (repeatMs !== undefined && repeatMs <= lastMs)
    given.report('"repeat" must be later than the last entry, which would never be played: write a longer time');
  return { kind: 'script', entries, repeatMs };
}
