/** The value of a simulated signal at an instant. */
import type { Value } from '../../src/core/reading.ts';
import { gaussian, uniform, wander } from './noise.ts';

/** What is laid over a numeric signal: normal noise of a standard deviation, then rounding. */
export interface Finish {
  readonly noise: number;
  /** Digits after the point; undefined leaves the value as it is. */
  readonly decimals: number | undefined;
}

/** What a simulated tag does over time. Made by `parseSignal`; complete, nothing to default. */
export type Signal =
  | { readonly kind: 'constant'; readonly value: Value }
  | ({
      readonly kind: 'wave';
      readonly shape: 'sine' | 'square' | 'triangle' | 'sawtooth';
      readonly min: number;
      readonly max: number;
      readonly periodMs: number;
      /** Where in the period time 0 is, 0…1. */
      readonly phase: number;
      /** Share of the period that a square is at `max`, 0…1. */
      readonly duty: number;
    } & Finish)
  | ({
      readonly kind: 'ramp';
      readonly from: number;
      readonly to: number;
      readonly overMs: number;
      readonly atEnd: 'hold' | 'repeat';
    } & Finish)
  | {
      readonly kind: 'random';
      readonly shape: 'uniform' | 'normal';
      readonly min: number;
      readonly max: number;
      readonly everyMs: number;
      readonly decimals: number | undefined;
    }
  | ({ readonly kind: 'walk'; readonly min: number; readonly max: number; readonly periodMs: number } & Finish)
  | {
      readonly kind: 'counter';
      readonly start: number;
      readonly perSecond: number;
      /** The count at which it starts again from 0; undefined: never. */
      readonly wrap: number | undefined;
    }
  | { readonly kind: 'toggle'; readonly periodMs: number; readonly duty: number; readonly phase: number }
  | {
      readonly kind: 'steps';
      readonly values: readonly Value[];
      readonly everyMs: number;
      readonly atEnd: 'hold' | 'repeat';
    }
  | {
      readonly kind: 'script';
      /** In order of time, the first at 0. Each entry's signal starts at its own time 0. */
      readonly entries: readonly { readonly fromMs: number; readonly signal: Signal }[];
      readonly repeatMs: number | undefined;
    };

/**
 * The value of a signal at an instant: a pure function, the same on every machine.
 *
 * @param seed chooses the noise; mix the channel's seed with the tag's name, so that no two tags move alike
 * @param elapsedMs milliseconds since the signal's time 0, ≥ 0
 */
export function valueAt(signal: Signal, seed: number, elapsedMs: number): Value {
  switch (signal.kind) {
    case 'constant':
      return signal.value;
    case 'wave': {
      const level = waveLevel(signal.shape, fraction(elapsedMs / signal.periodMs + signal.phase), signal.duty);
      return finished(signal.min + (signal.max - signal.min) * level, signal, seed, elapsedMs);
    }
    case 'ramp': {
      const progress = elapsedMs / signal.overMs;
      const part = signal.atEnd === 'repeat' ? fraction(progress) : Math.min(progress, 1);
      return finished(signal.from + (signal.to - signal.from) * part, signal, seed, elapsedMs);
    }
    case 'random':
      return rounded(drawn(signal, seed, Math.floor(elapsedMs / signal.everyMs)), signal.decimals);
    case 'walk': {
      const level = wander(seed, elapsedMs / signal.periodMs);
      return finished(signal.min + (signal.max - signal.min) * level, signal, seed, elapsedMs);
    }
    case 'counter': {
      const count = signal.start + Math.floor((elapsedMs / 1000) * signal.perSecond);
      return signal.wrap === undefined ? count : count % signal.wrap;
    }
    case 'toggle':
      return fraction(elapsedMs / signal.periodMs + signal.phase) < signal.duty;
    case 'steps': {
      const step = Math.floor(elapsedMs / signal.everyMs);
      const last = signal.values.length - 1;
      return signal.values[signal.atEnd === 'hold' ? Math.min(step, last) : step % signal.values.length]!;
    }
    case 'script': {
      const nowMs = signal.repeatMs === undefined ? elapsedMs : elapsedMs % signal.repeatMs;
      const entry = signal.entries.findLast(({ fromMs }) => fromMs <= nowMs) ?? signal.entries[0]!;
      return valueAt(entry.signal, seed, nowMs - entry.fromMs);
    }
  }
}

/** What a signal's values are, for checking a tag's `type` against it. */
export function formOf(signal: Signal): 'number' | 'boolean' | 'text' | 'mixed' {
  const forms = new Set(
    signal.kind === 'script'
      ? signal.entries.map((entry) => formOf(entry.signal))
      : signal.kind === 'steps'
        ? signal.values.map(formOfValue)
        : [signal.kind === 'constant' ? formOfValue(signal.value) : signal.kind === 'toggle' ? 'boolean' : 'number'],
  );
  return forms.size === 1 ? [...forms][0]! : 'mixed';
}

function formOfValue(value: Value): 'number' | 'boolean' | 'text' {
  return typeof value === 'string' ? 'text' : typeof value === 'boolean' ? 'boolean' : 'number';
}

function waveLevel(shape: 'sine' | 'square' | 'triangle' | 'sawtooth', part: number, duty: number): number {
  switch (shape) {
    case 'sine':
      return (1 + Math.sin(2 * Math.PI * part)) / 2;
    case 'square':
      return part < duty ? 1 : 0;
    case 'triangle':
      return part < 0.5 ? 2 * part : 2 - 2 * part;
    case 'sawtooth':
      return part;
  }
}

function drawn(signal: Signal & { kind: 'random' }, seed: number, step: number): number {
  const span = signal.max - signal.min;
  if (signal.shape === 'uniform') return signal.min + span * uniform(seed, step);
  const value = (signal.min + signal.max) / 2 + (span / 6) * gaussian(seed, step);
  return Math.min(signal.max, Math.max(signal.min, value));
}

function finished(value: number, { noise, decimals }: Finish, seed: number, elapsedMs: number): number {
  return rounded(noise === 0 ? value : value + noise * gaussian(seed, Math.floor(elapsedMs)), decimals);
}

function rounded(value: number, decimals: number | undefined): number {
  // Adding 0 turns −0 into 0.
  return decimals === undefined ? value : Number(value.toFixed(decimals)) + 0;
}

function fraction(value: number): number {
  return value - Math.floor(value);
}
