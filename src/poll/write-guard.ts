/** Refuses writes that the file does not allow: tag, range and rate. */
import type { TagConfig } from '../config/config.ts';
import type { Value } from '../core/reading.ts';

/** Writes a minute of a tag whose `writable` gives no `perMinute`. */
const DEFAULT_WRITES_PER_MINUTE = 60;

const MINUTE_MS = 60_000;

/** Judges writes by what the configuration allows: the tag, the range, the rate. Refusals do not count as writes. */
export class WriteGuard {
  /** When each tag was written in the last minute, monotonic ms, oldest first. */
  private readonly writes = new Map<string, number[]>();

  /**
   * @param nowMs monotonic
   * @returns why the write is refused and what to do, or undefined: it may be done, and counts
   */
  refusal({ tag, writable, unit }: TagConfig, value: Value, nowMs: number): string | undefined {
    if (!writable) return `${tag.id} is not writable: give it writable: {min: …, max: …} in the configuration`;
    const { min, max, perMinute = DEFAULT_WRITES_PER_MINUTE } = writable;
    if (typeof value === 'number' || typeof value === 'bigint') {
      const shown = unit === undefined ? '' : ` ${unit}`;
      if (typeof value === 'number' && !Number.isFinite(value)) return `${value} is no number that can be written`;
      if (min !== undefined && value < min) return `${value} is below the lowest value allowed, ${min}${shown}`;
      if (max !== undefined && value > max) return `${value} is above the highest value allowed, ${max}${shown}`;
    } else if (min !== undefined || max !== undefined) {
      return `${tag.id} takes a number from ${min ?? 'any'} to ${max ?? 'any'}`;
    }
    const recent = (this.writes.get(tag.id) ?? []).filter((atMs) => atMs > nowMs - MINUTE_MS);
    if (recent.length >= perMinute) {
      const waitS = Math.ceil((recent[0]! + MINUTE_MS - nowMs) / 1000);
      return `${tag.id} was written ${recent.length} times in the last minute, and no more are allowed: wait ${waitS} s`;
    }
    recent.push(nowMs);
    this.writes.set(tag.id, recent);
    return undefined;
  }
}
