/** Counts what each rule did in a backtest, and compares two of them. */
import type { AlarmConfig } from '../core/alarm.ts';
import type { GatewayEvent, Priority } from '../core/event.ts';
import type { SpcConfig } from '../core/spc.ts';
import type { RuleSet } from '../rules/rule-set.ts';

/** What an alarm did. Times are UTC ms, null when it never came. */
export interface AlarmSummary {
  readonly kind: 'alarm';
  readonly id: string;
  readonly tag: string;
  readonly priority: Priority;
  /** How often it would have called somebody. */
  readonly raised: number;
  /** How long its condition held, together and at the longest, ms; up to the end where it still did. */
  readonly activeMs: number;
  readonly longestMs: number;
  /** Whether it still held at the end. */
  readonly active: boolean;
  readonly first: number | null;
  readonly last: number | null;
  /** The most calls within one minute; three are chattering (ISA-18.2). */
  readonly mostInMinute: number;
}

/** What a control chart did. */
export interface ChartSummary {
  readonly kind: 'spc';
  readonly id: string;
  readonly tag: string;
  readonly chart: string;
  readonly points: number;
  readonly signals: number;
  /** Signals by rule. */
  readonly rules: Readonly<Record<string, number>>;
  readonly first: number | null;
  readonly last: number | null;
}

/** What one rule did. */
export type RuleSummary = AlarmSummary | ChartSummary;

const MINUTE_MS = 60_000;

/**
 * Sums up what rules did, in the order of the file. Alarms for instruments are told of only when they came.
 *
 * @param points how many points each chart has
 * @param endMs UTC ms of the last reading
 */
export function summarise(
  { alarms, charts }: RuleSet,
  points: ReadonlyMap<string, number>,
  events: readonly GatewayEvent[],
  endMs: number,
): RuleSummary[] {
  const byAlarm = new Map<string, GatewayEvent[]>();
  const byChart = new Map<string, GatewayEvent[]>();
  for (const event of events) {
    const { body } = event;
    if (body.kind === 'alarm') group(byAlarm, body.id, event);
    else if (body.kind === 'spc') group(byChart, body.id, event);
  }
  return [
    ...alarms
      .map((alarm) => alarmSummary(alarm, byAlarm.get(alarm.id) ?? [], endMs))
      .filter(({ id, raised }) => raised > 0 || !id.includes(':')),
    ...charts.map(({ config }) => chartSummary(config, byChart.get(config.id) ?? [], points.get(config.id) ?? 0)),
  ];
}

function group(groups: Map<string, GatewayEvent[]>, id: string, event: GatewayEvent): void {
  const own = groups.get(id);
  if (own) own.push(event);
  else groups.set(id, [event]);
}

function alarmSummary(
  { id, tag, priority }: AlarmConfig,
  events: readonly GatewayEvent[],
  endMs: number,
): AlarmSummary {
  const calls: number[] = [];
  let sinceMs: number | undefined;
  let activeMs = 0;
  let longestMs = 0;
  const end = (atMs: number): void => {
    if (sinceMs === undefined) return;
    activeMs += atMs - sinceMs;
    longestMs = Math.max(longestMs, atMs - sinceMs);
    sinceMs = undefined;
  };
  for (const { wallMs, body } of events) {
    if (body.kind !== 'alarm') continue;
    if (body.state === 'unacked') {
      calls.push(wallMs);
      sinceMs ??= wallMs;
    } else end(wallMs);
  }
  const active = sinceMs !== undefined;
  end(endMs);
  return {
    kind: 'alarm' as const,
    id,
    tag,
    priority,
    raised: calls.length,
    activeMs,
    longestMs,
    active,
    first: calls[0] ?? null,
    last: calls.at(-1) ?? null,
    mostInMinute: mostWithin(calls, MINUTE_MS),
  };
}

function chartSummary({ id, tag, chart }: SpcConfig, events: readonly GatewayEvent[], points: number): ChartSummary {
  const rules: Record<string, number> = {};
  for (const { body } of events) if (body.kind === 'spc') rules[body.rule] = (rules[body.rule] ?? 0) + 1;
  return {
    kind: 'spc' as const,
    id,
    tag,
    chart,
    points,
    signals: events.length,
    rules,
    first: events[0]?.wallMs ?? null,
    last: events.at(-1)?.wallMs ?? null,
  };
}

/** The most times within a span, of times in order. */
function mostWithin(times: readonly number[], spanMs: number): number {
  let most = 0;
  let from = 0;
  for (let to = 0; to < times.length; to++) {
    while (times[to]! - times[from]! > spanMs) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
}
