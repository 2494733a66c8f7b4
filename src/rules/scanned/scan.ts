/** Makes a code of what a barcode or RFID reader gave: safe to show, to store and to compare. */
import type { Reading, Value } from '../../core/reading.ts';
import type { ScanSource } from '../../core/rules/scanned.ts';
import { isFresh } from '../alarm/condition.ts';

/** Longest code, characters; a GS1 symbol has 90 at most. */
export const MOST_CODE = 128;

/** No reader sends lines that are longer. */
const MOST_LOOKED_AT = 4096;

/** A scan: the code, or what was given in place of one. */
type Scan = { readonly code: string; readonly unread?: undefined } | { readonly code: null; readonly unread: string };

/**
 * A code as it is stored. Blanks around it go; control characters within it, such as the separators of GS1, become the
 * signs that Unicode has for them; what turns or hides text becomes U+FFFD. One code gives one text, whoever shows it.
 */
function cleaned(text: string): string {
  const shown = [...text.slice(0, MOST_LOOKED_AT)].map(shownCharacter).join('');
  return shown.replace(/^[\s\u2400-\u2421]+|[\s\u2400-\u2421]+$/g, '');
}

function shownCharacter(character: string): string {
  const point = character.codePointAt(0)!;
  if (point < 0x20) return String.fromCodePoint(0x2400 + point);
  if (point === 0x7f) return '\u2421';
  return /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(character) ? '\ufffd' : character;
}

/** What a value of a reader says; undefined: nothing was in front of it. */
function scanIn(value: Value, noRead: readonly string[]): Scan | undefined {
  const code = cleaned(String(value));
  if (code === '') return undefined;
  const bare = code.replace(/^[\s<[(*?!]+|[\s>\])*?!.]+$/g, '').toUpperCase();
  if (bare === '' || noRead.includes(bare)) return { code: null, unread: code.slice(0, MOST_CODE) };
  if (code.length > MOST_CODE) return { code: null, unread: `${code.slice(0, 32)}… (${code.length} characters)` };
  return { code };
}

/** What is remembered of a source: the code it showed last, and when that was told. */
export interface Seen {
  readonly code: string | null;
  /** Null after a restart. */
  readonly monoMs: number | null;
}

/**
 * A reading of a source, as a scan where it is one: of a tag that is polled a code that was not there before, of any other
 * each reading that is newer.
 */
export function scanOf(
  { isPolled }: ScanSource,
  seen: Seen | undefined,
  reading: Reading,
  noRead: readonly string[],
): { readonly scan: Scan | undefined; readonly seen: Seen | undefined } {
  const isLate = seen?.monoMs != null && reading.monoMs < seen.monoMs;
  if (isLate || !isFresh(reading) || reading.quality === 'bad') return { scan: undefined, seen };
  const scan = scanIn(reading.value, noRead);
  const code = scan ? (scan.code ?? scan.unread) : null;
  if (isPolled && seen && code === seen.code) return { scan: undefined, seen };
  // What a tag shows at the first start may be of long ago.
  return { scan: isPolled && !seen ? undefined : scan, seen: { code, monoMs: reading.monoMs } };
}
