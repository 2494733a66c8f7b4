/** Computes capability indices with their confidence intervals. */
import type { Specification } from '../../core/spc.ts';
import { chiSquareQuantile, normalCdf, normalQuantile } from './distribution.ts';

/** The fewest readings a capability is published from. */
export const MIN_CAPABILITY_READINGS = 30;

/** Two-sided confidence of every interval but those of CPL and CPU, which have this confidence on each side. */
const CONFIDENCE = 0.95;

/** What a capability is computed from. */
export interface Sample {
  /** Individual readings, ≥ 2. */
  readonly readings: number;
  readonly mean: number;
  /** σ̂ within subgroups, > 0. */
  readonly sigmaWithin: number;
  /** Sample standard deviation s of all readings (n − 1), > 0. */
  readonly sigmaOverall: number;
}

/** An index with its confidence interval. */
export interface Index {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Indices of a process; undefined where the specification has no such side or no target. */
interface Indices {
  readonly cp: Index | undefined;
  readonly cpl: Index | undefined;
  readonly cpu: Index | undefined;
  readonly cpk: Index | undefined;
  readonly cpm: Index | undefined;
  readonly pp: Index | undefined;
  readonly ppl: Index | undefined;
  readonly ppu: Index | undefined;
  readonly ppk: Index | undefined;
  /** Percent expected outside, for a normal process with σ̂ within. */
  readonly percentBelow: number | undefined;
  readonly percentAbove: number | undefined;
}

/** Why a capability is not published. */
type Withheld =
  | { readonly why: 'no-specification' | 'no-variation' | 'no-limits' }
  | { readonly why: 'too-few-readings'; readonly readings: number; readonly needed: number }
  | { readonly why: 'out-of-control'; readonly point: number; readonly rule: string };

/** A capability as it may be shown: published, provisional with what is wrong with it, or withheld. */
export type Capability =
  | { readonly status: 'published'; readonly sample: Sample; readonly indices: Indices }
  | {
      readonly status: 'provisional';
      readonly sample: Sample;
      readonly indices: Indices;
      readonly reasons: readonly Withheld[];
    }
  | { readonly status: 'withheld'; readonly reasons: readonly Withheld[] };

/**
 * Cp, Cpk, Cpm by σ̂ within and Pp, Ppk by s, with confidence intervals: Cp and Pp by chi-square with n − 1 degrees of
 * freedom, Cpm with n(1+a²)/(1+2a²), a the distance from the target in σ̂, the one-sided ones by Bissell's approximation
 * (1990). These are the intervals of R's qcc; that of Cpm is wider than Boyles' (1991), never narrower. A one-sided
 * specification gives CPL or CPU (PPL, PPU) only.
 */
export function indicesOf(sample: Sample, { lsl, target, usl }: Specification): Indices {
  const { readings: n, mean, sigmaWithin, sigmaOverall } = sample;
  const sides = (sigma: number) => {
    const lower = lsl === undefined ? undefined : (mean - lsl) / (3 * sigma);
    const upper = usl === undefined ? undefined : (usl - mean) / (3 * sigma);
    const both = lower !== undefined && upper !== undefined;
    return {
      width: both ? spreadIndex((usl! - lsl!) / (6 * sigma), n - 1) : undefined,
      lower: lower === undefined ? undefined : sideIndex(lower, n, CONFIDENCE),
      upper: upper === undefined ? undefined : sideIndex(upper, n, CONFIDENCE),
      worse: both ? sideIndex(Math.min(lower, upper), n, (1 + CONFIDENCE) / 2) : undefined,
    };
  };
  const within = sides(sigmaWithin);
  const overall = sides(sigmaOverall);
  return {
    cp: within.width,
    cpl: within.lower,
    cpu: within.upper,
    cpk: within.worse,
    cpm: targetIndex(sample, { lsl, target, usl }),
    pp: overall.width,
    ppl: overall.lower,
    ppu: overall.upper,
    ppk: overall.worse,
    percentBelow: lsl === undefined ? undefined : 100 * normalCdf((lsl - mean) / sigmaWithin),
    percentAbove: usl === undefined ? undefined : 100 * normalCdf((mean - usl) / sigmaWithin),
  };
}

/** An index that varies as 1/s: its interval by the chi-square distribution of `degrees` degrees of freedom. */
function spreadIndex(value: number, degrees: number): Index {
  const bound = (probability: number) => value * Math.sqrt(chiSquareQuantile(probability, degrees) / degrees);
  return { value, low: bound((1 - CONFIDENCE) / 2), high: bound((1 + CONFIDENCE) / 2) };
}

/** An index of one side; `confidence` is that of each bound. */
function sideIndex(value: number, n: number, confidence: number): Index {
  const half = normalQuantile(confidence) * Math.sqrt(1 / (9 * n) + (value * value) / (2 * (n - 1)));
  return { value, low: value - half, high: value + half };
}

/** Cpm = (USL − LSL) / 6√(σ̂² + (mean − target)²). */
function targetIndex(sample: Sample, { lsl, target, usl }: Specification): Index | undefined {
  if (lsl === undefined || usl === undefined || target === undefined) return undefined;
  const { readings, mean, sigmaWithin } = sample;
  const off = ((mean - target) / sigmaWithin) ** 2;
  const value = (usl - lsl) / (6 * sigmaWithin * Math.sqrt(1 + off));
  return spreadIndex(value, (readings * (1 + off)) / (1 + 2 * off));
}

/** What is known of a process when its capability is asked for. */
export interface Study {
  readonly sample: Sample | undefined;
  readonly hasLimits: boolean;
  /** The last signal since the readings of the sample began to be collected; undefined while in control. */
  readonly signal: { readonly point: number; readonly rule: string } | undefined;
}

/**
 * The capability, or why there is none. Out of control, or of fewer than {@link MIN_CAPABILITY_READINGS} readings, it is
 * withheld, unless `provisional` asks for it with these reasons beside it.
 */
export function capabilityOf(study: Study, spec: Specification | undefined, provisional: boolean): Capability {
  const { sample, signal } = study;
  if (!spec) return { status: 'withheld', reasons: [{ why: 'no-specification' }] };
  const reasons: Withheld[] = [];
  if (!study.hasLimits) reasons.push({ why: 'no-limits' });
  if (signal) reasons.push({ why: 'out-of-control', ...signal });
  const readings = sample?.readings ?? 0;
  if (readings < MIN_CAPABILITY_READINGS)
    reasons.push({ why: 'too-few-readings', readings, needed: MIN_CAPABILITY_READINGS });
  const hasVariation = sample !== undefined && sample.sigmaWithin > 0 && sample.sigmaOverall > 0;
  if (sample && !hasVariation) reasons.push({ why: 'no-variation' });
  if (!sample || !hasVariation) return { status: 'withheld', reasons };
  if (reasons.length === 0) return { status: 'published', sample, indices: indicesOf(sample, spec) };
  if (!provisional) return { status: 'withheld', reasons };
  return { status: 'provisional', sample, indices: indicesOf(sample, spec), reasons };
}

/** A reason as a technician reads it, with what to do. */
export function reasonText(reason: Withheld): string {
  switch (reason.why) {
    case 'no-specification':
      return 'no specification is given: add spec: {lsl: …, usl: …} to the chart';
    case 'no-limits':
      return 'the baseline is not complete: capability means nothing before the process is known to be in control';
    case 'no-variation':
      return 'the readings do not vary: the resolution of the instrument is too coarse, or the signal is stuck';
    case 'too-few-readings':
      return `only ${reason.readings} readings since the last signal: at least ${reason.needed} are needed`;
    case 'out-of-control':
      return `the process is out of control (${reason.rule} at point ${reason.point}): find the cause first`;
  }
}
