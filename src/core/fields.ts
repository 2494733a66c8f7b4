/** Fields of schemas that several wings use: durations, sizes, rates and names. */
import { isIPv4 } from 'node:net';
import { z } from 'zod';
import {
  DURATION_PATTERN,
  meantQuantity,
  NAME_PATTERN,
  parseDuration,
  parseRate,
  parseSize,
  RATE_PATTERN,
  SIZE_PATTERN,
} from './quantity.ts';

/** What was found, short enough for one line. */
function shown(input: unknown): string {
  if (typeof input === 'object' && input !== null) return Array.isArray(input) ? 'a list' : 'keys and values';
  const text = typeof input === 'string' ? JSON.stringify(input) : String(input);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** Says what was expected, and for a bare number how to write it with a unit. */
function expected(what: string, withUnit: (input: number) => string, kind?: 'duration' | 'size') {
  return ({ input }: { input?: unknown }): string => {
    if (input === undefined) return `is missing: write ${what}`;
    if (input === null) return `has no value: write ${what}`;
    const bare = typeof input === 'string' && /^-?\d+(\.\d+)?$/.test(input) ? Number(input) : input;
    if (typeof bare === 'number' && bare < 0) return `must not be negative; got ${shown(input)}`;
    const meant = typeof input === 'string' && kind !== undefined ? meantQuantity(input, kind) : undefined;
    const written = typeof bare === 'number' ? withUnit(bare) : meant;
    const remedy = written === undefined ? '' : `: write ${written}`;
    return `expected ${what}; got ${shown(input)}${remedy}`;
  };
}

/** `, 10ms to 10s`: what a description says of the bounds of a quantity. */
function rangeText({ min, max }: { min?: string; max?: string }): string {
  if (min !== undefined && max !== undefined) return `, ${min} to ${max}`;
  if (min !== undefined) return `, at least ${min}`;
  return max === undefined ? '' : `, at most ${max}`;
}

/**
 * A duration as text (`250ms`), parsed to milliseconds.
 *
 * @param description what the key means, for the JSON Schema
 * @param range inclusive bounds, as texts of the same form, and the unit a bare number most likely has
 */
export function durationField(description: string, range: { min?: string; max?: string; usual?: 'm' | 'h' } = {}) {
  const minMs = range.min === undefined ? 0 : parseDuration(range.min)!;
  const maxMs = range.max === undefined ? Number.POSITIVE_INFINITY : parseDuration(range.max)!;
  const error = expected(
    `a duration such as ${range.usual === 'h' ? '24h or 7d' : '250ms or 5s'}`,
    (value) => {
      if (value === 0) return '0s';
      if (range.usual !== undefined) return `for example ${value}${range.usual}`;
      return Number.isInteger(value) && value < 50 ? `${value}s or ${value}ms` : `${value}ms`;
    },
    'duration',
  );
  return z
    .string({ error })
    .regex(DURATION_PATTERN, { error })
    .refine((text) => (parseDuration(text) ?? minMs) >= minMs, {
      error: ({ input }) => `must be at least ${range.min}; got ${shown(input)}`,
    })
    .refine((text) => (parseDuration(text) ?? minMs) <= maxMs, {
      error: ({ input }) => `must be at most ${range.max}; got ${shown(input)}`,
    })
    .transform((text) => parseDuration(text)!)
    .meta({ description: `${description} A duration (us, ms, s, m, h or d)${rangeText(range)}.` });
}

/** A size as text (`2GB`), parsed to bytes; bounds are inclusive texts of the same form. */
export function sizeField(description: string, range: { min?: string; max?: string } = {}) {
  const minBytes = range.min === undefined ? 0 : parseSize(range.min)!;
  const maxBytes = range.max === undefined ? Number.MAX_SAFE_INTEGER : parseSize(range.max)!;
  const error = expected(
    'a size such as 500MB or 2GB',
    (value) =>
      value * 1e6 >= minBytes && value * 1e6 <= maxBytes ? `${value}MB` : `for example ${range.min ?? '500MB'}`,
    'size',
  );
  return z
    .string({ error })
    .regex(SIZE_PATTERN, { error })
    .refine((text) => (parseSize(text) ?? minBytes) >= minBytes, {
      error: ({ input }) => `must be at least ${range.min}; got ${shown(input)}`,
    })
    .refine((text) => (parseSize(text) ?? minBytes) <= maxBytes, {
      error: ({ input }) => `must be at most ${range.max ?? '9007TB'}; got ${shown(input)}`,
    })
    .transform((text) => parseSize(text)!)
    .meta({ description: `${description} A size (kB, MB, GB or TB)${rangeText(range)}.` });
}

/** A rate as text (`500/s`), parsed to events per second; must be above zero. */
export function rateField(description: string, usual: 's' | 'h' = 's') {
  const error = expected(`a rate such as 500/${usual}`, (value) => `${value}/${usual}`);
  return z
    .string({ error })
    .regex(RATE_PATTERN, { error })
    .refine((text) => (parseRate(text) ?? 1) > 0, { error: `must be above 0/${usual}: write for example 500/${usual}` })
    .transform((text) => parseRate(text)!)
    .meta({ description: `${description} A rate (/s, /m or /h) above 0.` });
}

/** A name: lower-case letters, digits, `-` and `_`, at most 63 characters, beginning with a letter or a digit. */
export function nameField(description: string) {
  const error = ({ input }: { input?: unknown }): string =>
    input === undefined ? 'is missing: write a name' : nameTrouble(String(input));
  return z
    .string({ error })
    .regex(NAME_PATTERN, { error })
    .transform((text) => text)
    .meta({ description });
}

/** Why a text is no name, with one that would do. */
export function nameTrouble(text: string): string {
  const suggestion = toName(text);
  const remedy = suggestion === undefined ? '' : `: write ${suggestion}`;
  return `${shown(text)} is not a valid name (only a-z, 0-9, - and _; at most 63 characters; the first a letter or digit)${remedy}`;
}

/** The nearest valid name; undefined when nothing of the text is left. */
export function toName(text: string): string | undefined {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[-_]+/, '')
    .slice(0, 63)
    .replace(/[-_]+$/, '');
  return NAME_PATTERN.test(name) ? name : undefined;
}

/** Whether a text has the form of an IPv4 address and is none, such as `127.0.0.300` or `192.168.1`; no host is named so. */
export function isBrokenAddress(host: string): boolean {
  return /^[\d.]*\d\.\d[\d.]*$/.test(host) && !isIPv4(host);
}

/** What is wrong with such a text. */
export const BROKEN_ADDRESS = 'is no IP address: write four numbers from 0 to 255, such as 192.168.1.20';
