/** Scripted faults of a simulated channel. */
import { z } from 'zod';
import { type Checked, failed, passed } from '../../src/core/checked.ts';
import { durationField } from '../../src/core/fields.ts';
import { orList } from '../../src/core/suggest.ts';

/** When a scripted fault is on, in milliseconds since the driver first connected. */
export interface FaultWindow {
  readonly afterMs: number;
  /** From one start to the next; undefined: once. */
  readonly everyMs: number | undefined;
  readonly forMs: number;
}

/** Kinds of scripted faults of the mock driver; `README.md` beside this file says how each shows. */
const FAULT_KINDS = ['timeout', 'offline', 'nan', 'garbled', 'spike', 'stuck', 'slow'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** A scripted fault of the mock driver. */
export interface MockFault extends FaultWindow {
  readonly kind: FaultKind;
  /** What a spike adds to a numeric value; undefined: ten times its size. */
  readonly by: number | undefined;
  /** How much later a slow answer comes. */
  readonly delayMs: number;
}

/** The list `faults:` of a mock channel, device or tag. */
export const faultsField = z
  .array(
    z.strictObject({
      kind: z.enum(FAULT_KINDS),
      after: durationField('When it comes first. Default: after one period, or at the start.').optional(),
      every: durationField('From one start to the next. Default: it comes once.', { min: '1ms' }).optional(),
      for: durationField('How long it lasts.', { min: '1ms' }),
      by: z.number().meta({ description: 'What a spike adds. Default: ten times the value.' }).optional(),
      delay: durationField('How much later a slow answer comes. Default: 500ms.').optional(),
    }),
  )
  .max(16)
  .meta({ description: 'Scripted faults, to see what a bad line looks like.' });

/** How much later a slow answer comes when `delay` is not given, ms. */
const USUAL_DELAY_MS = 500;

/**
 * Checks a validated `faults:` list and completes it. A fault with `every` starts first at `after`, or after one period;
 * without `every` it comes once, at `after`, or at the start.
 *
 * @param allowed kinds that make sense at this place
 */
export function checkFaults(listed: unknown, allowed: readonly FaultKind[], place: string): Checked<MockFault[]> {
  const given = (listed ?? []) as z.output<typeof faultsField>;
  const faults: MockFault[] = [];
  for (const [index, { kind, after, every, for: forMs, by, delay }] of given.entries()) {
    if (!allowed.includes(kind)) return failed(['faults', index, 'kind'], whyNotHere(kind, allowed, place));
    if (every !== undefined && every <= forMs)
      return failed(
        ['faults', index, 'every'],
        'must be longer than for, or the fault never ends: write a longer time, or remove every',
      );
    const afterMs = after ?? every ?? 0;
    faults.push({ kind, afterMs, everyMs: every, forMs, by, delayMs: delay ?? USUAL_DELAY_MS });
  }
  return passed(faults);
}

/** What to say of a kind of fault that this place cannot have. */
function whyNotHere(kind: FaultKind, allowed: readonly FaultKind[], place: string): string {
  const whole = kind === 'offline' || kind === 'slow' ? 'a device' : 'a device or tag';
  return `a ${place} cannot have the fault ${kind}, only ${orList(allowed)}: write ${allowed.length === 1 ? allowed[0] : 'one of these'}, or move ${kind} to ${whole}`;
}

/** When the window that is open at `elapsedMs` opened, on the same scale; undefined when it is closed. */
function openSince({ afterMs, everyMs, forMs }: FaultWindow, elapsedMs: number): number | undefined {
  if (elapsedMs < afterMs) return undefined;
  const startMs = everyMs === undefined ? afterMs : afterMs + Math.floor((elapsedMs - afterMs) / everyMs) * everyMs;
  return elapsedMs - startMs < forMs ? startMs : undefined;
}

/** The first fault of the list that is on, among `kinds`, with when it came on. */
export function activeFault<F extends FaultWindow & { readonly kind: string }>(
  faults: readonly F[],
  kinds: readonly F['kind'][],
  elapsedMs: number,
): { readonly fault: F; readonly sinceMs: number } | undefined {
  for (const fault of faults) {
    if (!kinds.includes(fault.kind)) continue;
    const sinceMs = openSince(fault, elapsedMs);
    if (sinceMs !== undefined) return { fault, sinceMs };
  }
  return undefined;
}
