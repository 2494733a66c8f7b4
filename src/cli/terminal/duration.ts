/** Reads the options that are a duration or a time. */
import { EXIT, Fault } from '../../core/errors.ts';
import { parseDuration } from '../../core/quantity.ts';
import type { CliContext } from './context.ts';
import { offsetMsOf } from './format.ts';

/** An option that is a duration, in ms; throws `Fault` (exit 2) for anything else. */
export function durationOption(name: string, text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new Fault(`--${name} ${text}: not a duration`, 'Write 30s, 5m, 2h or 7d.', EXIT.usage);
}

const DAY_MS = 86_400_000;

/**
 * `--since`, as UTC ms: how far back (`2h`), a time of day in the zone of the plant (`21:40`, the last one there was), or
 * a day and a time (`2026-11-30`, `2026-11-30 21:40`), which is UTC or has an offset where it is said.
 *
 * @throws Fault (exit 2) for anything else
 */
export function sinceOption(text: string, { clock, timezone = 'UTC' }: Pick<CliContext, 'clock' | 'timezone'>): number {
  const nowMs = Math.floor(clock.wallMs());
  const backMs = parseDuration(text);
  // Of two hours, now is the last instant, and what is exactly two hours ago is not in it.
  if (backMs !== undefined) return Math.max(0, Math.floor(nowMs + 1 - backMs));
  const [, day, time, zone] =
    /^(?:(\d{4}-\d\d-\d\d)(?:[T ]|$))?(\d\d?:\d\d(?::\d\d)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text) ?? [];
  const today = new Date(nowMs + offsetMsOf(nowMs, timezone)).toISOString().slice(0, 10);
  const ms = Date.parse(`${day ?? today}T${(time ?? '00:00').replace(/^\d:/, '0$&')}${zone ?? 'Z'}`);
  if ((day ?? time) === undefined || Number.isNaN(ms))
    throw new Fault(
      `--since ${text}: neither a duration nor a time`,
      "Write 30s, 5m, 2h or 7d, a time of day such as 21:40, or a day such as '2026-11-30 21:40'.",
      EXIT.usage,
    );
  if (zone !== undefined) return ms;
  // The offset at that time of the zone; an hour off where its clocks are set within that hour.
  const sinceMs = ms - offsetMsOf(ms - offsetMsOf(ms, timezone), timezone);
  return day === undefined && sinceMs > nowMs ? sinceMs - DAY_MS : sinceMs;
}
