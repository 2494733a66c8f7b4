import { readFile } from 'node:fs/promises';
import { type Driver, type DriverDeps, hasLearned, type WriteResult } from '../hal/driver.ts';
import { simulatedDriver } from '../hal/mock/simulate.ts';
import { loopbackModbus } from '../hal/modbus/types.ts';
import type { RulesView } from './api/rules-view.ts';
import type { GatewayStatus, GatewayView, RecordingView } from './api/view.ts';
import type { ChannelConfig, Config, UplinkConfig } from './config/config.ts';
import { readSecret } from './config/secrets.ts';
import { type Clock, instantOf, untilKnown } from './core/clock.ts';
import type { EventBody } from './core/event.ts';
import type { Logger } from './core/log.ts';
import type { Random } from './core/random.ts';
import type { Reading, TagId, Value } from './core/reading.ts';
import { channelStatus, type Line } from './gateway/channel-status.ts';
import { createOutputDriver } from './gateway/outputs.ts';
import { createProber } from './gateway/prober.ts';
import { createRecorder } from './gateway/recorder.ts';
import { createReplay } from './gateway/replay.ts';
import { ruleConfigOf } from './gateway/rule-config.ts';
import { alarmCounts, createRulesView } from './gateway/rules.ts';
import { createWriter } from './gateway/writer.ts';
import { LiveTable } from './poll/live.ts';
import { Poller } from './poll/poller.ts';
import { RuleEngine } from './rules/engine.ts';
import { createRuleSet } from './rules/rule-set.ts';
import type { GatewayProgress } from './service/progress.ts';
import { createCommitter } from './store/committer.ts';
import { createGapTeller, GAPS_TOLD } from './store/gaps.ts';
import { openStore } from './store/open.ts';
import { recordPage } from './store/records.ts';
import type { Store } from './store/store.ts';
import { createForwarder, type Forwarder } from './uplink/forwarder.ts';
import { createMqttUplink } from './uplink/mqtt.ts';
import type { Uplink } from './uplink/uplink.ts';

/** Everything a gateway is made of that it does not make itself. */
export interface GatewayOptions {
  readonly config: Config;
  /** Swaps every channel for a simulated one that serves the same devices. */
  readonly simulate: boolean;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  /** Where secrets by name come from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Default: the store of the configuration, in a thread of its own. The gateway closes it. */
  readonly openStore?: () => Promise<Store>;
  /** Default: the uplink of its type. */
  readonly createUplink?: (uplink: UplinkConfig, store: Store) => Uplink;
  /** How many records are held while the disk stalls. Default: the committer's own. */
  readonly heldRecords?: number;
}

/** A gateway at work. */
export interface RunningGateway {
  readonly view: GatewayView;
  /** Rejects when a part failed in a way that is a bug: the process should end and be started again. */
  readonly failed: Promise<never>;
  /** What the lines and the store are at, for whoever watches that they get on. */
  progress(): GatewayProgress;
  /** Stops polling, commits what is in memory, says goodbye upstream. Idempotent. */
  close(): Promise<void>;
}

/** A tag that reports by itself is polled at this period when its channel is simulated. */
const SIMULATED_EVERY_MS = 1000;

/** How often the ledger is looked at for gaps that were not told of yet. */
const GAPS_EVERY_MS = 5000;

/** Records are not published before the clock is known, so that they go with the right time; but after this they do. */
const CLOCK_WAIT_MS = 60_000;

/** Keys under which the store keeps what is not a rule's state. */
const LEARNED_PREFIX = 'learned:';

/** How often what drivers learned is handed to the store. */
const LEARNED_EVERY_MS = 60_000;

function openConfiguredStore({ config, clock, log }: GatewayOptions): Promise<Store> {
  const { path, maxBytes, replayMs } = config.store;
  return openStore({ path, maxBytes, replayMs, clock, log: log.scoped('store') });
}

function uplinkOf(uplink: UplinkConfig, store: Store, options: GatewayOptions): Uplink {
  if (options.createUplink) return options.createUplink(uplink, store);
  const { config, clock, log, version, environment } = options;
  return createMqttUplink(uplink, {
    ...{ clock, log, version, epoch: store.epoch, gateway: config.gateway.id, configHash: config.hash },
    secrets: (ref) => readSecret(ref, { env: environment, warn: (message) => log.warn(message) }),
    readFile: (path) => readFile(path),
  });
}

/** Makes a running gateway of a checked configuration. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { config, clock, log, random } = options;
  const stop = new AbortController();
  const store = await (options.openStore?.() ?? openConfiguredStore(options));
  const states = await store.states();
  const { newestWallMs } = await store.status();
  if (newestWallMs !== undefined) clock.notBefore?.(newestWallMs);
  const forgotten = await store.keepUplinks(config.uplinks.map(({ name }) => name));
  let fail: (cause: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const live = new LiveTable(config, clock.monoMs());
  const forwarders = config.uplinks.map((uplink) =>
    createForwarder({
      uplink: uplinkOf(uplink, store, options),
      ...{ store, clock, log, random, backfillRate: uplink.backfillRate },
    }),
  );
  const committer = createCommitter({
    ...{ store, clock, log: log.scoped('store'), random },
    commitEveryMs: config.store.commitEveryMs,
    ...(options.heldRecords !== undefined && { heldRecords: options.heldRecords }),
    onFailed: fail,
    onCommitted: (receipt, batch) => {
      for (const forwarder of forwarders) forwarder.committed(receipt, batch);
    },
  });

  const event = (body: EventBody): void => {
    committer.acceptEvents([{ ...instantOf(clock), clockKnown: clock.known(), body }]);
  };
  const outputs = createOutputDriver({
    ...{ clock, event, signal: stop.signal },
    write: (tag, value, signal) => writeTag(live, pollers, tag, value, signal),
  });
  const engine: RuleEngine = new RuleEngine({
    rules: createRuleSet(ruleConfigOf(config), states),
    clock,
    onReadings: (record) => live.accept(record),
    commit: (verdict) => committer.acceptJudged(verdict),
    drive: (tag, value, by) => outputs.drive(tag, value, by),
  });
  const recorder = createRecorder({ config, version: options.version, clock, simulate: options.simulate });
  const pollers: readonly Line[] = config.channels.map((channel) => {
    const scoped = log.scoped(channel.name);
    const learned = parsed(states.get(`${LEARNED_PREFIX}${channel.name}`));
    const driver = driverOf(channel, options.simulate, {
      ...{ clock, log: scoped, random, learned },
      tap: recorder.tapOf(channel.name),
    });
    recorder.knows(channel.name, driver);
    const simulated = options.simulate || channel.driver.simulated;
    const polled = options.simulate ? polledChannel(channel) : channel;
    return {
      driver,
      poller: new Poller(
        polled,
        driver,
        { clock, log: scoped, random, simulated },
        {
          onRecord: (record) => engine.accept(record),
          onHealth(device, { state }) {
            if (state === 'degraded') return;
            const message = state === 'offline' ? 'no answer; probing it now and then' : 'answers again';
            scoped.scoped(device).warn(message);
            event({ kind: 'quality', what: state, device, channel: channel.name, message: `${device}: ${message}` });
          },
          onChannel() {},
        },
      ),
    };
  });

  event({
    kind: 'lifecycle',
    what: 'started',
    message: `millgate ${options.version} started`,
    version: options.version,
    config: config.hash,
  });
  for (const { uplink, records, events } of forgotten) {
    const message = `uplink ${uplink} is not configured any more; ${records} records and ${events} events were not delivered to it`;
    log.warn(message);
    event({ kind: 'audit', what: 'uplink-forgotten', message, uplink, records, events });
  }
  const saveLearned = () => {
    for (const { driver, poller } of pollers) {
      if (!options.simulate && hasLearned(driver))
        committer.setState(`${LEARNED_PREFIX}${poller.channel.name}`, JSON.stringify(driver.learned()));
    }
  };
  engine.start();
  const polling = pollers.map(({ poller }) => poller.run(stop.signal));
  const forwardingStop = new AbortController();
  const forwarding = forwarders.map(async (forwarder) => {
    await untilKnown(clock, CLOCK_WAIT_MS, forwardingStop.signal);
    await forwarder.run(forwardingStop.signal);
  });
  const learning = every(clock, LEARNED_EVERY_MS, saveLearned);
  const gaps = createGapTeller(store, committer, clock, states.get(GAPS_TOLD));
  const telling = every(clock, GAPS_EVERY_MS, () => void gaps.tell().catch(fail));
  for (const part of [...polling, ...forwarding]) part.catch(fail);

  const rulesView = createRulesView(
    engine,
    store,
    config,
    clock,
    (tag) => live.find(tag)?.unit,
    () => committer.flush(),
  );
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    learning();
    telling();
    stop.abort();
    await Promise.allSettled(polling);
    engine.stop();
    saveLearned();
    event({ kind: 'lifecycle', what: 'stopped', message: 'stopped by request' });
    await committer.close();
    forwardingStop.abort();
    await Promise.allSettled(forwarding);
    await store.close();
  };
  return {
    view: {
      ...createView(options, store, live, pollers, forwarders, engine, stop.signal, event),
      ...rulesView,
      ...recorder.view,
    },
    failed,
    progress: () => ({
      lines: pollers.map(({ poller }) => ({
        ...{ name: poller.channel.name, state: poller.state.state },
        ...poller.progress,
      })),
      commitSinceMs: committer.status().commitSinceMs,
    }),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** The driver of a channel: its own, or a simulated one that serves the same devices. */
function driverOf(channel: ChannelConfig, simulate: boolean, deps: DriverDeps): Driver {
  if (!simulate) return channel.driver.create(channel.options, deps);
  const tags = channel.devices.flatMap(({ tags: all }) =>
    all.map((config) => ({ ...config.tag, ...config, address: config.tag.address })),
  );
  return simulatedDriver(channel, tags, deps, (_host, port, framing) => loopbackModbus(port, framing, deps));
}

/** The channel with every tag polled. */
function polledChannel(channel: ChannelConfig): ChannelConfig {
  const devices = channel.devices.map((device) => ({
    ...device,
    tags: device.tags.map((tag) => ({ ...tag, everyMs: tag.everyMs ?? SIMULATED_EVERY_MS })),
  }));
  return { ...channel, devices };
}

/** What was stored, or nothing where it cannot be read. */
function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Calls back every `ms`; the returned function ends it. */
function every(clock: Clock, ms: number, callback: () => void): () => void {
  let cancel = () => {};
  const tick = () => {
    callback();
    cancel = clock.after(ms, tick);
  };
  cancel = clock.after(ms, tick);
  return () => cancel();
}

function createView(
  options: GatewayOptions,
  store: Store,
  live: LiveTable,
  lines: readonly Line[],
  forwarders: readonly Forwarder[],
  engine: RuleEngine,
  stopping: AbortSignal,
  event: (body: EventBody) => void,
): Omit<GatewayView, keyof RulesView | keyof RecordingView> {
  const { config, clock } = options;
  const startedMs = clock.wallMs();
  return {
    async status(): Promise<GatewayStatus> {
      return {
        gateway: config.gateway.id,
        version: options.version,
        pid: process.pid,
        config: { file: config.file, hash: config.hash },
        startedMs,
        nowMs: clock.wallMs(),
        clockKnown: clock.known(),
        simulated: options.simulate || config.channels.every(({ driver }) => driver.simulated),
        rssBytes: process.memoryUsage.rss(),
        readingsPerSecond: live.readingsPerSecond(clock.monoMs()),
        channels: lines.map((line) => channelStatus(line, live, clock, options.simulate)),
        alarms: alarmCounts(engine),
        store: await store.status(),
        uplinks: forwarders.map((forwarder) => forwarder.status()),
      };
    },
    tags: () =>
      live.tags().map(({ config: tag, last, readings }) => ({
        tag: tag.tag.id,
        unit: tag.unit,
        everyMs: tag.everyMs,
        description: tag.description,
        last,
        readings,
      })),
    async readNow(ids, signal) {
      const found = ids.map((id) => live.known(id));
      const both = AbortSignal.any([signal, stopping]);
      const computed = new Set(config.derived.map(({ tag }) => tag.tag.id).filter((id) => ids.includes(id)));
      const readings = await Promise.all(
        lines.map(({ poller }) => {
          const tags = found
            .filter(({ tag }) => !computed.has(tag.id))
            .filter(({ tag }) => poller.channel.devices.some(({ name }) => name === tag.device))
            .map(({ tag }) => tag);
          return tags.length > 0 ? poller.readNow(tags, both) : [];
        }),
      );
      // A computed tag is read by reading its tags: it has what it had at the last of them.
      for (const id of computed) readings.push(live.lastOf(id, instantOf(clock)));
      const byTag = new Map<TagId, Reading>(readings.flat().map((reading) => [reading.tag, reading]));
      return ids.flatMap((id) => byTag.get(id) ?? []);
    },
    probe: createProber(lines, stopping),
    write: createWriter(config, live, lines, stopping, event),
    history: (query) => store.history(query),
    rollups: (query) => store.rollups(query),
    records: (query) => recordPage(store, query),
    ledger: (sinceId) => store.ledger(sinceId),
    replay: createReplay(store, forwarders, event),
    onReadings: (listener) => live.onReadings(listener),
  };
}

/** Writes through the channel that polls the tag. */
function writeTag(
  live: LiveTable,
  lines: readonly Line[],
  id: TagId,
  value: Value,
  signal: AbortSignal,
): Promise<WriteResult> {
  const tag = live.find(id)?.tag;
  const line = lines.find(({ poller }) => poller.channel.devices.some(({ name }) => name === tag?.device));
  if (!tag || !line) return Promise.resolve({ ok: false, kind: 'refused', why: `there is no tag ${id}` });
  return line.poller.write(tag, value, signal);
}
