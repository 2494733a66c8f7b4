import type { AlarmOrder, AlarmView, ChartView, Orderer, RulesView } from '../../src/api/rules-view.ts';
import type { GatewayStatus, GatewayView, ProbedBlock, TagView, WriteAnswer } from '../../src/api/view.ts';
import { Fault } from '../../src/core/errors.ts';
import { type Field, Fields, type Reading, type TagId, type Value } from '../../src/core/reading.ts';
import type { MaintenanceReport } from '../../src/core/rules/maintenance.ts';
import type {
  HistoryPage,
  HistoryQuery,
  RecordCursor,
  RecordPage,
  RollupPage,
  RollupQuery,
  Stream,
  StreamAccount,
} from '../../src/store/store.ts';

/** 2025-11-24 06:00:00 UTC, when the readings below were made. */
export const SIX = Date.UTC(2025, 10, 24, 6);

const at = { wallMs: SIX, monoMs: 0 };

/** A press with one tag of each quality, and a counter that no double can hold. */
export const TAGS: readonly TagView[] = [
  tag('press-1/oil-temp', '°C', { tag: 'press-1/oil-temp', ...at, quality: 'good', value: 45.2 }),
  tag('press-1/pressure', 'bar', { tag: 'press-1/pressure', ...at, quality: 'bad', why: 'timeout' }),
  tag('press-1/parts', undefined, { tag: 'press-1/parts', ...at, quality: 'good', value: 2n ** 63n }),
  tag('oven/temp', '°C', { tag: 'oven/temp', ...at, quality: 'uncertain', value: 260, why: 'out-of-range' }),
];

function tag(id: TagId, unit: string | undefined, last: Reading): TagView {
  return { tag: id, unit, everyMs: 1000, description: undefined, last, readings: 1 };
}

/** A gateway that has run for 75 minutes, with one good and one dead device and an uplink that waits. */
export const STATUS: GatewayStatus = {
  gateway: 'press-shop-1',
  version: '0.1.0',
  pid: 4242,
  config: { file: '/etc/millgate/millgate.yaml', hash: '9b1e00c0ffee' },
  startedMs: SIX - 75 * 60_000,
  nowMs: SIX,
  clockKnown: true,
  simulated: false,
  rssBytes: 84_000_000,
  readingsPerSecond: 812.4,
  channels: [
    {
      name: 'line-a',
      driver: 'modbus-rtu',
      simulated: false,
      state: 'connected',
      reason: undefined,
      sinceMs: SIX - 75 * 60_000,
      scans: 4500,
      skipped: 3,
      utilisation: 0.34,
      ...{ plannedUtilisation: 0.3, busyMs: 90_000, reconnects: 1, unsolicitedBytes: 12, echoes: 0 },
      devices: [
        device('press-1', 'online', undefined, 1200, 12),
        device('press-2', 'offline', 'no answer since 05:58. Check power and unit id 4.', 30, 30),
      ],
    },
  ],
  writes: { written: 4, refused: 2, unknown: 0, mismatch: 1 },
  alarms: { configured: 3, standing: 1, unacked: 1, silenced: 0, flood: false },
  store: {
    epoch: '0f6c',
    next: { readings: 188_201, events: 12 },
    oldest: { readings: 1, events: 1 },
    bytes: 1_200_000_000,
    maxBytes: 2_000_000_000,
    segments: 14,
    commits: 4500,
    held: { records: 812, events: 0, droppedRecords: 0, droppedEvents: 0, standstill: undefined },
    bytesWritten: 6_500_000,
    lastCommitMs: SIX - 400,
    oldestWallMs: SIX - 5 * 86_400_000,
    newestWallMs: SIX - 500,
    stored: { readings: [{ from: 1, to: 188_201 }], events: [{ from: 1, to: 12 }] },
    pending: { plant: { readings: [{ from: 182_801, to: 188_201 }], events: [{ from: 11, to: 12 }] } },
    accounts: [
      account('readings', { produced: 188_200, delivered: 182_795, waiting: 5400, quarantined: 5 }),
      account('events', { produced: 11, delivered: 10, waiting: 1 }),
    ],
    losses: [{ stream: 'readings', cause: 'quarantined', uplink: 'plant', count: 5 }],
    ledger: [
      {
        id: 1,
        stream: 'readings',
        from: 10,
        to: 15,
        count: 5,
        cause: 'quarantined',
        uplink: 'plant',
        enteredWallMs: SIX - 60_000,
      },
    ],
    trouble: undefined,
  },
  uplinks: [
    {
      name: 'plant',
      state: 'waiting',
      reason: 'broker.plant.lan: connection refused. Check that the broker runs.',
      sinceMs: SIX - 90_000,
      pendingRecords: 5400,
      pendingEvents: 1,
      deliveredRecords: 182_796,
      deliveredEvents: 10,
      quarantinedRecords: 5,
      sessions: 2,
      catchUpSeconds: undefined,
    },
  ],
};

function account(stream: Stream, over: Partial<StreamAccount>): StreamAccount {
  const none = { delivered: 0, waiting: 0, evicted: 0, quarantined: 0, lost: 0, skipped: 0, unexplained: [] };
  return { stream, uplink: 'plant', produced: 0, ...none, ...over };
}

function device(name: string, state: 'online' | 'offline', reason: string | undefined, requests: number, p95: number) {
  const isOnline = state === 'online';
  const counts = { tags: 4, good: isOnline ? 4 : 0, uncertain: 0, bad: isOnline ? 0 : 4 };
  const errors = { timeouts: isOnline ? 0 : 30, garbled: 0, lateReplies: 0, exceptions: 0, exceptionCodes: { 2: 0 } };
  const times = { responseMsP50: p95, responseMsP95: p95, responseMsMax: p95, timeoutMs: 300, busyMs: requests * 25 };
  return {
    name,
    state,
    reason,
    sinceMs: isOnline ? undefined : SIX - 120_000,
    ...counts,
    requests,
    ...errors,
    ...times,
  };
}

/** A gateway view whose readings the test makes. */
export interface FakeGateway extends GatewayView, FakeOrders {
  /** Hands readings to everybody who follows. */
  make(readings: readonly Reading[]): void;
  /** How many follow. */
  followers(): number;
  /** What was asked. */
  readonly asked: {
    history: HistoryQuery[];
    rollups: RollupQuery[];
    records: (RecordCursor | undefined)[];
    read: (readonly TagId[])[];
    probe: [string, ProbedBlock][];
    write: [TagId, Value][];
  };
}

/** The one alarm that stands. */
export const OIL_HOT: AlarmView = {
  id: 'oil-hot',
  tag: 'press-1/oil-temp',
  state: 'unacked',
  occurrence: 3,
  priority: 'high',
  active: true,
  sinceMs: SIX - 90_000,
  shelvedUntilMs: undefined,
  value: 81.5,
  limit: 75,
  message: 'Oil at 81.5 °C',
  chattering: false,
  stale: false,
  firstOut: true,
};

const QUIET: AlarmView = { ...OIL_HOT, id: 'oil-low', state: 'normal', active: false, firstOut: false, limit: 5 };

/** A chart with limits and two points, the second out of control. */
export const SHAFT: ChartView = {
  id: 'shaft',
  tag: 'gauge/diameter',
  chart: 'i-mr',
  unit: 'mm',
  phase: 2,
  baseline: { collected: 25, needed: 25 },
  limits: 1,
  lines: { center: 10, lcl: 9.97, ucl: 10.03 },
  signals: ['N1'],
  capability: {
    status: 'provisional',
    reasons: ['only 2 readings'],
    indices: { cpk: { value: 1.2, low: 1, high: 1.4 } },
  },
  points: [
    { point: 26, value: 10.01, center: 10, lcl: 9.97, ucl: 10.03, rules: [] },
    { point: 27, value: 10.05, center: 10, lcl: 9.97, ucl: 10.03, rules: ['N1'] },
  ],
  text: ' UCL 10.03|-X',
};

/** Orders that were given to the fake, in their order. */
export interface FakeOrders {
  readonly orders: { id: string; order: AlarmOrder; orderer: Orderer }[];
}

function fakeRules(): RulesView & FakeOrders {
  const orders: FakeOrders['orders'] = [];
  return {
    orders,
    alarms: () => ({ alarms: [OIL_HOT, QUIET], floodForMs: undefined }),
    async orderAlarm(id, order, orderer) {
      if (order.do === 'reset') throw new Fault(`${id} is still active`, 'Mend the cause first, then reset it.');
      orders.push({ id, order, orderer });
    },
    events: async ({ afterSeq }) => ({
      events: [
        { seq: (afterSeq ?? 0) + 1, t: SIX, kind: 'alarm', id: 'oil-hot', change: 'raised', message: 'Oil at 81.5 °C' },
      ],
      next: afterSeq === undefined ? 1 : undefined,
    }),
    chart: (name) => (name === 'shaft' ? SHAFT : undefined),
    charts: () => ['shaft'],
    excludePoints: async (id, points, orderer) =>
      void orders.push({ id, order: { do: 'reset' }, orderer: { ...orderer, comment: points.join() } }),
    maintenance: () => [OIL_CHANGE],
    maintenanceDone: async (id, orderer) => void orders.push({ id, order: { do: 'reset' }, orderer }),
    rebaseChart: async (id, orderer) => void orders.push({ id, order: { do: 'reset' }, orderer }),
  };
}

/** An item of maintenance that is due. */
const OIL_CHANGE: MaintenanceReport = {
  id: 'oil-change',
  kind: 'runtime',
  value: null,
  zone: null,
  limit: null,
  slopePerDay: null,
  slopeLow: null,
  slopeHigh: null,
  reachesAt: null,
  earliest: null,
  latest: null,
  dueAt: SIX,
  used: 7_200_000_000,
  every: 7_200_000_000,
  state: 'due',
  samples: 7000,
  why: null,
};

/** A view that serves the tags and the status above; `over` replaces parts of it. */
export function fakeGateway(over: Partial<GatewayView> = {}): FakeGateway {
  const listeners = new Set<(readings: readonly Reading[]) => void>();
  const asked: FakeGateway['asked'] = { history: [], rollups: [], records: [], read: [], probe: [], write: [] };
  return {
    asked,
    status: async () => STATUS,
    tags: () => TAGS,
    async readNow(tags) {
      asked.read.push(tags);
      return TAGS.filter(({ tag: id }) => tags.includes(id)).map(({ last }) => last!);
    },
    async probe(channel, block) {
      asked.probe.push([channel, block]);
      if (block.unit !== 3) return { ok: false, why: 'timeout', detail: 'no answer before the deadline' };
      return { ok: true, items: Array.from({ length: block.count }, (_, index) => block.start + index) };
    },
    async write(tag, value): Promise<WriteAnswer> {
      asked.write.push([tag, value]);
      if (tag === 'press-1/oil-temp') return { ok: true, tag, readBack: value };
      return { ok: false, tag, kind: 'refused', why: `${tag} is not writable` };
    },
    async history(query): Promise<HistoryPage> {
      asked.history.push(query);
      if (query.afterSeq !== undefined)
        return { points: [{ seq: 8, wallMs: SIX, quality: 'bad', why: 'timeout' }], next: undefined };
      return { points: [{ seq: 7, wallMs: SIX - 1000, quality: 'good', value: 45.25 }], next: 7 };
    },
    async rollups(query): Promise<RollupPage> {
      asked.rollups.push(query);
      const point = { wallMs: SIX, count: 59, bad: 1, min: 45, max: 46.5, mean: 45.123_456_789 };
      const counted = { firstMs: SIX, everyMs: 60_000, counts: Uint32Array.of(59, 0), bads: Uint32Array.of(1, 60) };
      return { points: [point, { wallMs: SIX + 60_000, count: 0, bad: 60 }], counted, next: undefined };
    },
    async records({ after }): Promise<RecordPage> {
      asked.records.push(after);
      const device = after ? 'oven' : 'press-1';
      const fields: Field[] = after
        ? [{ name: 'temp', quality: 'bad', why: 'timeout' }]
        : [
            { name: 'oil-temp', quality: 'good', value: 45.2 },
            { name: 'label', quality: 'uncertain', value: 'a "b", c', why: 'out-of-range' },
          ];
      const record = { device, at, clockKnown: true, simulated: false, fields: Fields.of(fields) };
      return { records: [{ seq: after ? 8 : 7, record }], next: after ? undefined : { seq: 8, until: 9 } };
    },
    replay: async (_uplink, { from, to }) => ({ count: to - from, stored: [{ from, to: to - 1 }] }),
    ledger: async (sinceId) => STATUS.store.ledger.filter(({ id }) => id > sinceId),
    onReadings(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    make(readings) {
      for (const listener of listeners) listener(readings);
    },
    followers: () => listeners.size,
    record: () => () => {},
    checkpoint: async () => ({
      checkpoint: { count: 0, head: '0'.repeat(64), key: '0'.repeat(16), time: SIX },
      signature: '0'.repeat(128),
      publicKey: '0'.repeat(64),
    }),
    parts: async () => [],
    lots: async () => [],
    partCounts: () => [],
    correct: async () => {},
    inventory: () => [],
    setStock: async () => {},
    ...fakeRules(),
    ...over,
  };
}
