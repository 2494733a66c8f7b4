/** Picks the tags that patterns such as `press-1/*` name. */
import { EXIT, Fault } from '../core/errors.ts';
import { tagPattern } from '../core/reading.ts';
import { nearestTag } from '../core/suggest.ts';

/**
 * The tags that patterns name, in the order of `known` and each once: `press-1/oil-temp`, or with `*` for any number of
 * letters, `press-1/*`. No pattern names all. Throws `Fault` (exit 2), with the nearest name, for one that names none.
 */
export function selectTags(patterns: readonly string[], known: readonly string[]): string[] {
  if (patterns.length === 0) return [...known];
  const selected = new Set<string>();
  for (const pattern of patterns) {
    const found = known.filter(tagPattern(pattern));
    if (found.length === 0) throw unknownTag(pattern, known);
    for (const tag of found) selected.add(tag);
  }
  return known.filter((tag) => selected.has(tag));
}

function unknownTag(pattern: string, known: readonly string[]): Fault {
  const devices = [...new Set(known.map((tag) => tag.slice(0, tag.indexOf('/'))))];
  const near = devices.includes(pattern) ? `${pattern}/*` : nearestTag(pattern, known);
  const shown = JSON.stringify(pattern.slice(0, 130));
  const remedy = near ? `Did you mean ${near}?` : 'millgate check lists the tags there are.';
  return new Fault(`there is no tag ${shown}`, remedy, EXIT.usage);
}
