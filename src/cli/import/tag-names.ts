/** Makes valid and unique tag names out of the words of a list. */
import type { Guess } from './addressing.ts';
import type { Draft } from './row.ts';

const LETTERS: Record<string, string> = {
  ß: 'ss',
  æ: 'ae',
  ø: 'o',
  œ: 'oe',
  µ: 'u',
  μ: 'u',
  φ: 'phi',
  ϕ: 'phi',
  '∆': 'delta',
  Δ: 'delta',
  Σ: 'sum',
  '∑': 'sum',
  Ω: 'ohm',
  '°': '',
  '%': '-percent-',
  '²': '2',
  '³': '3',
};

function nameOf(text: string): string {
  return text
    .replaceAll(/[[(]\s*[^\])]{1,8}\s*[\])]\s*$/g, (bracket) => (/\d|[a-z]{4}/i.test(bracket) ? bracket : ''))
    .replaceAll(/./gu, (letter) => LETTERS[letter] ?? letter)
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]+/g, '-')
    .replaceAll(/^[-_]+|-+$/g, '')
    .slice(0, 63)
    .replace(/[-_]+$/, '');
}

/** A valid name for each; a name that occurs twice gets the address behind it, and those lines are listed. */
export function uniqueNames(drafts: readonly Draft[]): { names: string[]; guesses: Guess[] } {
  const plain = drafts.map(({ said, table, start }) => nameOf(said) || `${table}-${start}`);
  const counts = new Map<string, number>();
  for (const name of plain) counts.set(name, (counts.get(name) ?? 0) + 1);
  const taken = new Set(plain.filter((name) => counts.get(name) === 1));
  const names = plain.map((name, index) => {
    if (counts.get(name) === 1) return name;
    const { start, bit } = drafts[index]!;
    const place = `${start}${bit === undefined ? '' : `-${bit}`}`;
    for (let number = 1; ; number++) {
      const unique = `${name.slice(0, 45)}-${place}${number === 1 ? '' : `-${number}`}`;
      if (taken.has(unique)) continue;
      taken.add(unique);
      return unique;
    }
  });
  const lines = drafts.filter((_, index) => counts.get(plain[index]!)! > 1).map(({ line }) => line);
  if (lines.length === 0) return { names, guesses: [] };
  return {
    names,
    guesses: [
      {
        what: 'names that occur more than once have their address behind them',
        remedy: 'Give them names of their own.',
        lines,
      },
    ],
  };
}
