import type { ReadResult } from '../../hal/driver.ts';
import type { Failure } from '../core/quality.ts';
import type { JobEnd } from './schedule.ts';

/** Failures that mean that nobody answered; every other word came from the device or about it. */
const SILENCE: ReadonlySet<string> = new Set<Failure>([
  'timeout',
  'garbled',
  'gateway-target',
  'gateway-path',
  'not-connected',
  'offline',
]);

/** What the results say of the device. One answer is enough; what was not asked says nothing. */
export function endOf(results: readonly ReadResult[]): JobEnd {
  const asked = results.filter((result) => result.ok || result.asked !== false);
  if (asked.length === 0) return 'not-asked';
  if (asked.some((result) => result.ok || !SILENCE.has(result.why))) return 'answered';
  return asked.some((result) => !result.ok && result.why === 'gateway-path') ? 'path' : 'silent';
}

/** Why the first tag that was asked for has no value. */
export function firstFailure(results: readonly ReadResult[]): Failure {
  for (const result of results) if (!result.ok && result.asked !== false) return result.why;
  return 'timeout';
}
