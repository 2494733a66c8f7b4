/** The simulated plant of the demo: two presses behind Modbus TCP. */
import type { Clock } from '../../src/core/clock.ts';
import type { Value } from '../../src/core/reading.ts';
import { type ModbusAddress, type ModbusType, PLAIN, type Table } from '../modbus/map/address.ts';
import { mix } from './noise.ts';
import { newPress, PRESS_MODES, PRESS_STEP_MS, type Press, type PressBuild, stepPress } from './press.ts';
import { type LineFault, serveTwin } from './server.ts';
import { createTwin, type TwinTag } from './twin.ts';

/** A register of a press as `config/demo.yaml` names it. */
interface PressRegister {
  readonly tag: string;
  readonly table: Table;
  readonly start: number;
  readonly type: ModbusType;
  readonly bit?: number;
  /** The raw value of the register. */
  readonly of: (press: Press) => Value;
}

/**
 * The register map of both presses: what the machine's maker would print in the manual. 32-bit integers are in order
 * ABCD, floats in order CDAB, as such controllers like to mix them.
 */
export const PRESS_REGISTERS: readonly PressRegister[] = [
  { tag: 'state', table: 'input', start: 0, type: 'uint16', of: ({ mode }) => PRESS_MODES.indexOf(mode) },
  { tag: 'cycle-time', table: 'input', start: 1, type: 'uint16', of: ({ lastCycleMs }) => Math.round(lastCycleMs) },
  { tag: 'parts', table: 'input', start: 2, type: 'uint32', of: ({ parts }) => parts },
  { tag: 'rejects', table: 'input', start: 4, type: 'uint32', of: ({ rejects }) => rejects },
  { tag: 'oil-temp', table: 'holding', start: 100, type: 'float32', of: ({ oilCelsius }) => oilCelsius },
  { tag: 'pressure', table: 'holding', start: 102, type: 'float32', of: ({ pressureBar }) => pressureBar },
  { tag: 'vibration', table: 'holding', start: 104, type: 'float32', of: ({ vibrationMmS }) => vibrationMmS },
  { tag: 'power', table: 'holding', start: 106, type: 'uint16', of: ({ powerKw }) => Math.round(powerKw * 100) },
  { tag: 'fault-code', table: 'holding', start: 107, type: 'uint16', of: ({ faultCode }) => faultCode },
  { tag: 'running', table: 'holding', start: 108, type: 'bool', bit: 0, of: ({ mode }) => mode === 'running' },
  { tag: 'fault', table: 'holding', start: 108, type: 'bool', bit: 1, of: ({ mode }) => mode === 'fault' },
];

/**
 * The presses by Modbus unit. Unit 1's spindle bearing fails after seven minutes of running, which with its stops is
 * nine to ten minutes of watching; that of unit 2 after an hour.
 */
export function pressBuilds(seed: number): Record<1 | 2, PressBuild> {
  return {
    1: { seed: mix(seed, 1), cycleMs: 2400, peakBar: 180, bearingLifeMs: 420_000, jamsAtStroke: 50, batch: 160 },
    2: { seed: mix(seed, 2), cycleMs: 3100, peakBar: 145, bearingLifeMs: 3_600_000, jamsAtStroke: 14, batch: 110 },
  };
}

/** Unit 2 has a loose plug: it is silent now and then, and for a moment says that it failed (exception 04). */
const LOOSE_PLUG: readonly LineFault[] = [
  { unit: 2, kind: 'silent', afterMs: 75_000, everyMs: 180_000, forMs: 8000 },
  { unit: 2, kind: 'exception', code: 4, afterMs: 140_000, everyMs: 240_000, forMs: 1500 },
];

/** A plant that nobody looked at is not simulated further back than this. */
const LONGEST_CATCH_UP_MS = 600_000;

/** What the demonstration's plant needs. */
interface PlantOptions {
  /** Loopback port of the presses; 0 takes a free one. */
  readonly port: number;
  readonly seed: number;
  readonly clock: Clock;
}

/** The running plant. */
interface Plant {
  readonly port: number;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts the press shop of `config/demo.yaml`: two presses, units 1 and 2 of one Modbus TCP endpoint on 127.0.0.1. It
 * runs only as it is looked at, in fixed steps, so that a seed gives the same shift every time.
 *
 * @throws NotConnected when the port cannot be had
 */
export async function startPlant({ port, seed, clock }: PlantOptions): Promise<Plant> {
  const builds = pressBuilds(seed);
  const tags = ([1, 2] as const).flatMap((unit) => tagsOf(unit, pressOverTime(builds[unit], clock.monoMs())));
  const twin = createTwin(tags, { fillGaps: false });
  return serveTwin({ twin, framing: 'tcp', port, clock, seed, faults: LOOSE_PLUG });
}

/** A press at any instant not before the last one asked for. */
function pressOverTime(build: PressBuild, startMs: number): (monoMs: number) => Press {
  let press = newPress(build);
  let atMs = startMs;
  return (monoMs) => {
    atMs = Math.max(atMs, monoMs - LONGEST_CATCH_UP_MS);
    while (atMs + PRESS_STEP_MS <= monoMs) {
      press = stepPress(press, build);
      atMs += PRESS_STEP_MS;
    }
    return press;
  };
}

function tagsOf(unit: number, pressAt: (monoMs: number) => Press): TwinTag[] {
  return PRESS_REGISTERS.map((register) => ({
    address: addressOf(unit, register),
    valueAt: (monoMs) => register.of(pressAt(monoMs)),
  }));
}

function addressOf(unit: number, { table, start, type, bit }: PressRegister): ModbusAddress {
  return {
    unit,
    table,
    start,
    count: type === 'uint32' || type === 'float32' ? 2 : 1,
    type,
    order: type === 'float32' ? 'CDAB' : 'ABCD',
    ...PLAIN,
    bit,
  };
}
