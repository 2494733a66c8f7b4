/** Serves alarms, control charts and production to the API. */
import type { ProductionQuery, ProductionView } from '../api/production-view.ts';
import type { CapabilityView, ChartView, EventQuery, EventsPage, JsonEvent, RulesView } from '../api/rules-view.ts';
import type { AlarmCounts } from '../api/view.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { EXIT, Fault } from '../core/errors.ts';
import type { AlarmState } from '../core/event.ts';
import type { ProductionConfig, ProductionReport } from '../core/production/production.ts';
import type { TagId } from '../core/reading.ts';
import type { MaintenanceReport } from '../core/rules/maintenance.ts';
import { type ChartOverview, RuleEngine } from '../rules/engine.ts';
import { compareSpans } from '../rules/production/compare.ts';
import { summedReport } from '../rules/production/figures.ts';
import { pastReports } from '../rules/production/reasons.ts';
import { createRuleSet } from '../rules/rule-set.ts';
import { type Capability, reasonText } from '../rules/spc/capability.ts';
import { chartText } from '../rules/spc/chart-text.ts';
import type { Store } from '../store/store.ts';
import { createJsonEncoder, type Sender } from '../uplink/json.ts';
import { ruleConfigOf } from './judging.ts';
import { statesFor } from './memory.ts';
import { createProductionJournal, firstSince } from './production-journal.ts';

/**
 * What the API serves of the rules.
 *
 * @param judging.engine the rules in force
 * @param sender who speaks, in events as on the wire
 * @param configured the machines of the configuration in force
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
    maintenance: () => judging.engine().maintenance(),
    maintenanceDone: (name, orderer) => settled(judging.engine().maintenanceDone(name, orderer)),
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

/** Looks at the store that one page of the journal may take. */
const MOST_PEEKS = 100;

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
  const first = await store.peekEvents(from, limit);
  const events = [...first.events];
  let at = first.next;
  // The store gives what lies in a few commits, which may be a few events only.
  for (let peeks = 1; events.length > 0 && events.length < limit && at < end && peeks < MOST_PEEKS; peeks++) {
    const page = await store.peekEvents(at, limit - events.length);
    // Behind numbers that are gone begins another page: an event has its number by its place.
    if (page.from !== first.from + events.length || page.events.length === 0) break;
    events.push(...page.events);
    at = page.next;
  }
  return { from: first.from, events, next: events.length > 0 && at < end ? at - 1 : undefined };
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

/** What is served of the rules of a gateway that does not run: how they stood when it stopped, and what is on record. */
export async function stoppedRules(
  config: Config,
  store: Pick<Store, 'states' | 'status' | 'peekEvents'>,
  clock: Clock,
): Promise<{ readonly production: ProductionView; readonly maintenance: readonly MaintenanceReport[] }> {
  const rules = createRuleSet(ruleConfigOf(config), statesFor(config, await store.states()));
  const engine = new RuleEngine({ rules, clock, onReadings: () => {}, commit: () => {}, drive: () => {} });
  const durable = async (): Promise<void> => {};
  const production = createProductionView(
    () => engine,
    store,
    clock,
    () => config.production,
    durable,
  );
  return { production, maintenance: engine.maintenance() };
}

/** How far back a stop is looked for that is to be given a reason, ms. */
const STOPS_BACK_MS = 400 * 86_400_000;

/** What a machine is to the API. */
type Machine = NonNullable<ReturnType<RuleEngine['machine']>>;

/**
 * What the API serves of production.
 *
 * @param configured the machines of the configuration in force
 * @param durable resolves when everything that was ordered so far is on the disk
 */
export function createProductionView(
  engine: () => RuleEngine,
  store: Pick<Store, 'status' | 'peekEvents'>,
  clock: Clock,
  configured: () => readonly ProductionConfig[],
  durable: () => Promise<void>,
): ProductionView {
  const journal = createProductionJournal(store);
  const found = (name: string): Machine => {
    const machine = engine().machine(name);
    if (machine) return machine;
    throw new Fault(`there is no machine ${name}`, 'Machines are defined under production: in the file.', EXIT.usage);
  };
  const shifts = async (name: string, fromMs: number, toMs: number): Promise<readonly ProductionReport[]> => {
    const { report, isRunning } = found(name);
    const past = await journal.reports(name, fromMs, toMs);
    // That of the shift that runs is nowhere else; that of the last one may not have been told yet.
    const isTold = !isRunning && past.some(({ from }) => from === report.from);
    const all = isTold || report.shift === null ? past : [...past.filter(({ from }) => from !== report.from), report];
    return all.filter(({ from, to }) => to > fromMs && from < toMs).sort((a, b) => a.from - b.from);
  };
  /** Shifts that begin in a month, `2026-11`. */
  const month = async (name: string, text: string): Promise<readonly ProductionReport[]> => {
    const { midnight } = found(name);
    const [fromMs, toMs] = [midnight(`${text}-01`), midnight(`${monthAfter(text)}-01`)];
    return (await shifts(name, fromMs, toMs)).filter(({ from }) => from >= fromMs);
  };
  return {
    machines: () => engine().machineNames(),
    reasons(name) {
      const { reasons = {} } = configured().find(({ id }) => id === name) ?? {};
      return Object.entries(reasons).map(([code, reason]) => ({ code, ...reason }));
    },
    async report(name, query) {
      const machine = found(name);
      if (query.by === 'now') return machine.report;
      await durable();
      if (query.by === 'shift') return shiftOf(machine, query, shifts);
      const reports =
        query.by === 'month' ? await month(name, query.month) : await shifts(name, query.fromMs, query.toMs);
      return summedReport(reports, machine.empty);
    },
    shifts: async (name, query) => {
      await durable();
      return query.by === 'month' ? month(name, query.month) : shifts(name, query.fromMs, query.toMs);
    },
    compare: async (name, one, other) => compareSpans(await month(name, one), await month(name, other)),
    async code(name, order) {
      found(name);
      let why = engine().codeStop(name, order);
      if (why?.pastOf) {
        await durable();
        const nowMs = clock.wallMs();
        const all = await journal.reports(name, nowMs - STOPS_BACK_MS, nowMs);
        why = engine().codeStop(name, { ...order, past: pastReports(all, why.pastOf) });
      }
      if (why) throw new Fault(why.refused, 'Nothing was changed.', EXIT.failed);
      await durable();
    },
  };
}

async function shiftOf(
  { shiftOn, report, isRunning }: Machine,
  { shift, date }: Extract<ProductionQuery, { by: 'shift' }>,
  shifts: (name: string, fromMs: number, toMs: number) => Promise<readonly ProductionReport[]>,
): Promise<ProductionReport> {
  const span = shiftOn(date, shift);
  if (!span)
    throw new Fault(
      `${report.machine} has no shift ${shift} on ${date}`,
      'Shifts are defined in the file.',
      EXIT.usage,
    );
  if (isRunning && report.from === span.fromMs) return report;
  const found = (await shifts(report.machine, span.fromMs, span.toMs)).find(({ from }) => from === span.fromMs);
  if (found) return found;
  throw new Fault(
    `there is no report of the shift ${shift} of ${date}`,
    'The gateway was not at work then, the shift has not begun, or the store has no room for so long.',
    EXIT.failed,
  );
}

function monthAfter(month: string): string {
  const [year, number] = month.split('-').map(Number);
  const next = number === 12 ? [year! + 1, 1] : [year!, number! + 1];
  return `${next[0]}-${String(next[1]).padStart(2, '0')}`;
}
