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

/** `a, b or c`. */
export function orList(words: readonly string[]): string {
  return joined(words, 'or');
}

/** `a, b and c`. */
export function andList(words: readonly string[]): string {
  return joined(words, 'and');
}

function joined(words: readonly string[], last: string): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1)}`;
}

/** A full tag name in a sentence: as it is, or in quotes where it would not be read as one word. */
function shownTag(tag: string): string {
  return /^[\w./-]{1,127}$/.test(tag) ? tag : JSON.stringify(tag.slice(0, 127));
}

/** `there is no tag press-1/oli; did you mean press-1/oil?`, or the tags to choose from. */
export function noSuchTag(tag: string, tags: Iterable<string>): string {
  const all = [...tags];
  const device = tag.split('/', 1)[0]!;
  const absent = `there is no tag ${shownTag(tag)}`;
  const near = nearestTag(tag, all);
  if (near !== undefined) return `${absent}; did you mean ${near}?`;
  const own = all.filter((each) => each.startsWith(`${device}/`)).map((each) => each.slice(device.length + 1));
  if (own.length > 0) return `${absent}; the tags of ${device} are ${listed(own)}`;
  return all.length === 0 ? `${absent}, and none at all` : `${absent}; the tags are ${listed(all)}`;
}

/** The tag that was meant: the one of this name where its device was left out, else one with both parts near. */
export function nearestTag(tag: string, tags: Iterable<string>): string | undefined {
  const all = [...tags];
  const [device = '', name] = tag.split('/');
  if (name === undefined) return all.find((each) => each.endsWith(`/${device}`)) ?? nearest(tag, all);
  const devices = [...new Set(all.map((each) => each.split('/')[0]!))];
  const meant = devices.includes(device) ? device : nearest(device, devices);
  if (meant === undefined) return undefined;
  const names = all.filter((each) => each.startsWith(`${meant}/`)).map((each) => each.slice(meant.length + 1));
  const found = names.includes(name) ? name : nearest(name, names);
  return found === undefined ? undefined : `${meant}/${found}`;
}

/** At most this many words are listed in a message. */
const MAX_LISTED = 24;

function listed(words: readonly string[]): string {
  return `${words.slice(0, MAX_LISTED).join(', ')}${words.length > MAX_LISTED ? ', …' : ''}`;
}

/** `; did you mean "type"?`, or what there is to choose from, or nothing when there is nothing. */
export function hint(text: string, words: Iterable<string>, what: string): string {
  const all = [...words];
  const near = nearest(text, all);
  if (near !== undefined) return `; did you mean "${near}"?`;
  if (all.length === 0) return '';
  return `; ${what}: ${listed(all)}`;
}
