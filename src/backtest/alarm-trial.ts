/** What an alarm would have done over the readings in the store, before it is put in force. */
import type { AlarmConfig } from '../core/alarm.ts';
import type { AlarmTrial } from '../core/configuration.ts';
import type { EventBody } from '../core/event.ts';
import { type DeviceRecord, type Field, Fields, splitTagId, type TagId } from '../core/reading.ts';
import { createRuleSet } from '../rules/rule-set.ts';
import type { HistoryPage, Store } from '../store/store.ts';

/** Readings are fetched and judged so much time at once, so that polling gets its turn in between, ms. */
const STEP_MS = 600_000;

/** Most readings of a tag in one step; beyond it the step is judged by its first ones. */
const MOST_READINGS = 10_000;

/** The last times that are named. */
const MOST_TIMES = 5;

const MINUTE_MS = 60_000;

/**
 * Runs the one rule on a clock that the readings move, as `millgate backtest` does for all rules. Nobody acknowledges.
 *
 * @param signal ends it early; what it gives then is of no use
 */
export async function tryAlarm(
  store: Pick<Store, 'history'>,
  alarm: AlarmConfig,
  range: { readonly fromMs: number; readonly toMs: number },
  signal: AbortSignal,
): Promise<AlarmTrial> {
  const none = { spc: [], maintenance: [], derived: [], counters: new Set<TagId>(), policies: new Map() };
  // Nobody acknowledges or resets here, so that what waits for it would be one occurrence for ever; and nothing is written.
  const { pipeline } = createRuleSet(
    { ...none, alarms: [{ ...alarm, set: undefined, latch: false, ack: false }] },
    new Map(),
  );
  const tags = [...new Set([alarm.tag, ...(alarm.while ? [alarm.while.tag] : [])])];
  const tally = createTally();
  let readings = 0;
  let firstMs: number | undefined;
  for (let fromMs = range.fromMs; fromMs < range.toMs && !signal.aborted; fromMs += STEP_MS) {
    const toMs = Math.min(range.toMs, fromMs + STEP_MS);
    const pages = await Promise.all(tags.map((tag) => store.history({ tag, fromMs, toMs, limit: MOST_READINGS })));
    const records = pages.flatMap(({ points }, index) => points.map((point) => recordOf(tags[index]!, point)));
    for (const record of records.sort((a, b) => a.at.wallMs - b.at.wallMs)) {
      readings++;
      firstMs ??= record.at.wallMs;
      for (const { finding, at } of pipeline.accept(record).findings)
        if (finding.kind === 'event') tally.take(finding.body, at.wallMs);
    }
  }
  const end = { wallMs: range.toMs, monoMs: range.toMs };
  for (const { finding, at } of pipeline.tick(end, true).findings)
    if (finding.kind === 'event') tally.take(finding.body, at.wallMs);
  return { fromMs: firstMs ?? range.fromMs, toMs: range.toMs, readings, ...tally.sum(range.toMs) };
}

function recordOf(tag: TagId, { wallMs, quality, value, why }: HistoryPage['points'][number]): DeviceRecord {
  const { device, name } = splitTagId(tag)!;
  const field = (quality === 'bad' ? { name, quality, why } : { name, quality, value, why }) as Field;
  return { device, at: { wallMs, monoMs: wallMs }, clockKnown: true, simulated: false, fields: Fields.of([field]) };
}

/** The most of rising times that lie within so many ms. In one pass: a chattering alarm has hundreds of thousands in a week. */
function mostWithin(times: readonly number[], ms: number): number {
  let most = 0;
  let first = 0;
  for (let last = 0; last < times.length; last++) {
    while (times[last]! - times[first]! >= ms) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

/** Counts what an alarm did, by its events. */
function createTally() {
  const raised: number[] = [];
  let since: number | undefined;
  let activeMs = 0;
  let longestMs = 0;
  const end = (atMs: number): void => {
    if (since === undefined) return;
    activeMs += atMs - since;
    longestMs = Math.max(longestMs, atMs - since);
    since = undefined;
  };
  return {
    take(body: EventBody, atMs: number): void {
      if (body.kind !== 'alarm') return;
      if (body.change === 'raised') {
        raised.push(atMs);
        since ??= atMs;
      } else if (body.change === 'returned' || body.change === 'cleared') end(atMs);
    },
    sum(endMs: number) {
      end(endMs);
      return {
        raised: raised.length,
        mostInMinute: mostWithin(raised, MINUTE_MS),
        activeMs,
        longestMs,
        last: raised.slice(-MOST_TIMES),
      };
    },
  };
}
