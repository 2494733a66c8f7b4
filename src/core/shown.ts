/** How the values of a tag are written for a person: as words, or with so many decimals. JSON has the numbers. */
import type { Value } from './reading.ts';

/** How a tag's values are shown; a slice of `TagConfig`. */
export interface Shown {
  readonly decimals?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** The label of a value, or the number with its decimals; undefined where the file says nothing of it. */
export function shownAs(value: Value | null, { labels, decimals }: Shown): string | undefined {
  // A bit has the labels of 0 and 1.
  const label = labels?.[String(typeof value === 'boolean' ? Number(value) : value)];
  if (label !== undefined) return label;
  return typeof value === 'number' && decimals !== undefined ? value.toFixed(decimals) : undefined;
}

/** What is to be kept of a tag to show its values; nothing where the file says nothing. */
export function shownOf({ labels, decimals }: Shown): {
  readonly decimals?: number;
  readonly labels?: Readonly<Record<string, string>>;
} {
  return { ...(decimals !== undefined && { decimals }), ...(labels !== undefined && { labels }) };
}
