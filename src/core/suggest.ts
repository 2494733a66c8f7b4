/** Guesses the word that a person meant to type. */

/** Longer texts are nobody's typing slip; comparing them would only cost time. */
const MAX_COMPARED = 64;

/** Edits (insert, delete, replace, swap of neighbours) that turn one text into the other. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        cost = Math.min(cost, beforeLast[column - 2]! + 1);
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length]!;
}

/** The word that was most likely meant: about a third of it mistyped at most, capitals and hyphens aside. */
export function nearest(text: string, words: Iterable<string>): string | undefined {
  if (text.length > MAX_COMPARED) return undefined;
  const bare = (word: string) => word.toLowerCase().replace(/[-_ ]/g, '');
  let best: { word: string; distance: number } | undefined;
  for (const word of words) {
    if (word.length > MAX_COMPARED || word === text) continue;
    const distance = Math.min(editDistance(bare(text), bare(word)), editDistance(text, word));
    const allowed = Math.max(1, Math.round(Math.max(text.length, word.length) / 3));
    if (distance <= allowed && distance < bare(word).length && (!best || distance < best.distance))
      best = { word, distance };
  }
  return best?.word;
}

/** The tag that was most likely meant: the one of this name where its device was left out, else the nearest. */
export function nearestTag(text: string, tags: Iterable<string>): string | undefined {
  const all = [...tags];
  const own = text.includes('/') ? undefined : all.find((tag) => tag.endsWith(`/${text}`));
  return own ?? nearest(text, all);
}

/** `; did you mean "type"?`, or what there is to choose from, or nothing when there is nothing. */
export function hint(text: string, words: Iterable<string>, what: string): string {
  const all = [...words];
  const near = nearest(text, all);
  if (near !== undefined) return `; did you mean "${near}"?`;
  if (all.length === 0) return '';
  const listed = all.slice(0, 24).join(', ');
  return `; ${what}: ${listed}${all.length > 24 ? ', …' : ''}`;
}
