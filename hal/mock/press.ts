/** How a simulated press behaves over time. */
import { gaussian, uniform } from './noise.ts';

/** What a press is doing. The index in {@link PRESS_MODES} is its state register. */
export const PRESS_MODES = ['idle', 'running', 'jam', 'changeover', 'fault'] as const;
type PressMode = (typeof PRESS_MODES)[number];

/** What makes one press differ from another. */
export interface PressBuild {
  readonly seed: number;
  /** Time of one good stroke, ms. */
  readonly cycleMs: number;
  /** Peak pressure of a stroke, bar. */
  readonly peakBar: number;
  /** Running time from a new spindle bearing to its failure, ms. */
  readonly bearingLifeMs: number;
  /** The stroke that jams whatever chance says, so that a short demonstration has a jam. */
  readonly jamsAtStroke: number;
  /** Strokes between two changeovers. */
  readonly batch: number;
}

/** A press at an instant. Immutable; {@link stepPress} makes the next one. */
export interface Press {
  readonly mode: PressMode;
  /** How long the mode still lasts, ms; not used while running. */
  readonly remainingMs: number;
  /** Steps so far; chooses the chance of each. */
  readonly steps: number;
  readonly strokes: number;
  readonly parts: number;
  readonly rejects: number;
  /** Where in the stroke it is, 0…1. */
  readonly phase: number;
  /** Length of the present stroke and of the last whole one, ms. */
  readonly strokeMs: number;
  readonly lastCycleMs: number;
  /** Wear of the spindle bearing: 0 new, 1 failed. */
  readonly wear: number;
  readonly oilCelsius: number;
  readonly pressureBar: number;
  /** Vibration velocity at the spindle, mm/s RMS. */
  readonly vibrationMmS: number;
  readonly powerKw: number;
  /** 0: none; 10 jam, 20 changeover, 30 no material, 40 spindle bearing. */
  readonly faultCode: number;
}

/** Time one step stands for, ms: short enough to show a stroke's pressure. */
export const PRESS_STEP_MS = 50;

const FAULT_CODES = { jam: 10, changeover: 20, noMaterial: 30, bearing: 40 } as const;

/** Wear grows as e^(3·wear): slow for most of the bearing's life, then fast. */
const WEAR_ACCELERATION = 3;
const AMBIENT_CELSIUS = 23;
/** Time constant of the oil's temperature, ms, and how much 1 kW warms it in the end, K. */
const OIL_TIME_MS = 180_000;
const OIL_KELVIN_PER_KW = 4.2;
/** Time constant of the vibration when the press starts or stops, ms. */
const VIBRATION_TIME_MS = 1500;

/** A press at the start of a shift: warm, running, its bearing new. */
export function newPress(build: PressBuild): Press {
  return {
    mode: 'running',
    remainingMs: 0,
    steps: 0,
    strokes: 0,
    parts: 0,
    rejects: 0,
    phase: 0,
    strokeMs: build.cycleMs,
    lastCycleMs: build.cycleMs,
    wear: 0,
    oilCelsius: 44,
    pressureBar: 20,
    vibrationMmS: 1.3,
    powerKw: 4,
    faultCode: 0,
  };
}

/** The press one step of {@link PRESS_STEP_MS} later: a pure function of its state and its build. */
export function stepPress(before: Press, build: PressBuild): Press {
  const steps = before.steps + 1;
  const moved = before.mode === 'running' ? work(before, build) : stand(before, build);
  return { ...moved, ...physics(moved, build, steps), steps };
}

/** Chance number `which` of a step, 0…1. */
function chance(build: PressBuild, steps: number, which: number): number {
  return uniform(build.seed, steps * 8 + which);
}

function work(press: Press, build: PressBuild): Press {
  const grown = WEAR_ACCELERATION * press.wear;
  const perMs = (1 - Math.exp(-WEAR_ACCELERATION)) / (WEAR_ACCELERATION * build.bearingLifeMs);
  const wear = press.wear + PRESS_STEP_MS * perMs * Math.exp(grown);
  if (wear >= 1) return stopped({ ...press, wear: 1 }, 'fault', FAULT_CODES.bearing, 75_000);
  const phase = press.phase + PRESS_STEP_MS / press.strokeMs;
  return phase < 1 ? { ...press, wear, phase } : finishStroke({ ...press, wear }, build);
}

/** One stroke is done: count it, and let chance decide how it goes on. */
function finishStroke(press: Press, build: PressBuild): Press {
  const { steps, wear } = press;
  const strokes = press.strokes + 1;
  const isReject = chance(build, steps, 0) < 0.02 + 0.15 * wear ** 2;
  const strokeMs = build.cycleMs * (1 + 0.06 * wear + 0.012 * gaussian(build.seed ^ 1, steps));
  const next: Press = {
    ...press,
    strokes,
    parts: press.parts + 1,
    rejects: press.rejects + (isReject ? 1 : 0),
    phase: 0,
    strokeMs,
    lastCycleMs: press.strokeMs,
  };
  const lengthMs = 15_000 + 20_000 * chance(build, steps, 1);
  const luck = chance(build, steps, 2);
  if (strokes === build.jamsAtStroke || luck < 0.003) return stopped(next, 'jam', FAULT_CODES.jam, lengthMs);
  if (luck < 0.006) return stopped(next, 'idle', FAULT_CODES.noMaterial, lengthMs);
  if (strokes % build.batch === 0) return stopped(next, 'changeover', FAULT_CODES.changeover, 25_000 + lengthMs);
  return next;
}

function stopped(press: Press, mode: PressMode, faultCode: number, remainingMs: number): Press {
  return { ...press, mode, faultCode, remainingMs };
}

/** It stands still; when the time is over it runs again, after a bearing fault with a new bearing. */
function stand(press: Press, build: PressBuild): Press {
  const remainingMs = press.remainingMs - PRESS_STEP_MS;
  if (remainingMs > 0) return { ...press, remainingMs };
  const wear = press.mode === 'fault' ? 0 : press.wear;
  return { ...press, mode: 'running', faultCode: 0, remainingMs: 0, phase: 0, strokeMs: build.cycleMs, wear };
}

function physics(
  press: Press,
  build: PressBuild,
  steps: number,
): Pick<Press, 'pressureBar' | 'powerKw' | 'oilCelsius' | 'vibrationMmS'> {
  const isRunning = press.mode === 'running';
  const target = isRunning ? strokePressure(press.phase, build.peakBar, press.wear) : 8;
  const pressureBar = Math.max(0, target + 0.004 * target * gaussian(build.seed ^ 2, steps));
  const powerKw = isRunning ? 3.2 + 0.075 * pressureBar + 0.8 * press.wear : 1.1;
  const settledCelsius = AMBIENT_CELSIUS + OIL_KELVIN_PER_KW * powerKw;
  const oilCelsius = press.oilCelsius + ((settledCelsius - press.oilCelsius) * PRESS_STEP_MS) / OIL_TIME_MS;
  const shaken = isRunning ? 1.3 + 6.6 * press.wear : 0.12;
  const noise = shaken * 0.03 * gaussian(build.seed ^ 3, steps);
  const approach = PRESS_STEP_MS / VIBRATION_TIME_MS;
  const vibrationMmS = Math.max(0, press.vibrationMmS + (shaken - press.vibrationMmS) * approach + noise * 0.5);
  return { pressureBar, powerKw, oilCelsius, vibrationMmS };
}

/** Pressure in a stroke: approach, press, hold, return. A worn spindle leaks a little of the peak. */
function strokePressure(phase: number, peakBar: number, wear: number): number {
  const peak = peakBar * (1 - 0.04 * wear);
  if (phase < 0.25) return 20;
  if (phase < 0.45) return 20 + ((peak - 20) * (phase - 0.25)) / 0.2;
  if (phase < 0.6) return peak;
  if (phase < 0.68) return peak - ((peak - 25) * (phase - 0.6)) / 0.08;
  return 25;
}
