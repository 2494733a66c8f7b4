/** The metrics of the gateway in the text format of Prometheus, and the document that lists them. */
import type { ProductionReport } from '../core/production/production.ts';
import type { MaintenanceReport } from '../core/rules/maintenance.ts';
import type { StockReport } from '../core/rules/scanned.ts';
import type { PartCounts } from './trace-view.ts';
import type { ChannelStatus, DeviceStatus, GatewayStatus } from './view.ts';

/** One number with what it is of. */
interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | undefined;
}

/** One metric: what it is called, what it means, and where its samples come from. */
interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: readonly string[];
  readonly samples: (status: GatewayStatus, rules: RuleReports) => readonly Sample[];
}

/** What the rules report of machines, for metrics. */
interface RuleReports {
  /** Of the shift that runs, or else of the last one. */
  readonly production: readonly ProductionReport[];
  readonly maintenance: readonly MaintenanceReport[];
  readonly inventory?: readonly StockReport[];
  readonly parts?: readonly PartCounts[];
}

const NO_REPORTS: RuleReports = { production: [], maintenance: [] };

type Of<T> = (part: T) => number | undefined;

/** Every metric there is; `docs/metrics.md` is made of this list. */
export const METRICS: readonly Metric[] = [
  gateway(
    'millgate_start_time_seconds',
    'gauge',
    'Start of the process, Unix time.',
    ({ startedMs }) => startedMs / 1000,
  ),
  gateway('millgate_resident_memory_bytes', 'gauge', 'Memory of the process.', ({ rssBytes }) => rssBytes),
  gateway(
    'millgate_clock_known',
    'gauge',
    '1 when the wall clock is known to be right.',
    ({ clockKnown }) => +clockKnown,
  ),
  gateway(
    'millgate_readings_per_second',
    'gauge',
    'Readings a second over the last minute.',
    (status) => status.readingsPerSecond,
  ),
  channel(
    'millgate_channel_connected',
    'gauge',
    '1 when the channel is connected.',
    ({ state }) => +(state === 'connected'),
  ),
  channel('millgate_channel_scans_total', 'counter', 'Scans that were due and were made.', ({ scans }) => scans),
  channel(
    'millgate_channel_skipped_scans_total',
    'counter',
    'Scans left out because the line was late.',
    (line) => line.skipped,
  ),
  channel(
    'millgate_channel_utilisation',
    'gauge',
    'Share of the last 10 s or more in which the line was in use, 0 to 1.',
    (line) => line.utilisation,
  ),
  channel(
    'millgate_channel_planned_utilisation',
    'gauge',
    'Share of time that the configured periods ask for; above 1 they cannot be kept.',
    (line) => line.plannedUtilisation,
  ),
  channel('millgate_channel_busy_seconds_total', 'counter', 'Time the line was in use.', ({ busyMs }) =>
    seconds(busyMs),
  ),
  channel(
    'millgate_channel_reconnects_total',
    'counter',
    'Connections made after the first.',
    ({ reconnects }) => reconnects,
  ),
  channel(
    'millgate_channel_unsolicited_bytes_total',
    'counter',
    'Bytes that came when none were asked for: another master, noise, late replies.',
    (line) => line.unsolicitedBytes,
  ),
  channel(
    'millgate_channel_echoes_total',
    'counter',
    'Questions that the adapter gave back as if they were answers.',
    ({ echoes }) => echoes,
  ),
  device(
    'millgate_device_online',
    'gauge',
    '1 when the device answers, also when degraded.',
    ({ state }) => +(state === 'online' || state === 'degraded'),
  ),
  device('millgate_device_requests_total', 'counter', 'Requests sent.', ({ requests }) => requests),
  device(
    'millgate_device_timeouts_total',
    'counter',
    'Requests that got no answer in time.',
    ({ timeouts }) => timeouts,
  ),
  device(
    'millgate_device_late_replies_total',
    'counter',
    'Answers that came after their deadline, and were dropped.',
    ({ lateReplies }) => lateReplies,
  ),
  device(
    'millgate_device_garbled_total',
    'counter',
    'Frames that were not the answer: checksum, unit, function or length.',
    ({ garbled }) => garbled,
  ),
  {
    name: 'millgate_device_exceptions_total',
    type: 'counter',
    help: 'Modbus exceptions by code.',
    labels: ['channel', 'device', 'code'],
    samples: (status) =>
      everyDevice(status).flatMap(({ labels, part }) =>
        Object.entries(part.exceptionCodes ?? {}).map(([code, value]) => ({ labels: { ...labels, code }, value })),
      ),
  },
  {
    name: 'millgate_device_response_seconds',
    type: 'gauge',
    help: 'Response times of the last requests: quantile 0.5 and 0.95, and 1 for the longest.',
    labels: ['channel', 'device', 'quantile'],
    samples: (status) =>
      everyDevice(status).flatMap(({ labels, part }) => [
        { labels: { ...labels, quantile: '0.5' }, value: seconds(part.responseMsP50) },
        { labels: { ...labels, quantile: '0.95' }, value: seconds(part.responseMsP95) },
        { labels: { ...labels, quantile: '1' }, value: seconds(part.responseMsMax) },
      ]),
  },
  device(
    'millgate_device_timeout_seconds',
    'gauge',
    'The deadline that answers have now, beyond the wire time.',
    ({ timeoutMs }) => seconds(timeoutMs),
  ),
  device(
    'millgate_device_busy_seconds_total',
    'counter',
    'Line time spent on the device, answered or not.',
    ({ busyMs }) => seconds(busyMs),
  ),
  {
    name: 'millgate_device_tags',
    type: 'gauge',
    help: 'Tags of the device by the quality of their last reading.',
    labels: ['channel', 'device', 'quality'],
    samples: (status) =>
      everyDevice(status).flatMap(({ labels, part }) =>
        (['good', 'uncertain', 'bad'] as const).map((quality) => ({
          labels: { ...labels, quality },
          value: part[quality],
        })),
      ),
  },
  gateway('millgate_store_bytes', 'gauge', 'Disk space of the store.', ({ store }) => store.bytes),
  gateway('millgate_store_max_bytes', 'gauge', 'Disk space the store may take.', ({ store }) => store.maxBytes),
  gateway('millgate_store_commits_total', 'counter', 'Commits since the start.', ({ store }) => store.commits),
  gateway(
    'millgate_store_written_bytes_total',
    'counter',
    'Bytes handed to the disk since the start.',
    ({ store }) => store.bytesWritten,
  ),
  gateway(
    'millgate_store_trouble',
    'gauge',
    '1 while the store cannot commit.',
    ({ store }) => +(store.trouble !== undefined),
  ),
  gateway(
    'millgate_store_next_record',
    'gauge',
    'Number that the next record will get.',
    ({ store }) => store.next.readings,
  ),
  gateway('millgate_alarms_standing', 'gauge', 'Alarms that want somebody.', ({ alarms }) => alarms.standing),
  gateway(
    'millgate_alarms_unacknowledged',
    'gauge',
    'Alarms that nobody has acknowledged.',
    ({ alarms }) => alarms.unacked,
  ),
  gateway(
    'millgate_alarms_flood',
    'gauge',
    '1 while more alarms come than can be answered.',
    ({ alarms }) => +alarms.flood,
  ),
  {
    name: 'millgate_store_given_up_total',
    type: 'counter',
    help: 'Numbers in the ledger, which make the gaps in what was delivered: evicted, quarantined or lost.',
    labels: ['stream', 'uplink', 'how'],
    samples: ({ store }) =>
      store.accounts.flatMap((account) =>
        (['evicted', 'quarantined', 'lost'] as const).map((how) => ({
          labels: { stream: account.stream, uplink: account.uplink ?? '', how },
          value: account[how],
        })),
      ),
  },
  gateway(
    'millgate_gaps_total',
    'counter',
    'Ranges of numbers in the ledger: each is a gap in what was delivered.',
    ({ store }) => store.ledger.at(-1)?.id ?? 0,
  ),
  {
    name: 'millgate_writes_total',
    type: 'counter',
    help: 'Writes to machines since the start, for persons, commands and alarms, by how they ended.',
    labels: ['outcome'],
    samples: ({ writes }) => Object.entries(writes).map(([outcome, value]) => ({ labels: { outcome }, value })),
  },
  gateway('millgate_held_records', 'gauge', 'Records in memory that are not on the disk yet.', held('records')),
  gateway('millgate_held_events', 'gauge', 'Events in memory that are not on the disk yet.', held('events')),
  gateway(
    'millgate_dropped_records_total',
    'counter',
    'Records dropped since the start because the memory was full.',
    held('droppedRecords'),
  ),
  gateway(
    'millgate_dropped_events_total',
    'counter',
    'Events dropped since the start because the memory was full.',
    held('droppedEvents'),
  ),
  gateway(
    'millgate_disk_stall_seconds',
    'gauge',
    'How long nothing can be written; 0 while the disk takes what comes.',
    ({ store, nowMs }) => (store.held.standstill ? Math.max(0, nowMs - store.held.standstill.sinceMs) / 1000 : 0),
  ),
  uplink('millgate_uplink_connected', 'gauge', '1 when the uplink delivers.', ({ state }) => +(state === 'connected')),
  uplink(
    'millgate_uplink_pending_records',
    'gauge',
    'Records that were not delivered yet.',
    (each) => each.pendingRecords,
  ),
  uplink(
    'millgate_uplink_pending_events',
    'gauge',
    'Events that were not delivered yet.',
    (each) => each.pendingEvents,
  ),
  uplink(
    'millgate_uplink_delivered_records_total',
    'counter',
    'Records delivered since the start.',
    (each) => each.deliveredRecords,
  ),
  uplink(
    'millgate_uplink_quarantined_records_total',
    'counter',
    'Records that the other side refused.',
    (each) => each.quarantinedRecords,
  ),
  machine('millgate_production_oee', 'OEE of the shift, 0 to 1.', ({ oee }) => oee),
  machine('millgate_production_availability', 'Run time of the busy time, 0 to 1.', ({ availability }) => availability),
  machine(
    'millgate_production_performance',
    'Ideal time of the parts of the run time; above 1 the ideal cycle is too long.',
    ({ performance }) => performance,
  ),
  machine('millgate_production_quality', 'Good parts of all parts, 0 to 1.', ({ quality }) => quality),
  machine(
    'millgate_production_unknown_share',
    'Share of the unplanned time that has no reason, 0 to 1: read it beside the OEE.',
    ({ unknownShare }) => unknownShare,
  ),
  {
    name: 'millgate_production_parts',
    type: 'gauge',
    help: 'Parts of the shift.',
    labels: ['machine', 'quality'],
    samples: (_, { production }) =>
      production.flatMap(({ machine: name, good, reject }) => [
        { labels: { machine: name, quality: 'good' }, value: good },
        { labels: { machine: name, quality: 'reject' }, value: reject },
      ]),
  },
  {
    name: 'millgate_production_seconds',
    type: 'gauge',
    help: 'Time of the shift by what it was; micro_stop is part of run.',
    labels: ['machine', 'kind'],
    samples: (_, { production }) => production.flatMap(timesOf),
  },
  machine('millgate_production_energy_kwh', 'Energy of the shift.', ({ energyKwh }) => energyKwh),
  item(
    'millgate_maintenance_state',
    '0: nothing to do, 1: due, 2: overdue.',
    ({ state }) => ({ ok: 0, due: 1, overdue: 2 })[state],
  ),
  item('millgate_maintenance_used_share', 'Use since the work was done, of its interval.', ({ used, every }) =>
    used === null || every === null ? null : used / every,
  ),
  item('millgate_maintenance_value', 'Newest mean of a condition, in the unit of its tag.', ({ value }) => value),
  item('millgate_maintenance_limit', 'Limit of a condition, in the unit of its tag.', ({ limit }) => limit),
  item(
    'millgate_maintenance_due_time_seconds',
    'When an interval ends or a limit is reached, Unix time; absent where nothing says so.',
    ({ dueAt, reachesAt }) => seconds(dueAt ?? reachesAt ?? undefined),
  ),
  {
    name: 'millgate_parts_total',
    type: 'counter',
    help: 'Parts that a station judged since the start.',
    labels: ['station', 'result'],
    samples: (_, { parts = [] }) =>
      parts.flatMap(({ station, ...counts }) =>
        Object.entries(counts).map(([result, value]) => ({ labels: { station, result }, value })),
      ),
  },
  article('millgate_inventory_level', 'Pieces in stock.', ({ level }) => level),
  article('millgate_inventory_minimum', 'Below it a reorder is due.', ({ minimum }) => minimum ?? undefined),
  article('millgate_inventory_reorder', '1 while a reorder is due.', ({ reorder }) => +reorder),
  modbusServer(
    'millgate_modbus_server_listening',
    'gauge',
    '1 when the Modbus server listens.',
    (server) => +(server.state === 'listening'),
  ),
  modbusServer('millgate_modbus_server_clients', 'gauge', 'Masters that are connected.', ({ clients }) => clients),
  modbusServer(
    'millgate_modbus_server_requests_total',
    'counter',
    'Requests of masters since the start of the server.',
    ({ requests }) => requests,
  ),
  {
    name: 'millgate_modbus_server_exceptions_total',
    type: 'counter',
    help: 'Requests of masters that were answered with an exception, by code; 4: a value was bad or too old.',
    labels: ['code'],
    samples: ({ serving }) =>
      Object.entries(serving?.modbus?.exceptions ?? {}).map(([code, value]) => ({ labels: { code }, value })),
  },
  modbusServer(
    'millgate_modbus_server_refused_connections_total',
    'counter',
    'Connections that were not let in.',
    ({ refused }) => refused,
  ),
];

/** The metrics in the text format of Prometheus, version 0.0.4. */
export function metricsText(status: GatewayStatus, rules: RuleReports = NO_REPORTS): string {
  const lines: string[] = [];
  for (const { name, type, help, samples } of METRICS) {
    const known = samples(status, rules).filter(({ value }) => value !== undefined && Number.isFinite(value));
    if (known.length === 0) continue;
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const { labels, value } of known) lines.push(`${name}${labelText(labels)} ${value}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The list of metrics as a Markdown document. */
export function metricsDocument(): string {
  const rows = METRICS.map(
    ({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.join(', ')} | ${help} |`,
  );
  return [
    '# Metrics',
    '',
    '`GET /metrics` serves these in the text format of Prometheus. Metrics without a value are left out, such as those of',
    'a driver that does not count. This list is made by `npm run build && node scripts/metrics.mjs`.',
    '',
    '| metric | type | labels | meaning |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function gateway(name: string, type: Metric['type'], help: string, of: Of<GatewayStatus>): Metric {
  return { name, type, help, labels: [], samples: (status) => [{ labels: {}, value: of(status) }] };
}

function channel(name: string, type: Metric['type'], help: string, of: Of<ChannelStatus>): Metric {
  const samples = ({ channels }: GatewayStatus): Sample[] =>
    channels.map((part) => ({ labels: { channel: part.name }, value: of(part) }));
  return { name, type, help, labels: ['channel'], samples };
}

function device(name: string, type: Metric['type'], help: string, of: Of<DeviceStatus>): Metric {
  const samples = (status: GatewayStatus): Sample[] =>
    everyDevice(status).map(({ labels, part }) => ({ labels, value: of(part) }));
  return { name, type, help, labels: ['channel', 'device'], samples };
}

function uplink(name: string, type: Metric['type'], help: string, of: Of<GatewayStatus['uplinks'][number]>): Metric {
  const samples = ({ uplinks }: GatewayStatus): Sample[] =>
    uplinks.map((part) => ({ labels: { uplink: part.name }, value: of(part) }));
  return { name, type, help, labels: ['uplink'], samples };
}

function machine(name: string, help: string, of: (report: ProductionReport) => number | null): Metric {
  const samples: Metric['samples'] = (_, { production }) =>
    production.map((report) => ({ labels: { machine: report.machine }, value: of(report) ?? undefined }));
  return { name, type: 'gauge', help: `${help} Of the shift that runs, or the last.`, labels: ['machine'], samples };
}

function item(name: string, help: string, of: (report: MaintenanceReport) => number | null | undefined): Metric {
  const samples: Metric['samples'] = (_, { maintenance }) =>
    maintenance.map((report) => ({ labels: { item: report.id }, value: of(report) ?? undefined }));
  return { name, type: 'gauge', help, labels: ['item'], samples };
}

function article(name: string, help: string, of: Of<StockReport['items'][number]>): Metric {
  const samples: Metric['samples'] = (_, { inventory = [] }) =>
    inventory.flatMap(({ inventory: stock, items }) =>
      items.map((each) => ({ labels: { inventory: stock, code: each.code }, value: of(each) })),
    );
  return { name, type: 'gauge', help, labels: ['inventory', 'code'], samples };
}

function timesOf(report: ProductionReport): Sample[] {
  const { machine: name, plannedMs, breakMs, busyMs, runMs, setupMs, unplannedMs, microStopMs, noDataMs } = report;
  const times = {
    run: runMs,
    micro_stop: microStopMs,
    setup: setupMs,
    planned_stop: plannedMs - breakMs - busyMs,
    unplanned_stop: unplannedMs,
    break: breakMs,
    no_data: noDataMs,
  };
  return Object.entries(times).map(([kind, ms]) => ({ labels: { machine: name, kind }, value: seconds(ms) }));
}

function modbusServer(
  name: string,
  type: Metric['type'],
  help: string,
  of: Of<NonNullable<NonNullable<GatewayStatus['serving']>['modbus']>>,
): Metric {
  const samples = ({ serving }: GatewayStatus): Sample[] =>
    serving?.modbus ? [{ labels: {}, value: of(serving.modbus) }] : [];
  return { name, type, help, labels: [], samples };
}

function everyDevice({ channels }: GatewayStatus): { labels: Record<string, string>; part: DeviceStatus }[] {
  return channels.flatMap(({ name, devices }) =>
    devices.map((part) => ({ labels: { channel: name, device: part.name }, part })),
  );
}

function held(what: 'records' | 'events' | 'droppedRecords' | 'droppedEvents'): Of<GatewayStatus> {
  return ({ store }) => store.held[what];
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

function labelText(labels: Sample['labels']): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length > 0 ? `{${pairs.join(',')}}` : '';
}

/** As the format wants label values: backslash, quote and line feed are escaped. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
