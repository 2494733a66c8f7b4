/** Finds alarms that could never be raised or never return, given the range of their tag. */
import type { AlarmCondition } from '../../core/alarm.ts';
import type { Problem } from '../../core/checked.ts';
import { formatDuration } from '../../core/quantity.ts';

/** What the tag can be; see `TagFacts`. */
interface Range {
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly everyMs: number | undefined;
  /** Where the file has the tag, as messages show it; absent: in a profile. */
  readonly place?: string | undefined;
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

function aboveProblems(limit: number, { tag, deadband = 0 }: Dynamics, range: Range): Problem[] {
  const { min, max } = range;
  if (max !== undefined && limit >= max)
    return [
      at(
        'above',
        `the limit ${limit} can never be exceeded, because ${hasMax(tag, max, range)}: write a lower limit, or raise that max`,
      ),
    ];
  if (min !== undefined && limit < min)
    return [
      at(
        'above',
        `this alarm would always be active, because ${hasMin(tag, min, range)}: write a limit of ${min} or more, or lower that min`,
      ),
    ];
  const room = min === undefined ? undefined : limit - min;
  return roomProblems(
    deadband,
    room,
    `${tag} cannot fall below its min, ${min}. Write a deadband of less than ${room} (limit ${limit} minus min ${min})`,
  );
}

function belowProblems(limit: number, { tag, deadband = 0 }: Dynamics, range: Range): Problem[] {
  const { min, max } = range;
  if (min !== undefined && limit <= min)
    return [
      at(
        'below',
        `no value can be below the limit ${limit}, because ${hasMin(tag, min, range)}: write a higher limit, or lower that min`,
      ),
    ];
  if (max !== undefined && limit > max)
    return [
      at(
        'below',
        `this alarm would always be active, because ${hasMax(tag, max, range)}: write a limit of ${max} or less, or raise that max`,
      ),
    ];
  const room = max === undefined ? undefined : max - limit;
  return roomProblems(
    deadband,
    room,
    `${tag} cannot rise above its max, ${max}. Write a deadband of less than ${room} (max ${max} minus limit ${limit})`,
  );
}

function outsideProblems(
  { low, high }: { low: number; high: number },
  { tag, deadband = 0 }: Dynamics,
  range: Range,
): Problem[] {
  const { min, max } = range;
  if (low >= high) {
    const remedy = low === high ? 'write a higher second limit' : 'exchange the two if they were mixed up';
    return [at('outside', `the first limit (${low}) must be below the second (${high}): ${remedy}`)];
  }
  const problems: Problem[] = [];
  if (min !== undefined && low <= min)
    problems.push({
      path: ['outside', 0],
      message: `no value can be below the limit ${low}, because ${hasMin(tag, min, range)}: write above: ${high} in place of outside, or a first limit of more than ${min}`,
    });
  if (max !== undefined && high >= max)
    problems.push({
      path: ['outside', 1],
      message: `the limit ${high} can never be exceeded, because ${hasMax(tag, max, range)}: write below: ${low} in place of outside, or a second limit of less than ${max}`,
    });
  if (deadband > 0 && deadband * 2 >= high - low)
    problems.push(
      at(
        'deadband',
        `with a deadband of ${deadband} this alarm could never clear: write less than ${(high - low) / 2}, half of the range from ${low} to ${high}`,
      ),
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
      message: `a change of more than ${limit} is not possible, because ${tag} goes from ${min} to ${max}: write a limit of less than ${max - min}`,
    });
  if (deadband >= limit)
    problems.push(
      at(
        'deadband',
        `with a deadband of ${deadband} this alarm could never clear: write less than the limit of the rate, ${limit}`,
      ),
    );
  if (everyMs !== undefined && everyMs > perMs)
    problems.push({
      path: ['rateAbove', 'per'],
      message: `must not be shorter than the period of ${tag} (every: ${formatDuration(everyMs)}): write ${formatDuration(everyMs)} or more`,
    });
  return problems;
}

function equalsProblems(value: unknown, { tag }: Dynamics, { min, max }: Range): Problem[] {
  if (typeof value !== 'number') return [];
  if ((min === undefined || value >= min) && (max === undefined || value <= max)) return [];
  const range =
    min !== undefined && max !== undefined
      ? `goes from ${min} to ${max}`
      : min === undefined
        ? `is never above ${max}`
        : `is never below ${min}`;
  return [at('equals', `${tag} can never be ${value}, because it ${range}: write a value that it can have`)];
}

function staleProblems(afterMs: number, { tag }: Dynamics, { everyMs }: Range): Problem[] {
  if (everyMs === undefined || afterMs > everyMs) return [];
  return [
    at(
      'stale',
      `${formatDuration(afterMs)} would raise the alarm between every two readings, because ${tag} is read every ${formatDuration(everyMs)}: write more, for example ${formatDuration(5 * everyMs)}`,
    ),
  ];
}

function changedProblems({ onDelay = 0 }: Dynamics): Problem[] {
  if (onDelay === 0) return [];
  return [
    at(
      'onDelay',
      'with onDelay this alarm could never come, because a change lasts only a moment: remove onDelay. offDelay sets how long the alarm stays',
    ),
  ];
}

function noDeadband(kind: string, { deadband = 0 }: Dynamics): Problem[] {
  return deadband === 0 ? [] : [at('deadband', `a deadband has no meaning with ${kind}: remove deadband`)];
}

/**
 * @param room between the limit and the end of the range on the good side, where that is known
 * @param why why more than that never clears, and what to write
 */
function roomProblems(deadband: number, room: number | undefined, why: string): Problem[] {
  if (deadband === 0 || room === undefined || deadband < room) return [];
  return [at('deadband', `with a deadband of ${deadband} this alarm could never clear: ${why}`)];
}

function hasMin(tag: string, min: number, { place }: Range): string {
  return `${tag} has min: ${min}${place === undefined ? '' : ` (${place})`}`;
}

function hasMax(tag: string, max: number, { place }: Range): string {
  return `${tag} has max: ${max}${place === undefined ? '' : ` (${place})`}`;
}

function at(key: string, message: string): Problem {
  return { path: [key], message };
}
