/** What the end of a question means for a reading: its value, or why there is none. */
import type { Failure } from '../../src/core/quality.ts';
import type { Outcome } from './line/line.ts';
import type { Refusal } from './refusals.ts';

/** Meaning of the exception codes (MODBUS Application Protocol V1.1b3, section 7). */
const EXCEPTION_FAILURE: Record<number, Failure> = {
  1: 'illegal-function',
  2: 'illegal-address',
  3: 'illegal-value',
  4: 'device-failure',
  5: 'device-busy',
  6: 'device-busy',
  8: 'device-failure',
  10: 'gateway-path',
  11: 'gateway-target',
};

/** The last code of the standard; makers use others for causes of their own. */
const LAST_STANDARD_CODE = 11;

/** Exceptions that speak of the moment or of a gateway, not of what was asked for. */
const PASSING_CODES = [5, 6, 10, 11];

/** Exceptions that pass by themselves: the question may be asked again after a rest. */
export function isBusy(code: number): boolean {
  return code === 5 || code === 6;
}

/** Whether an outcome may be blamed on what was asked for, and how; undefined: it has another cause. */
export function causeOf(outcome: Outcome): 'refusal' | 'silence' | undefined {
  if (outcome.kind === 'exception') return PASSING_CODES.includes(outcome.code) ? undefined : 'refusal';
  return outcome.kind === 'timeout' || outcome.kind === 'garbled' ? 'silence' : undefined;
}

/** Why there is no value, in the words of readings. */
export function failureOf(outcome: Exclude<Outcome, { kind: 'answer' | 'lost' }>): Refusal & { asked?: false } {
  switch (outcome.kind) {
    case 'timeout':
      return { why: 'timeout', detail: 'no answer before the deadline' };
    case 'not-asked':
      return { why: 'timeout', detail: outcome.detail, asked: false };
    case 'garbled':
      return { why: 'garbled', detail: outcome.detail };
    case 'hung-up':
      return { why: 'not-connected', detail: outcome.detail };
    case 'exception':
      return { why: EXCEPTION_FAILURE[outcome.code] ?? 'device-failure', detail: exceptionText(outcome.code) };
  }
}

function exceptionText(code: number): string {
  const own = `Modbus exception ${code}`;
  return code <= LAST_STANDARD_CODE ? own : `${own} (${code.toString(16).toUpperCase()} hex), the maker's own code`;
}
