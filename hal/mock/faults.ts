/** Scripted faults of a simulated channel. */
import { z } from 'zod';
import { type Checked, failed, passed } from '../../src/core/checked.ts';
import { durationField } from '../../src/core/fields.ts';
import { nearest, orList } from '../../src/core/suggest.ts';

/** When a scripted fault is on, in milliseconds since the driver first connected. */
export interface FaultWindow {
  readonly afterMs: number;
  /** From one start to the next; undefined: once. */
  readonly everyMs: number | undefined;
  readonly forMs: number;
}

/** Kinds of scripted faults of the mock driver; `README.md` beside this file says how each shows. */
const FAULT_KINDS = ['timeout', 'offline', 'nan', 'garbled', 'spike', 'stuck', 'slow'] as const;
type FaultKind = (typeof FAULT_KINDS)[number];

/** A scripted fault of the mock driver. */
export interface MockFault extends FaultWindow {
  readonly kind: FaultKind;
  /** What a spike adds to a numeric value; undefined: ten times its size. */
  readonly by: number | undefined;
  /** How much later a slow answer comes. */
  readonly delayMs: number;
}

/** Where faults are scripted. */
type FaultPlace = 'channel' | 'device' | 'tag';

/** Kinds that make sense at each place. */
const ALLOWED: Readonly<Record<FaultPlace, readonly FaultKind[]>> = {
  channel: ['offline'],
  device: FAULT_KINDS,
  tag: ['timeout', 'nan', 'garbled', 'spike', 'stuck'],
};

/** The list `faults:` of a mock channel, device or tag. A known kind at the wrong place is left to {@link checkFaults}. */
export const faultsField = (place: FaultPlace) =>
  z
    .array(
      z.strictObject({
        kind: z.enum(FAULT_KINDS, { error: ({ input }) => noSuchKind(input, place) }),
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
 */
export function checkFaults(listed: unknown, place: FaultPlace): Checked<MockFault[]> {
  const given = (listed ?? []) as z.output<ReturnType<typeof faultsField>>;
  const faults: MockFault[] = [];
  for (const [index, { kind, after, every, for: forMs, by, delay }] of given.entries()) {
    if (!ALLOWED[place].includes(kind)) return failed(['faults', index, 'kind'], whyNotHere(kind, place));
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

/** What to say of a word that is no kind of fault: only the kinds of this place are offered. */
function noSuchKind(input: unknown, place: FaultPlace): string {
  const kinds = orList(ALLOWED[place]);
  if (input === undefined) return `is missing: write kind: ${place === 'channel' ? kinds : `and ${kinds}`}`;
  const word = JSON.stringify(input).slice(0, 60);
  const near = nearest(String(input), ALLOWED[place]);
  if (place !== 'channel')
    return `expected ${kinds}; got ${word}${near === undefined ? '' : `; did you mean "${near}"?`}`;
  return `a channel can only have the fault ${kinds}; got ${word}: write kind: ${kinds}, or move the fault to a device or tag`;
}

/** What to say of a kind of fault that this place cannot have. */
function whyNotHere(kind: FaultKind, place: FaultPlace): string {
  const whole = kind === 'offline' || kind === 'slow' ? 'a device' : 'a device or tag';
  const instead = place === 'channel' ? 'offline' : 'one of these';
  return `a ${place} cannot have the fault ${kind}, only ${orList(ALLOWED[place])}: write ${instead}, or move ${kind} to ${whole}`;
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
