/** Puts values, ages and times into the words that a person reads. Pure functions. */
import type { JsonValue } from '../api/json.ts';

/** How values of a tag are shown. */
interface Shown {
  readonly unit?: string | undefined;
  readonly decimals?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/**
 * Marks that turn the direction of text or cannot be seen (Unicode TR 36): a label from a machine must not be able to
 * rearrange what stands beside it. Each is shown as a box.
 */
const HIDDEN = /[\p{Cc}\p{Cs}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** The longest text of a value that is shown. */
const LONGEST = 200;

/** Text from a machine or a file, safe to show. */
export function plain(text: string): string {
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return cut.replaceAll(HIDDEN, '▯');
}

/** A value without its unit: its label, or with sensible digits. */
export function valueText(value: JsonValue, { decimals, labels }: Shown = {}): string {
  const label = labels?.[String(value)];
  if (label !== undefined) return plain(label);
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (typeof value === 'string') return plain(value);
  return numberText(value, decimals);
}

/** A number with the digits that were asked for, else with about five that count. */
export function numberText(value: number, decimals?: number): string {
  if (decimals !== undefined) return value.toFixed(decimals);
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) return value.toExponential(3);
  return value.toFixed(Math.min(6, Math.max(0, 4 - Math.floor(Math.log10(size)) - 1)));
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A time span in at most two units: `4.2 s`, `3 min 20 s`, `5 d 3 h`. */
export function spanText(ms: number): string {
  const span = Math.max(0, ms);
  if (span < 10 * SECOND) return `${Number((span / SECOND).toFixed(1))} s`;
  if (span < MINUTE) return `${Math.floor(span / SECOND)} s`;
  if (span < HOUR) return pair(span, MINUTE, 'min', SECOND, 's');
  if (span < DAY) return pair(span, HOUR, 'h', MINUTE, 'min');
  return pair(span, DAY, 'd', HOUR, 'h');
}

function pair(ms: number, large: number, largeWord: string, small: number, smallWord: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeWord}${rest > 0 ? ` ${rest} ${smallWord}` : ''}`;
}

/** An age: whole seconds under a minute, `now` below two. A time in the future is `now`, too: clocks differ. */
export function ageText(ms: number): string {
  if (ms < 2 * SECOND) return 'now';
  return ms < MINUTE ? `${Math.floor(ms / SECOND)} s` : spanText(ms);
}

/** Times in the zone of the plant. */
export interface PlantTime {
  /** `14:03:10`. */
  clock(ms: number): string;
  /** `2026-11-30 14:03:10 GMT`. */
  full(ms: number): string;
  /** A time on an axis whose marks are so far apart: `14:03:10`, `14:03` or `11-30`. */
  mark(ms: number, apartMs: number): string;
}

/** @param zone an IANA time zone; undefined or unknown: that of the browser */
export function plantTime(zone: string | undefined): PlantTime {
  const format = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat => {
    try {
      return new Intl.DateTimeFormat('en-GB', { ...options, ...(zone !== undefined && { timeZone: zone }) });
    } catch {
      return new Intl.DateTimeFormat('en-GB', options);
    }
  };
  // Made when first used: a browser on a small board takes a fifth of a second for one, and the first values need none.
  const lazy = (options: Intl.DateTimeFormatOptions): (() => Intl.DateTimeFormat) => {
    let made: Intl.DateTimeFormat | undefined;
    return () => (made ??= format(options));
  };
  const clock = lazy({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
  const day = lazy({ year: 'numeric', month: '2-digit', day: '2-digit' });
  const offset = lazy({ timeZoneName: 'short' });
  const part = (form: Intl.DateTimeFormat, ms: number, type: string): string =>
    form.formatToParts(ms).find((one) => one.type === type)?.value ?? '';
  const date = (ms: number): string =>
    `${part(day(), ms, 'year')}-${part(day(), ms, 'month')}-${part(day(), ms, 'day')}`;
  const clockOf = (ms: number): string => clock().format(ms);
  return {
    clock: clockOf,
    mark(ms, apartMs) {
      const atMidnight = clockOf(ms) === '00:00:00';
      if (apartMs >= DAY || atMidnight) return date(ms).slice(5);
      return clockOf(ms).slice(0, apartMs < MINUTE ? 8 : 5);
    },
    full: (ms) => `${date(ms)} ${clockOf(ms)} ${part(offset(), ms, 'timeZoneName')}`,
  };
}

/** Bytes: `1.2 GB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** A share of 0…1 in percent; a dash where it is not known. */
export function percentText(share: number | null | undefined): string {
  return share === null || share === undefined ? '–' : `${(share * 100).toFixed(1)} %`;
}
