/** Zones of vibration severity by ISO 10816-3:2009, with a way back that is wider than the way in. */
import type { VibrationClass, Zone } from '../../core/rules/maintenance.ts';

/** The edition that the boundaries are from, as findings name it. ISO 20816-3:2022 has replaced it. */
export const EDITION = 'ISO 10816-3:2009';

/** Boundaries A/B, B/C, C/D in mm/s RMS of the velocity (ISO 10816-3:2009, tables A.1 and A.2). */
const BOUNDARIES: { readonly [group in 1 | 2]: { readonly [mount in 'rigid' | 'flexible']: readonly number[] } } = {
  1: { rigid: [2.3, 4.5, 7.1], flexible: [3.5, 7.1, 11] },
  2: { rigid: [1.4, 2.8, 4.5], flexible: [2.3, 4.5, 7.1] },
};

const ZONES: readonly Zone[] = ['A', 'B', 'C', 'D'];

/** A value goes back to a better zone only a tenth below its boundary: one at the boundary does not change its zone with each mean. */
const BACK = 0.9;

/** The boundaries of a class, mm/s RMS. */
export function boundariesOf({ group, mount }: VibrationClass): readonly number[] {
  return BOUNDARIES[group][mount];
}

/** The zone of a value, given the one before; null before the first. */
export function zoneOf(value: number, before: Zone | null, machine: VibrationClass): Zone {
  const limits = boundariesOf(machine);
  const above = limits.filter((limit) => value > limit).length;
  const held = before === null ? 0 : limits.filter((limit) => value > limit * BACK).length;
  return ZONES[Math.max(above, Math.min(held, ZONES.indexOf(before ?? 'A')))]!;
}
