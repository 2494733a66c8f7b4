/** Canonical JSON (RFC 8785): one text for one value, so that it can be hashed and signed. */

/**
 * The canonical text of a JSON value: members by the UTF-16 code units of their names, numbers as ECMAScript writes them,
 * no blanks. Members that are undefined are left out; an integer of any width is written as events have it, beyond 2⁵³
 * as a text of digits.
 *
 * @throws TypeError for what has no form in JSON: NaN, infinities, functions
 */
export function canonical(value: unknown): string {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError('a number that is not finite has no form in JSON');
      return JSON.stringify(value);
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? String(value) : `"${value}"`;
    case 'object':
      return Array.isArray(value)
        ? `[${value.map((item) => canonical(item ?? null)).join(',')}]`
        : objectText(value as Record<string, unknown>);
    default:
      throw new TypeError(`a ${typeof value} has no form in JSON`);
  }
}

function objectText(value: Record<string, unknown>): string {
  const names = Object.keys(value).filter((name) => value[name] !== undefined);
  return `{${names
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`)
    .join(',')}}`;
}
