/** Finds the tags that a request names. */
import type { TagId } from '../core/reading.ts';
import { nearestTag } from '../core/suggest.ts';
import { Refused } from './answer.ts';
import type { GatewayView } from './view.ts';

/** The tags that a request names; refuses it, with the nearest name, when one of them is not there. */
export function knownTags(view: GatewayView, names: readonly string[]): readonly TagId[] {
  const known = new Set(view.tags().map(({ tag }) => tag));
  for (const name of names) {
    if (known.has(name)) continue;
    const near = nearestTag(name, known);
    throw new Refused(
      404,
      `no tag ${JSON.stringify(name.slice(0, 130))}`,
      near ? `Did you mean ${near}?` : 'millgate check lists the tags; so does GET /api/v1/tags.',
    );
  }
  return names;
}
