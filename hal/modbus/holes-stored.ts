import { z } from 'zod';
import { type HoleMemory, MAX_ENTRIES, MAX_TABLES, noHoles, PROBE_MAX_MS, PROBE_MIN_MS } from './hole-memory.ts';

const position = z.int().min(0).max(65_536);
const range = z.strictObject({ start: position, end: position }).refine(({ start, end }) => start <= end);
const barrier = z
  .strictObject({
    start: position,
    end: position,
    within: range,
    delayMs: z.number().min(PROBE_MIN_MS).max(PROBE_MAX_MS),
  })
  .refine(({ start, end }) => start <= end);

const storedTable = z.strictObject({
  unit: z.int().min(0).max(255),
  table: z.enum(['coil', 'discrete', 'input', 'holding']),
  worked: z
    .array(range)
    .max(MAX_ENTRIES)
    .refine((ranges) => ranges.every(({ start }, index) => index === 0 || start > ranges[index - 1]!.end)),
  holes: z.array(barrier.refine(({ start, end }) => start < end)).max(MAX_ENTRIES),
  cuts: z.array(barrier.refine(({ start, end }) => start === end)).max(MAX_ENTRIES),
});

const storedMemory = z.strictObject({ version: z.literal(1), tables: z.array(storedTable).max(MAX_TABLES) });

/** What is worth remembering across a restart, as JSON. Times are left out: the monotonic clock begins anew. */
export function toStored(state: HoleMemory): unknown {
  const tables = [...state.tables.values()].map(({ unit, table, worked, holes, cuts }) => ({
    unit,
    table,
    worked,
    holes: holes.map(({ start, end, within, delayMs }) => ({ start, end, within, delayMs })),
    cuts: cuts.map(({ start, end, within, delayMs }) => ({ start, end, within, delayMs })),
  }));
  return { version: 1, tables };
}

/**
 * The memory that `toStored` gave. Everything in it is tried once soon after the restart, because a restart is when a
 * device may have been changed; what is refused again waits twice as long as it did before.
 *
 * @param stored untrusted; anything that is not what `toStored` gives is forgotten whole
 * @param nowMs monotonic
 */
export function fromStored(stored: unknown, nowMs = 0): HoleMemory {
  const parsed = storedMemory.safeParse(stored);
  if (!parsed.success) return noHoles;
  const due = <T>(barriers: readonly T[]) => barriers.map((each) => ({ ...each, probeAtMs: nowMs }));
  return {
    tables: new Map(
      parsed.data.tables.map(({ holes, cuts, ...rest }) => [
        `${rest.unit}/${rest.table}`,
        { ...rest, holes: due(holes), cuts: due(cuts), doubts: [] },
      ]),
    ),
  };
}
