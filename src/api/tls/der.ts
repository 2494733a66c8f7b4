/** Writes the few forms of DER (ITU-T X.690) that a certificate is made of. */

/** Tags of the universal class, and the bit of what is made of other forms. */
const CONSTRUCTED = 0x20;
const SEQUENCE = 0x10 | CONSTRUCTED;
const SET = 0x11 | CONSTRUCTED;
const CONTEXT = 0x80;

/** From this year on a time is written with four digits of the year (RFC 5280, 4.1.2.5). */
const LONG_YEARS_FROM = 2050;

/** One element: its tag, its length and its content. */
function element(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const bytes = body.length < 0x100 ? [body.length] : [body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length, ...bytes]), body]);
}

export function sequence(...content: readonly Buffer[]): Buffer {
  return element(SEQUENCE, ...content);
}

export function set(...content: readonly Buffer[]): Buffer {
  return element(SET, ...content);
}

/** `[number] EXPLICIT`. */
export function explicit(number: number, content: Buffer): Buffer {
  return element(CONTEXT | CONSTRUCTED | number, content);
}

/** `[number] IMPLICIT` of something that is not made of other forms. */
export function implicit(number: number, content: Buffer): Buffer {
  return element(CONTEXT | number, content);
}

/** A whole number that is not negative, from its bytes, the highest first. */
export function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const least = first < 0 ? Buffer.from([0]) : Buffer.from(bytes.subarray(first));
  return element(0x02, ...(least[0]! >= 0x80 ? [Buffer.from([0])] : []), least);
}

/** An object identifier in its usual form, such as `2.5.29.17`. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return element(0x06, Buffer.from(bytes));
}

export function boolean(value: boolean): Buffer {
  return element(0x01, Buffer.from([value ? 0xff : 0]));
}

export function octets(content: Uint8Array): Buffer {
  return element(0x04, Buffer.from(content));
}

/** @param unused bits at the end that count for nothing */
export function bits(content: Uint8Array, unused = 0): Buffer {
  return element(0x03, Buffer.from([unused]), Buffer.from(content));
}

export function utf8(text: string): Buffer {
  return element(0x0c, Buffer.from(text, 'utf8'));
}

/** An instant (UTC ms) to the second, as certificates have it. */
export function time(ms: number): Buffer {
  const date = new Date(ms);
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, '');
  return date.getUTCFullYear() < LONG_YEARS_FROM
    ? element(0x17, Buffer.from(digits.slice(2), 'latin1'))
    : element(0x18, Buffer.from(digits, 'latin1'));
}
