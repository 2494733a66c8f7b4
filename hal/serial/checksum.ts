/** Checksums of ASCII lines. */
export const CHECKSUMS = ['none', 'nmea', 'xor', 'sum'] as const;

/** See {@link CHECKSUMS}. */
export type Checksum = (typeof CHECKSUMS)[number];

/**
 * Checks a line and gives it without its checksum; undefined when the checksum is wrong or missing.
 *
 * - `nmea`: `*` and two hex digits at the end, the exclusive or of what is between the leading `$` or `!` and the `*`
 *   (NMEA 0183, 5.3). A line without that form is refused.
 * - `xor`, `sum`: the last two characters are hex digits, the exclusive or, or the sum modulo 256, of all before them.
 *
 * @param line bytes as characters of code 0…255
 */
export function withoutChecksum(line: string, checksum: Checksum): string | undefined {
  if (checksum === 'none') return line;
  const match = (checksum === 'nmea' ? /^([$!](.*))\*([0-9a-f]{2})$/is : /^((.*))([0-9a-f]{2})$/is).exec(line);
  if (!match) return undefined;
  const [, rest, covered, digits] = match;
  return checksumOf(covered!, checksum) === Number.parseInt(digits!, 16) ? rest : undefined;
}

/** The checksum of a text, 0…255. */
export function checksumOf(covered: string, checksum: Exclude<Checksum, 'none'>): number {
  let sum = 0;
  for (let index = 0; index < covered.length; index++) {
    const code = covered.charCodeAt(index);
    sum = checksum === 'sum' ? (sum + code) & 0xff : sum ^ code;
  }
  return sum;
}
