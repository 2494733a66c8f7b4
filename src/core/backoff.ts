/** Bounds of a retry delay. */
export interface BackoffBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Full-jitter exponential backoff: the n-th delay (n from 0) is uniform in [minMs, min(maxMs, minMs·2ⁿ⁺¹)], so that many
 * clients that lost the same server do not come back together.
 *
 * @param random a number in [0, 1)
 */
export function backoffMs(attempt: number, { minMs, maxMs }: BackoffBounds, random: number): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(attempt + 1, 30));
  return minMs + random * (ceiling - minMs);
}
