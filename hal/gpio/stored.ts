/** What counters remember across a restart. */
import { z } from 'zod';
import { lazily } from '../../src/core/checked.ts';
import type { TagId } from '../../src/core/reading.ts';
import type { Counted } from './meter.ts';

/** More tags than any gateway has lines. */
const MAX_TAGS = 4096;

const count = lazily(() => z.int().min(0).max(Number.MAX_SAFE_INTEGER));
const stored = lazily(() =>
  z.strictObject({
    version: z.literal(1),
    counters: z
      .array(z.strictObject({ tag: z.string().max(256), line: z.string().max(256), edges: count(), lost: count() }))
      .max(MAX_TAGS),
  }),
);

/** A counter, and the line it counts: another line is another counter. */
interface StoredCounter extends Counted {
  readonly tag: TagId;
  readonly line: string;
}

/** What is remembered across a restart, as JSON. */
export function toStored(counters: readonly StoredCounter[]): unknown {
  return { version: 1, counters };
}

/** The counters that `toStored` gave. Anything of another form is untrusted and forgotten whole. */
export function fromStored(learned: unknown): Map<TagId, StoredCounter> {
  const parsed = stored().safeParse(learned);
  return new Map(parsed.success ? parsed.data.counters.map((counter) => [counter.tag, counter]) : []);
}
