/** Writes values, ages, times and counts for a person. */
import type { JsonReading, JsonValue } from '../../api/json.ts';
import { formatDuration } from '../../core/quantity.ts';
import { numberText, type Shown, shownAs } from '../../core/reading.ts';
import type { CliContext, Colors } from './context.ts';

/** Text of devices and files may hold anything; a terminal gets nothing that moves its cursor. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '·');
}

/**
 * A value for a person: by its label or with the decimals of its tag; else as {@link numberText} writes it, no value as
 * a dash. JSON output has all digits.
 */
export function formatValue(value: JsonValue | undefined, shown: Shown = {}): string {
  if (value === undefined) return '–';
  const text = shownAs(value, shown);
  if (text !== undefined) return plain(text);
  if (typeof value === 'string') return plain(value);
  if (typeof value === 'boolean') return String(value);
  return numberText(value);
}

/** `45.2 °C`; the unit only where there is a value. */
export function formatWithUnit(value: JsonValue | undefined, unit: string | undefined, shown?: Shown): string {
  const text = formatValue(value, shown);
  return value === undefined || unit === undefined ? text : `${text} ${plain(unit)}`;
}

/** Quality and reason in one phrase: `good`, `uncertain out-of-range`, `bad timeout`. */
export function qualityText({ quality, why }: Pick<JsonReading, 'quality' | 'why'>): string {
  return why === undefined ? quality : `${quality} ${plain(why)}`;
}

/** Colours a text by quality; no reading yet is dim. */
export function byQuality(colors: Colors, quality: JsonReading['quality'] | undefined, text: string): string {
  if (quality === undefined) return colors.dim(text);
  return { good: colors.green, uncertain: colors.yellow, bad: colors.red }[quality](text);
}

/** Colours a word of state: what works green, what is on its way yellow, what does not red. */
export function byState(colors: Colors, state: string): string {
  if (/^(connected|online|running|known)$/.test(state)) return colors.green(state);
  if (/^(connecting|waiting|degraded)$/.test(state)) return colors.yellow(state);
  return colors.red(state);
}

/** How long ago, coarse enough to be calm: `now`, `7s`, `12m`, `3h`, `5d`. */
export function formatAge(ms: number): string {
  if (ms < 1000) return 'now';
  if (ms < 60_000) return `${Math.floor(ms / 1000)}s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)}m`;
  return ms < 86_400_000 ? `${Math.floor(ms / 3_600_000)}h` : `${Math.floor(ms / 86_400_000)}d`;
}

/** A length of time in whole seconds, for what lasts long: `2m 5s`. */
export function formatSpan(ms: number): string {
  return formatDuration(Math.max(0, Math.floor(ms / 1000)) * 1000).replace(/^0us$/, '0s');
}

/** Readings a second: `5.0/s`, `120/s`, `0.10/s`. */
export function formatRate(perSecond: number): string {
  if (perSecond === 0) return '0/s';
  return `${perSecond >= 100 ? Math.round(perSecond) : perSecond.toPrecision(2)}/s`;
}

/** A count with thousands apart: `1,234,567`. */
export function formatCount(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

/** A share of 1 in per cent. */
export function formatShare(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** What tells the offset of each zone; making one takes longer than a thousand uses of it. */
const OFFSETS = new Map<string, Intl.DateTimeFormat>();

/** From where to where each form of a time is cut out of ISO 8601. */
const TIME_FORMS = { whole: [0, 23], seconds: [0, 19], clock: [11, 16], 'clock-seconds': [11, 19] } as const;

/**
 * UTC ms for a person: ISO 8601 in the time zone of the gateway, with its offset, `Z` in UTC, and in UTC where no zone is
 * known. `whole` has milliseconds; `clock` leaves out the date for what is within hours.
 */
export function formatTime(
  ms: number,
  { timezone = 'UTC' }: Pick<CliContext, 'timezone'>,
  form: keyof typeof TIME_FORMS = 'whole',
): string {
  const offset = offsetOf(ms, timezone);
  const text = new Date(ms + offsetMsOf(ms, timezone)).toISOString().slice(...TIME_FORMS[form]);
  return `${form === 'seconds' ? text.replace('T', ' ') : text}${offset === '+00:00' ? 'Z' : offset}`;
}

/** How far the clocks of a zone are ahead of UTC at a time, ms. */
export function offsetMsOf(ms: number, timezone: string): number {
  const offset = offsetOf(ms, timezone);
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4, 6));
  return (offset.startsWith('-') ? -1 : 1) * minutes * 60_000;
}

/** How far the clocks of a zone are ahead of UTC at a time: `+01:00`. */
function offsetOf(ms: number, timezone: string): string {
  let formatter = OFFSETS.get(timezone);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat('en', { timeZone: timezone, timeZoneName: 'longOffset' });
    OFFSETS.set(timezone, formatter);
  }
  const name = formatter.formatToParts(ms).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  return /[+-]\d\d:\d\d/.exec(name)?.[0] ?? '+00:00';
}
