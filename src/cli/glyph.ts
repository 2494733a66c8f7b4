import { widthOf } from './terminal/table.ts';

/** What one column of a terminal shows. The right half of a wide character has an empty text. */
export interface Glyph {
  readonly text: string;
  /** Parameters of the control sequence (ECMA-48 SGR) that colours it; empty: none. */
  readonly style: string;
}

/** A coloured line as a terminal shows it, column by column. */
export function glyphsOf(line: string): Glyph[] {
  const glyphs: { text: string; style: string }[] = [];
  const attributes = new Map<string, string>();
  let style = '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
  for (const [part] of line.matchAll(/\u001b\[[\d;]*m|./gsu)) {
    if (part.length > 1 && part.startsWith('\u001b')) {
      applyStyle(attributes, part.slice(2, -1));
      style = [...attributes.values()].join(';');
      continue;
    }
    const width = widthOf(part);
    const last = glyphs.at(-1);
    if (width === 0 && last) last.text += part;
    if (width > 0) glyphs.push({ text: part, style });
    if (width > 1) glyphs.push({ text: '', style });
  }
  return glyphs;
}

/** Which attribute each parameter sets or, as the second, takes back. */
const ATTRIBUTES: readonly [name: string, sets: RegExp, takesBack: string][] = [
  ['intensity', /^[12]$/, '22'],
  ['underline', /^4$/, '24'],
  ['inverse', /^7$/, '27'],
  ['colour', /^(3[0-7]|9[0-7])$/, '39'],
];

function applyStyle(attributes: Map<string, string>, parameter: string): void {
  if (parameter === '' || parameter === '0') attributes.clear();
  for (const [name, sets, takesBack] of ATTRIBUTES) {
    if (sets.test(parameter)) attributes.set(name, parameter);
    else if (parameter === takesBack) attributes.delete(name);
  }
}
