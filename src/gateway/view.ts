/** Serves the present state of the gateway to the API. */
import { isRawReading } from '../../hal/modbus/abilities.ts';
import type { RulesView } from '../api/rules-view.ts';
import type { TraceView } from '../api/trace-view.ts';
import type { GatewayStatus, GatewayView, RecordingView, WriteCounts } from '../api/view.ts';
import type { Config } from '../config/config.ts';
import { type Clock, instantOf, underBoth } from '../core/clock.ts';
import { EXIT, Fault } from '../core/errors.ts';
import type { EventBody } from '../core/event.ts';
import { rangesOf } from '../core/intervals.ts';
import type { Reading, TagId } from '../core/reading.ts';
import { shownOf } from '../core/reading.ts';
import type { Serving } from '../serve/serving.ts';
import type { Committer } from '../store/committer.ts';
import { recordPage } from '../store/read/history.ts';
import type { Store, StoreStatus } from '../store/store.ts';
import type { Forwarder } from '../uplink/forwarder.ts';
import { channelStatus, type Line } from './channel-status.ts';
import type { Judging } from './judging.ts';
import type { Lines } from './lines.ts';
import type { LiveTable } from './live.ts';
import { alarmCounts } from './rules.ts';
import type { Notifiers } from './upstream/notifiers.ts';
import type { Uplinks } from './upstream/uplinks.ts';
import type { Writer } from './writer.ts';

/** What a view shows. */
interface ViewParts {
  /** The configuration in force. */
  readonly config: () => Config;
  readonly simulate: boolean;
  readonly version: string;
  readonly clock: Clock;
  readonly store: Store;
  readonly committer: Pick<Committer, 'status'>;
  readonly live: LiveTable;
  readonly lines: Lines;
  readonly uplinks: Uplinks;
  readonly notifiers: Pick<Notifiers, 'statuses'>;
  readonly serving: Pick<Serving, 'status'>;
  readonly judging: Judging;
  /** Ends what still waits when the gateway stops. */
  readonly stopping: AbortSignal;
  readonly write: Writer;
  readonly writes: WriteCounts;
  readonly event: (body: EventBody) => void;
}

/** What the API serves of everything but the rules; always of the configuration in force. */
export function createView(
  parts: ViewParts,
): Omit<
  GatewayView,
  keyof RulesView | keyof RecordingView | keyof TraceView | 'configuration' | 'bundles' | 'checkpoint'
> {
  const { clock, live, lines, store } = parts;
  const startedMs = clock.wallMs();
  const storeStatus = rememberedStatus(store, clock);
  const shared = sharedReads((ids, signal) => readNow(parts, ids, signal));
  return {
    status: async () => statusOf(parts, startedMs, await storeStatus()),
    tags: () =>
      live.tags().map(({ config: tag, last, readings }) => ({
        tag: tag.tag.id,
        unit: tag.unit,
        everyMs: tag.everyMs,
        description: tag.description,
        reportMs: tag.deadband === undefined ? tag.everyMs : tag.heartbeatMs,
        min: tag.min,
        max: tag.max,
        writable: tag.writable,
        ...shownOf(tag),
        last,
        readings,
      })),
    readNow: shared,
    probe: createProber(lines.all, parts.stopping),
    write: async (tag, value, signal, by) => ({
      ...(await parts.write(tag, value, { kind: 'person', by }, signal)),
      tag,
    }),
    history: (query) => store.history(query),
    rollups: (query) => store.rollups(query),
    records: (query) => recordPage(store, query),
    ledger: (sinceId) => store.ledger(sinceId),
    replay: createReplay(store, parts.uplinks.forwarders, parts.event),
    onReadings: (listener) => live.onReadings(listener),
  };
}

/** The longest that the store is waited for before its last answer is told instead, ms. */
const STORE_WAIT_MS = 300;

/** The status of the store; the last one there was, when a disk that stands still keeps it from answering. */
function rememberedStatus(store: Pick<Store, 'status'>, clock: Clock): () => Promise<StoreStatus> {
  let last: StoreStatus | undefined;
  let asking: Promise<StoreStatus> | undefined;
  const ask = async () => {
    try {
      last = await store.status();
      return last;
    } finally {
      asking = undefined;
    }
  };
  return async () => {
    asking ??= ask();
    const asked = asking;
    if (!last) return asked;
    const answered = new AbortController();
    const late = clock.sleep(STORE_WAIT_MS, answered.signal).then(
      () => last!,
      () => asked,
    );
    return Promise.race([asked, late]).finally(() => answered.abort());
  };
}

function statusOf(parts: ViewParts, startedMs: number, store: StoreStatus): GatewayStatus {
  const { clock, live, simulate, version } = parts;
  const { heldRecords, heldEvents, droppedRecords, droppedEvents, standstill, trouble } = parts.committer.status();
  const held = { records: heldRecords, events: heldEvents, droppedRecords, droppedEvents, standstill };
  const config = parts.config();
  return {
    gateway: config.gateway.id,
    timezone: config.gateway.timezone,
    version,
    pid: process.pid,
    config: { file: config.file, hash: config.hash },
    startedMs,
    nowMs: clock.wallMs(),
    clockKnown: clock.known(),
    simulated: simulate || config.channels.every(({ driver }) => driver.simulated),
    rssBytes: process.memoryUsage.rss(),
    readingsPerSecond: live.readingsPerSecond(clock.monoMs()),
    channels: parts.lines.all().map((line) => channelStatus(line, live, clock, simulate)),
    alarms: alarmCounts(parts.judging.engine()),
    writes: { ...parts.writes },
    store: { ...store, held, trouble: trouble ?? store.trouble },
    uplinks: parts.uplinks.statuses(),
    notifiers: parts.notifiers.statuses(),
    serving: parts.serving.status(),
  };
}

type ReadNow = GatewayView['readNow'];

/**
 * Reads the same tags once for all who ask while they are being read: a page that many have open costs the line one
 * request. It is given up when the last of them has gone.
 */
export function sharedReads(read: ReadNow): ReadNow {
  const running = new Map<
    string,
    { readonly answer: ReturnType<ReadNow>; readonly end: AbortController; waiting: number }
  >();
  const begin = (key: string, ids: readonly TagId[]) => {
    const end = new AbortController();
    const answer = read(ids, end.signal).finally(() => {
      if (running.get(key)?.end === end) running.delete(key);
    });
    const started = { answer, end, waiting: 0 };
    running.set(key, started);
    return started;
  };
  return async (ids, signal) => {
    signal.throwIfAborted();
    const key = ids.join('\n');
    const request = running.get(key) ?? begin(key, ids);
    request.waiting += 1;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        request.waiting -= 1;
        if (request.waiting === 0) {
          running.delete(key);
          request.end.abort(signal.reason);
        }
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      request.answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    });
  };
}

async function readNow(parts: ViewParts, ids: readonly TagId[], signal: AbortSignal): Promise<readonly Reading[]> {
  const { live, lines, clock } = parts;
  const found = ids.map((id) => live.known(id));
  const computed = new Set(parts.config().derived.flatMap(({ tag: { tag } }) => (ids.includes(tag.id) ? tag.id : [])));
  const read = lines.all().map(({ poller }) => {
    const tags = found
      .filter(({ tag }) => !computed.has(tag.id))
      .filter(({ tag }) => poller.channel.devices.some(({ name }) => name === tag.device))
      .map(({ tag }) => tag);
    return tags.length > 0 ? underBoth(signal, parts.stopping, (either) => poller.readNow(tags, either)) : [];
  });
  const readings: (readonly Reading[] | Reading)[] = await Promise.all(read);
  // A computed tag is read by reading its tags: it has what it had at the last of them.
  for (const id of computed) readings.push(live.lastOf(id, instantOf(clock)));
  const byTag = new Map<TagId, Reading>(readings.flat().map((reading) => [reading.tag, reading]));
  return ids.flatMap((id) => byTag.get(id) ?? []);
}

/**
 * Reads memory that no tag names through the channel that polls the line.
 *
 * @param running the channels at work
 * @param stopping ends what still waits when the gateway stops
 */
export function createProber(running: () => readonly Line[], stopping: AbortSignal): GatewayView['probe'] {
  return async (channel, block, signal) => {
    const lines = running();
    const line = lines.find(({ poller }) => poller.channel.name === channel);
    if (!line) {
      const names = lines.map(({ poller }) => poller.channel.name).join(', ');
      throw new Fault(`there is no channel ${JSON.stringify(channel.slice(0, 80))}`, `There is: ${names}.`, EXIT.usage);
    }
    const { driver, poller } = line;
    if (!isRawReading(driver)) throw new Fault(`${channel} is no Modbus line`, 'Name a Modbus channel.', EXIT.usage);
    return underBoth(signal, stopping, (either) => poller.meanwhile((stop) => driver.readRaw(block, stop), either));
  };
}

/**
 * Sends what is stored again on request. Each time leaves an audit event.
 *
 * @param forwarders those of the uplinks that are configured now
 */
export function createReplay(
  store: Pick<Store, 'status'>,
  forwarders: () => readonly Forwarder[],
  event: (body: EventBody) => void,
): GatewayView['replay'] {
  return async (uplink, { stream, from, to }, by) => {
    const forwarder = forwarders().find((one) => one.status().name === uplink);
    if (!forwarder) throw new Fault(`there is no uplink ${uplink}`, 'millgate status lists the uplinks.', EXIT.failed);
    const { stored } = await store.status();
    const found = stored[stream]
      .map((range) => ({ from: Math.max(range.from, from), to: Math.min(range.to, to) }))
      .filter((range) => range.from < range.to);
    const count = found.reduce((sum, range) => sum + forwarder.replay(stream, range), 0);
    const message = `${count} ${stream} of ${from} to ${to - 1} are sent to ${uplink} again, as ${by} wishes`;
    event({ kind: 'audit', what: 'replay', message, uplink, stream, from, to: to - 1, count, by });
    return { count, stored: rangesOf(found).map((range) => ({ from: range.from, to: range.to - 1 })) };
  };
}
