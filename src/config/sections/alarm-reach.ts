/** Finds alarms that could never be raised or never return, given the range of their tag. */
import type { AlarmCondition } from '../../core/alarm.ts';
import type { Problem } from '../../core/checked.ts';
import { formatDuration } from '../../core/quantity.ts';

/** What the tag can be; see `TagFacts`. */
interface Range {
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly everyMs: number | undefined;
}

/** The part of an alarm that decides whether it can come and go. */
interface Dynamics {
  readonly tag: string;
  readonly deadband?: number | undefined;
  readonly onDelay?: number | undefined;
}

const ANY: Range = { min: undefined, max: undefined, everyMs: undefined };

/**
 * Why an alarm could never be raised, would always be active, or could never return to normal, given the range of its
 * tag. A tag that has no `min` or `max` is taken to have no end on that side. Paths are relative to the alarm.
 */
export function reachProblems(condition: AlarmCondition, dynamics: Dynamics, facts: Range | undefined): Problem[] {
  const range = facts ?? ANY;
  switch (condition.kind) {
    case 'above':
      return aboveProblems(condition.limit, dynamics, range);
    case 'below':
      return belowProblems(condition.limit, dynamics, range);
    case 'outside':
      return outsideProblems(condition, dynamics, range);
    case 'rateAbove':
      return rateProblems(condition, dynamics, range);
    case 'equals':
      return [...equalsProblems(condition.value, dynamics, range), ...noDeadband(condition.kind, dynamics)];
    case 'stale':
      return [...staleProblems(condition.afterMs, dynamics, range), ...noDeadband(condition.kind, dynamics)];
    case 'changed':
      return [...changedProblems(dynamics), ...noDeadband(condition.kind, dynamics)];
    case 'instrument':
      return [];
  }
}

function aboveProblems(limit: number, { tag, deadband = 0 }: Dynamics, { min, max }: Range): Problem[] {
  if (max !== undefined && limit >= max)
    return [at('above', `can never be reached: ${tag} ends at max ${max}. Write a limit below ${max}, or raise max`)];
  if (min !== undefined && limit < min)
    return [at('above', `is always reached: ${tag} begins at min ${min}. Write a limit of at least ${min}`)];
  return span(deadband, { min, max }, min === undefined ? undefined : limit - min);
}

function belowProblems(limit: number, { tag, deadband = 0 }: Dynamics, { min, max }: Range): Problem[] {
  if (min !== undefined && limit <= min)
    return [at('below', `can never be reached: ${tag} begins at min ${min}. Write a limit above ${min}, or lower min`)];
  if (max !== undefined && limit > max)
    return [at('below', `is always reached: ${tag} ends at max ${max}. Write a limit of at most ${max}`)];
  return span(deadband, { min, max }, max === undefined ? undefined : max - limit);
}

function outsideProblems(
  { low, high }: { low: number; high: number },
  { tag, deadband = 0 }: Dynamics,
  { min, max }: Range,
): Problem[] {
  if (low >= high) return [at('outside', `the first limit (${low}) must be below the second (${high})`)];
  const problems: Problem[] = [];
  if (min !== undefined && low <= min)
    problems.push({
      path: ['outside', 0],
      message: `can never be reached: ${tag} begins at min ${min}. Write above: ${high}, or a limit above ${min}`,
    });
  if (max !== undefined && high >= max)
    problems.push({
      path: ['outside', 1],
      message: `can never be reached: ${tag} ends at max ${max}. Write below: ${low}, or a limit below ${max}`,
    });
  if (deadband > 0 && deadband * 2 >= high - low)
    problems.push(
      at('deadband', `leaves no way back: it must be less than ${(high - low) / 2}, half of the range ${low}…${high}`),
    );
  return problems;
}

function rateProblems(
  { limit, perMs }: { limit: number; perMs: number },
  { tag, deadband = 0 }: Dynamics,
  { min, max, everyMs }: Range,
): Problem[] {
  const problems: Problem[] = [];
  if (min !== undefined && max !== undefined && limit >= max - min)
    problems.push({
      path: ['rateAbove', 'limit'],
      message: `can never be reached: ${tag} goes from ${min} to ${max}. Write a limit below ${max - min}`,
    });
  if (deadband >= limit)
    problems.push(at('deadband', `leaves no way back: it must be less than the limit of the rate, ${limit}`));
  if (everyMs !== undefined && everyMs > perMs)
    problems.push({
      path: ['rateAbove', 'per'],
      message: `is shorter than the scan period of ${tag} (every: ${formatDuration(everyMs)}): write a longer one`,
    });
  return problems;
}

function equalsProblems(value: unknown, { tag }: Dynamics, { min, max }: Range): Problem[] {
  if (typeof value !== 'number') return [];
  if ((min === undefined || value >= min) && (max === undefined || value <= max)) return [];
  const range = `${min ?? 'any'}…${max ?? 'any'}`;
  return [at('equals', `can never be reached: ${tag} goes over ${range}. Write a value in that range`)];
}

function staleProblems(afterMs: number, { tag }: Dynamics, { everyMs }: Range): Problem[] {
  if (everyMs === undefined || afterMs > everyMs) return [];
  const period = formatDuration(everyMs);
  return [
    at('stale', `would come between any two readings: ${tag} is read every ${period}. Write more than ${period}`),
  ];
}

function changedProblems({ onDelay = 0 }: Dynamics): Problem[] {
  return onDelay === 0 ? [] : [at('onDelay', 'a change lasts only a moment: remove it; offDelay holds the alarm')];
}

function noDeadband(kind: string, { deadband = 0 }: Dynamics): Problem[] {
  return deadband === 0 ? [] : [at('deadband', `has no meaning with ${kind}: remove it`)];
}

/** @param room between the limit and the end of the range on the good side, where that is known */
function span(deadband: number, { min, max }: Pick<Range, 'min' | 'max'>, room: number | undefined): Problem[] {
  if (deadband === 0) return [];
  if (min !== undefined && max !== undefined && deadband >= max - min)
    return [at('deadband', `is wider than the span of the tag, ${min}…${max}: write less; 1 to 5 % of it is usual`)];
  if (room !== undefined && deadband >= room)
    return [
      at('deadband', `leaves no way back: it must be less than ${room}, what is between the limit and the range's end`),
    ];
  return [];
}

function at(key: string, message: string): Problem {
  return { path: [key], message };
}
