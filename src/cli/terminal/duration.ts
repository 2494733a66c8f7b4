/** Reads an option that is a duration. */
import { EXIT, Fault } from '../../core/errors.ts';
import { parseDuration } from '../../core/quantity.ts';

/** An option that is a duration, in ms; throws `Fault` (exit 2) for anything else. */
export function durationOption(name: string, text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new Fault(`--${name} ${text}: not a duration. Write 30s, 5m, 2h or 7d.`, EXIT.usage);
}
