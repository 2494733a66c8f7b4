/**
 * Numbers that look random and are a pure function of their arguments, so that a simulated value can be computed for
 * any instant, in any order, and a run with the same seed repeats exactly.
 */

/** A 32-bit hash of a text (FNV-1a), to give every tag noise of its own. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

/** Mixes two numbers to one 32-bit number, every bit depending on all bits of both (murmur3's finaliser). */
export function mix(seed: number, step: number): number {
  const low = step >>> 0;
  const high = Math.floor(step / 2 ** 32) >>> 0;
  let mixed = Math.imul((seed ^ Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca77)) >>> 0, 0xcc9e2d51);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** Uniform in [0, 1) for a seed and a step. */
export function uniform(seed: number, step: number): number {
  return mix(seed, step) / 2 ** 32;
}

/** Normally distributed with mean 0 and standard deviation 1 (Box–Muller); never beyond ±6.7. */
export function gaussian(seed: number, step: number): number {
  const radius = Math.sqrt(-2 * Math.log((mix(seed, step) + 0.5) / 2 ** 32));
  return radius * Math.cos(2 * Math.PI * uniform(seed ^ 0x5bd1e995, step));
}

/** Octaves of {@link wander}: the slowest swings through the range, each further one halves in size and time. */
const OCTAVES = 4;

/** A smooth aimless curve in [0, 1]; `position` 1 further on, it has come to another place. */
export function wander(seed: number, position: number): number {
  let sum = 0;
  let weight = 0;
  for (let octave = 0; octave < OCTAVES; octave++) {
    const share = 0.5 ** octave;
    sum += share * smoothed(mix(seed, octave), position * 2 ** octave);
    weight += share;
  }
  return sum / weight;
}

function smoothed(seed: number, position: number): number {
  const knot = Math.floor(position);
  const part = position - knot;
  const ease = part * part * (3 - 2 * part);
  return uniform(seed, knot) * (1 - ease) + uniform(seed, knot + 1) * ease;
}
