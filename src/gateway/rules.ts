/** Serves alarms and control charts to the API. */
import type { CapabilityView, ChartView, EventQuery, EventsPage, JsonEvent, RulesView } from '../api/rules-view.ts';
import type { AlarmCounts } from '../api/view.ts';
import type { Clock } from '../core/clock.ts';
import { EXIT, Fault } from '../core/errors.ts';
import type { AlarmState } from '../core/event.ts';
import type { TagId } from '../core/reading.ts';
import type { ChartOverview, RuleEngine } from '../rules/engine.ts';
import { type Capability, reasonText } from '../rules/spc/capability.ts';
import { chartText } from '../rules/spc/chart-text.ts';
import type { Store } from '../store/store.ts';
import { createJsonEncoder, type Sender } from '../uplink/json.ts';
import { firstSince } from './machines.ts';

/**
 * What the API serves of the rules.
 *
 * @param judging.engine the rules in force
 * @param sender who speaks, in events as on the wire
 * @param durable resolves when everything that was ordered so far is on the disk
 */
export function createRulesView(
  judging: { readonly engine: () => RuleEngine },
  store: Store,
  sender: Sender,
  clock: Clock,
  unitOf: (tag: TagId) => string | undefined,
  durable: () => Promise<void>,
): RulesView {
  const settled = async (why: string | undefined): Promise<void> => {
    if (why === undefined) return durable();
    throw new Fault(why.replace(/[.]$/, ''), 'millgate alarms shows how it stands.', EXIT.failed);
  };
  return {
    alarms() {
      const { alarms, floodSinceMs } = judging.engine().alarms();
      return { alarms, floodForMs: floodSinceMs === undefined ? undefined : clock.monoMs() - floodSinceMs };
    },
    orderAlarm: (id, order, orderer) => settled(judging.engine().order(id, order, orderer)),
    events: (query) => eventsPage(store, sender, query),
    chart(name, size) {
      const chart = judging.engine().chart(name);
      return chart && chartView(chart, unitOf(chart.tag), size);
    },
    charts: () => judging.engine().chartNames(),
    rebaseChart: (name, orderer) => settled(judging.engine().rebase(name, orderer)),
    excludePoints: (name, points, orderer) => settled(judging.engine().exclude(name, points, orderer)),
  };
}

/** What is asked of a store for a page of its journal. */
type EventStore = Pick<Store, 'epoch' | 'status' | 'peekEvents'>;

/** A page of the journal, each event as on the wire. */
export async function eventsPage(store: EventStore, sender: Sender, query: EventQuery): Promise<EventsPage> {
  const encoder = createJsonEncoder(sender);
  const page = await journal(store, query);
  const events = page.events.map((event, index) => {
    const text = encoder.batch({ kind: 'event', epoch: store.epoch, seq: page.from + index, event });
    return JSON.parse(text) as JsonEvent;
  });
  return { events, next: page.next };
}

type JournalPage = Omit<EventsPage, 'events'> & {
  readonly from: number;
  readonly events: Awaited<ReturnType<Store['peekEvents']>>['events'];
};

async function journal(store: EventStore, { fromMs, afterSeq, limit }: EventQuery): Promise<JournalPage> {
  const { next, oldest } = await store.status();
  const end = next.events;
  const from =
    afterSeq !== undefined
      ? afterSeq + 1
      : fromMs !== undefined
        ? await firstSince(store, fromMs, oldest.events, end)
        : Math.max(oldest.events, end - limit);
  const page = await store.peekEvents(from, limit);
  const more = page.events.length > 0 && page.next < end;
  return { from: page.from, events: page.events, next: more ? page.next - 1 : undefined };
}

function chartView(
  { tag, chart, status, lines, points }: ChartOverview,
  unit: string | undefined,
  size: { readonly columns: number; readonly rows: number } | undefined,
): ChartView {
  const { id, phase, baseline, limits, signals, capability } = status;
  return {
    id,
    tag,
    chart,
    unit,
    phase,
    signals,
    lines,
    points,
    baseline: { collected: baseline.collected, needed: baseline.needed },
    limits: limits?.version,
    capability: capabilityView(capability),
    text: size && lines && drawing(points, lines, size),
  };
}

function drawing(
  points: ChartOverview['points'],
  lines: NonNullable<ChartOverview['lines']>,
  { columns, rows }: { readonly columns: number; readonly rows: number },
): string {
  const judged = points.map(({ value, center, lcl, ucl, rules }) =>
    value === null
      ? null
      : { value, center: center ?? lines.center, lcl: lcl ?? lines.lcl, ucl: ucl ?? lines.ucl, flags: rules },
  );
  return chartText(judged, lines, columns, rows);
}

function capabilityView(capability: Capability): CapabilityView {
  const reasons = 'reasons' in capability ? capability.reasons.map(reasonText) : [];
  if (capability.status === 'withheld') return { status: 'withheld', reasons, indices: {} };
  const indices = Object.entries(capability.indices).flatMap(([name, index]) =>
    typeof index === 'object' ? [[name, index] as const] : [],
  );
  return { status: capability.status, reasons, indices: Object.fromEntries(indices) };
}

/** States in which an alarm tells nobody, by order or by design. */
const SILENCED: readonly AlarmState[] = ['shelved', 'suppressed', 'out-of-service'];

/** How many alarms stand how. */
export function alarmCounts(engine: RuleEngine): AlarmCounts {
  const { alarms, floodSinceMs } = engine.alarms();
  const silent = alarms.filter(({ state }) => SILENCED.includes(state)).length;
  const normal = alarms.filter(({ state }) => state === 'normal').length;
  return {
    configured: alarms.length,
    standing: alarms.length - normal - silent,
    unacked: alarms.filter(({ state }) => state.endsWith('unacked')).length,
    silenced: silent,
    flood: floodSinceMs !== undefined,
  };
}
