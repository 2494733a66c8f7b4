/** Reads the ledger: merged, page by page, or summed up. */
import { LEDGER_PAGE, type LedgerEntry, type LossSum } from '../store.ts';

/** Entries of one stream, cause and uplink belong together. */
function keyOf({ stream, cause, uplink }: LedgerEntry): string {
  return JSON.stringify([stream, cause, uplink ?? null]);
}

/**
 * Entries that touch and agree in stream, cause and uplink as one, with the last id of them; the rest as it is. Numbers
 * and counts are the same before and after.
 *
 * @returns in the order of the ids
 */
export function mergeEntries(entries: readonly LedgerEntry[]): LedgerEntry[] {
  const merged: LedgerEntry[] = [];
  const groups = new Map<string, LedgerEntry[]>();
  for (const entry of entries) {
    const group = groups.get(keyOf(entry));
    if (group) group.push(entry);
    else groups.set(keyOf(entry), [entry]);
  }
  for (const group of groups.values()) {
    let last: LedgerEntry | undefined;
    for (const entry of group.sort((a, b) => a.from - b.from)) {
      if (last && last.to === entry.from) last = joined(last, entry);
      else {
        if (last) merged.push(last);
        last = entry;
      }
    }
    if (last) merged.push(last);
  }
  return merged.sort((a, b) => a.id - b.id);
}

function joined(a: LedgerEntry, b: LedgerEntry): LedgerEntry {
  const later = a.id > b.id ? a : b;
  const known = (one: number | undefined, other: number | undefined, pick: (...all: number[]) => number) =>
    one === undefined || other === undefined ? (one ?? other) : pick(one, other);
  const firstWallMs = known(a.firstWallMs, b.firstWallMs, Math.min);
  const lastWallMs = known(a.lastWallMs, b.lastWallMs, Math.max);
  return {
    ...later,
    from: a.from,
    to: b.to,
    count: a.count + b.count,
    ...(firstWallMs !== undefined && { firstWallMs }),
    ...(lastWallMs !== undefined && { lastWallMs }),
  };
}

/** The entries after one, as many as are given at once. */
export function ledgerPage(entries: readonly LedgerEntry[], sinceId: number): LedgerEntry[] {
  return entries.filter(({ id }) => id > sinceId).slice(0, LEDGER_PAGE);
}

/** How much was entered, by stream, cause and uplink. */
export function sumEntries(entries: readonly LedgerEntry[]): LossSum[] {
  const sums = new Map<string, LossSum>();
  for (const entry of entries) {
    const { stream, cause, uplink, count } = entry;
    const before = sums.get(keyOf(entry))?.count ?? 0;
    sums.set(keyOf(entry), { stream, cause, ...(uplink !== undefined && { uplink }), count: before + count });
  }
  return [...sums.values()];
}
