import { isDeepStrictEqual } from 'node:util';
import { formatDuration, formatSize } from '../core/quantity.ts';

/** How keys of a checked configuration are called in a file. */
const WORDS: Readonly<Record<string, string>> = { start: 'register', maxBytes: 'maxSize' };

/** Keys that follow from others, and say nothing by themselves. */
const DERIVED = new Set(['characterMs', 'silenceMs', 'protocolVersion', 'form']);

/** The longest value that is shown. */
const MAX_SHOWN = 60;

/**
 * What differs between two plain values, one text a leaf: `baud 9600 → 19200`. Keys that end in `Ms` are shown as
 * durations, those that end in `Bytes` as sizes.
 *
 * @param key what the value is called; empty at the top
 */
export function differences(before: unknown, after: unknown, key = ''): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (isPlain(before) && isPlain(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    const found = keys
      .filter((each) => !DERIVED.has(each))
      .flatMap((each) => differences(before[each], after[each], each));
    return [...new Set(found)];
  }
  return [`${nameOf(key)} ${shown(before, key)} → ${shown(after, key)}`];
}

/** A value as a file would have it, short. */
export function shown(value: unknown, key = ''): string {
  const text = textOf(value, key);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…` : text;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function nameOf(key: string): string {
  return WORDS[key] ?? key.replace(/(?:Ms|Us)$/, '');
}

function textOf(value: unknown, key: string): string {
  if (value === undefined || value === null) return 'none';
  if (typeof value === 'number' && key.endsWith('Ms')) return value === 0 ? '0s' : formatDuration(value);
  if (typeof value === 'number' && key.endsWith('Us')) return formatDuration(value / 1000);
  if (typeof value === 'number' && key.endsWith('Bytes')) return formatSize(value);
  if (typeof value === 'string') return /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((each) => textOf(each, '')).join(', ')}]`;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (isPlain(value))
    return `{${Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([name, each]) => `${nameOf(name)}: ${textOf(each, name)}`)
      .join(', ')}}`;
  return String(value);
}
