/** `; did you mean "period"?` for the known word nearest to `word`, or the list of known ones when none is near. */
export function suggestion(word: string, known: readonly string[]): string {
  const ranked = known
    .map((candidate) => ({ candidate, distance: distanceOf(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  if (best && best.distance <= Math.max(1, Math.floor(best.candidate.length / 3) + 1) && best.distance < word.length)
    return `; did you mean "${best.candidate}"?`;
  return `; known are ${known.join(', ')}`;
}

/** Levenshtein distance: the fewest letters to insert, delete or replace. */
function distanceOf(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[to.length]!;
}
