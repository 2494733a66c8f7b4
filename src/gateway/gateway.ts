/** The composition of the running gateway: wires drivers, rules, store and uplinks to one line. */
import type { GatewayView, WriteCounts } from '../api/view.ts';
import type { DeviceStand } from '../config/apply/flow.ts';
import type { Config, UplinkConfig } from '../config/config.ts';
import { type Clock, every, failure, instantOf } from '../core/clock.ts';
import { EXIT, Fault, messageOf } from '../core/errors.ts';
import { type Alarms, createAlarms, type EventBody } from '../core/event.ts';
import type { Logger } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import type { DeviceRecord } from '../core/reading.ts';
import { Serving } from '../serve/serving.ts';
import type { GatewayProgress } from '../service/progress.ts';
import { Committer, type CommitterOptions } from '../store/committer.ts';
import { fillingWatch } from '../store/filling.ts';
import { createGapTeller, GAPS_TOLD } from '../store/gaps.ts';
import type { ForgottenUplink, Store } from '../store/store.ts';
import { openStore } from '../store/thread/open.ts';
import { CHAIN_KEY, checkpointEvent, QualityChain } from '../trace/chain.ts';
import { openSigningKey, type SigningKey } from '../trace/signing.ts';
import type { Dial } from '../uplink/mqtt-dial.ts';
import { CommittedValues } from '../uplink/sparkplug/committed-values.ts';
import type { Uplink } from '../uplink/uplink.ts';
import { type Beginning, watchBeginning } from './beginning.ts';
import { createJudging } from './judging.ts';
import { createLines, type Lines } from './lines.ts';
import { LiveTable } from './live.ts';
import { BEFORE_KEY, learnedKey, parsed, statesFor } from './memory.ts';
import { OutputDriver } from './outputs.ts';
import { type Current, keepUplinks, type ReconfigureParts, reconfigure } from './reconfigure.ts';
import { createRecorder, type Recorder } from './recorder.ts';
import { createProductionView, createRulesView } from './rules.ts';
import { createTraceView, PartCounter } from './tracing.ts';
import { createNotifiers } from './upstream/notifiers.ts';
import { createUplinkMaker, isEdgeNode } from './upstream/uplink-maker.ts';
import { createUplinks } from './upstream/uplinks.ts';
import { createView } from './view.ts';
import { createWriter, type Writer } from './writer.ts';

/** Everything a gateway is made of that it does not make itself. */
interface GatewayOptions {
  readonly config: Config;
  /** Swaps every channel for a simulated one that serves the same devices. */
  readonly simulate: boolean;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  /** Where secrets by name come from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the key that signs the quality records is kept; without it they are chained and not signed. */
  readonly keyFolder?: string;
  /** Default: the store of the configuration, in a thread of its own. The gateway closes it. */
  readonly openStore?: () => Promise<Store>;
  /** Default: the uplink of its type. */
  readonly createUplink?: (uplink: UplinkConfig, store: Store) => Uplink;
  /** How brokers are reached, by uplink. Default: sockets of this machine. */
  readonly dial?: (uplink: string) => Dial;
  /** How many records are held while the disk stalls. Default: the committer's own. */
  readonly heldRecords?: number;
}

/** A gateway at work. */
export interface RunningGateway {
  readonly view: GatewayView;
  /** Resolves once every line and uplink was tried, or has had its time: what is not needed for that may be loaded now. */
  readonly begun: Promise<void>;
  /** Rejects when a part failed in a way that is a bug: the process should end and be started again. */
  readonly failed: Promise<never>;
  /** The configuration in force. */
  config(): Config;
  /**
   * Puts another configuration in force: only what differs is stopped and started, rules that are the same go on. Until
   * `settle` is called it can be taken back by giving the old one. One call at a time.
   *
   * @returns since when it is in force, monotonic ms
   * @throws Fault when that is not possible; then everything runs as before
   */
  reconfigure(config: Config): Promise<number>;
  /** Says that the configuration in force stays: what was kept for the one before is let go. Never throws. */
  settle(): Promise<void>;
  /** How the devices of the configuration in force stand. */
  devices(): readonly DeviceStand[];
  /** Puts an event into the journal. */
  event(body: EventBody): void;
  /** What the lines and the store are at, for whoever watches that they get on. */
  progress(): GatewayProgress;
  /** Stops polling, commits what is in memory, says goodbye upstream. Idempotent. */
  close(): Promise<void>;
}

/** How often the ledger is looked at for gaps that were not told of yet. */
const GAPS_EVERY_MS = 5000;

/** How often it is looked whether the store fills with what is not delivered. */
const FILLING_EVERY_MS = 300_000;

/** How often the chain of quality records is signed, where there is something new. */
const SIGN_EVERY_MS = 600_000;

/** How often what drivers learned is handed to the store where it changed: counts on pins are part of it. */
const LEARNED_EVERY_MS = 5000;

/** The parts of a gateway, which outlive its configurations. */
interface Parts extends ReconfigureParts {
  readonly event: (body: EventBody) => void;
  readonly write: Writer;
  readonly writes: WriteCounts;
  /** Where line, store and uplinks raise the alarms of the gateway itself. */
  readonly alarms: Alarms;
  readonly recorder: Recorder;
  readonly beginning: Beginning;
  /** The chain of quality records. */
  readonly chain: QualityChain;
  readonly counted: PartCounter;
  /** What drivers learned, by channel, as it was last handed to the store. */
  readonly learned: Map<string, string>;
  /** What the API serves, and what orders that come over uplinks are given to. */
  readonly view: GatewayView;
}

/** Makes a running gateway of a checked configuration. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { config } = options;
  const store = await (options.openStore?.() ?? openConfiguredStore(options));
  const states = await store.states();
  const lastRun = await lastRunText(store);
  const forgotten = await keepUplinks(store, config.uplinks);
  const stop = new AbortController();
  const { failed, fail } = failure();
  const parts = assemble(options, store, statesFor(config, states), stop.signal, fail);
  const endChores = await begin(options, parts, states, forgotten, lastRun);
  return running(options, parts, failed, () => {
    endChores();
    stop.abort();
  });
}

/** How many of the last events are looked at for the end of the run before. */
const JOURNAL_END = 100;

/** What is to be said of the run before: nothing when there was none, or the journal ends with its stop. */
async function lastRunText(store: Store): Promise<string> {
  const { stored, next, newestWallMs } = await store.status();
  const end = stored.events.at(-1)?.to;
  if (end === undefined) return '';
  // A journal that cannot be read must not keep the gateway from its work: then nothing is said.
  const last = await store.peekEvents(Math.max(0, end - JOURNAL_END), JOURNAL_END).catch(() => undefined);
  // What was written directly while no gateway ran stands behind the end of the run.
  const body = last?.events.map((event) => event.body).findLast((each) => !('direct' in each));
  const isStopped = end === next.events && body?.kind === 'lifecycle' && body.what === 'stopped';
  if (isStopped || body === undefined) return '';
  const newest = newestWallMs === undefined ? '' : `; its last reading is of ${new Date(newestWallMs).toISOString()}`;
  return `; the last run ended without stopping (it was killed, or the power was cut)${newest}`;
}

/**
 * Makes every part and joins them to the line; nothing runs yet. This is all of it: what a channel reads is judged; what
 * was judged is shown and committed in one transaction; what is committed goes to the uplinks.
 */
function assemble(
  options: GatewayOptions,
  store: Store,
  states: ReadonlyMap<string, string>,
  stopping: AbortSignal,
  onFailed: (cause: unknown) => void,
): Parts {
  const { config, clock, log, random, simulate, version } = options;
  const current: Current = { config, kept: undefined };
  const chain = new QualityChain(states.get(CHAIN_KEY), signingKeyOf(options));
  const live = new LiveTable(config, clock.monoMs());
  const beginning = watchBeginning(config, clock);
  const shared = { clock, log, random, onFailed };
  const event = (body: EventBody): void =>
    committer.acceptEvents([{ ...instantOf(clock), clockKnown: clock.known(), body }]);
  const writes = { written: 0, refused: 0, unknown: 0, mismatch: 0 };
  const write = createWriter(() => current.config, live, { of: (device) => lines.of(device) }, stopping, event, writes);
  const recorder = createRecorder({ config: () => current.config, version, clock, simulate });
  const alarms = createAlarms(event);
  const committed = new CommittedValues();
  const counted = new PartCounter();
  const setState = (key: string, json: string | null): void => committer.setState(key, json);
  const kept = { store, states, setState, alarms, event };
  const create = createUplinkMaker({
    ...options,
    ...kept,
    current,
    committed,
    mayLoad: beginning.heardOf,
    flush: () => committer.flush(),
    write,
    stopping,
    view: () => parts.view,
  });

  const lines = createLines({
    ...shared,
    simulate,
    recorder,
    event,
    alarms,
    onRecord: (record) => receive(record, parts),
  });
  const judging = createJudging(config, states, {
    clock,
    onReadings: (record) => live.accept(record),
    commit: (verdict) => committer.acceptJudged(verdict),
    drive: (tag, value, by) => outputs.drive(tag, value, by),
  });
  const outputs = outputsWith({ clock, event, signal: stopping }, write, lines);
  const onCommitted: CommitterOptions['onCommitted'] = (receipt, batch) => {
    if (current.config.uplinks.some(isEdgeNode)) committed.take(receipt, batch);
    counted.take(batch.events);
    for (const each of [uplinks, notifiers]) each.committed(receipt, batch);
  };
  const told = { onFailed, link: linkTo(chain), onCommitted, onTrouble: tellTrouble(alarms) };
  const committer = committerOf(options, store, current, told);
  const uplinks = createUplinks({ ...shared, ...kept, create, onTried: beginning.tried });
  const notifiers = createNotifiers({ ...options, ...shared, ...kept });
  const serving = new Serving({ ...shared, alarms, lastOf: (tag) => live.last(tag) });

  const made = { recorder, beginning, committer, live, lines, uplinks, notifiers, serving, judging, outputs, write };
  const own = { chain, counted, writes, current, stopping, learned: new Map<string, string>() };
  const joined = { ...made, ...kept, ...shared, ...own };
  const parts: Parts = { ...joined, view: viewOf(options, joined) };
  return parts;
}

/** A channel has read something. */
function receive(record: DeviceRecord, { judging, beginning, outputs }: Parts): void {
  judging.accept(record);
  beginning.heard(record.device);
  if (record.fields.hasValue()) outputs.heard(record.device);
}

/** What drives the outputs of alarms. */
function outputsWith(
  shared: Pick<ConstructorParameters<typeof OutputDriver>[0], 'clock' | 'event' | 'signal'>,
  write: Writer,
  lines: Lines,
): OutputDriver {
  return new OutputDriver({
    ...shared,
    write: (tag, value, alarm, signal) => write(tag, value, { kind: 'alarm', alarm }, signal),
    isConnected: (device) => lines.of(device)?.poller.state.state === 'connected',
  });
}

/** Links the events of a commit to the chain of quality records; the end of the chain is committed with them. */
function linkTo(chain: QualityChain): CommitterOptions['link'] {
  return (events) => {
    const { events: linked, state } = chain.link(events);
    return { events: linked, states: new Map(state === undefined ? [] : [[CHAIN_KEY, state]]) };
  };
}

function tellTrouble(alarms: Alarms): CommitterOptions['onTrouble'] {
  return (trouble) => {
    if (trouble === undefined) alarms.clear('store/disk', 'store: the disk takes commits again');
    else alarms.raise('store/disk', `store: ${trouble}`);
  };
}

/** Starts what was assembled, the receiving end first; the returned function ends what is done now and then. */
async function begin(
  { config, clock, log, version }: GatewayOptions,
  parts: Parts,
  states: ReadonlyMap<string, string>,
  forgotten: readonly ForgottenUplink[],
  lastRun: string,
): Promise<() => void> {
  const { committer, event, judging, lines, store, uplinks, onFailed } = parts;
  const message = `millgate ${version} started${lastRun}`;
  event({ kind: 'lifecycle', what: 'started', message, version, config: config.hash });
  tellForgotten(forgotten, parts, log);
  await uplinks.replace(config.uplinks, config.gateway.id);
  await parts.notifiers.replace(config);
  const made = config.channels.map((channel) => lines.make(channel, parsed(states.get(learnedKey(channel.name)))));
  lines.set(made);
  judging.start();
  for (const line of made) lines.start(line);
  await parts.serving.replace(config.serve);
  const gaps = createGapTeller(store, committer, clock, states.get(GAPS_TOLD), parts.alarms);
  const endLearning = every(clock, LEARNED_EVERY_MS, () => saveLearned(parts));
  const endTelling = every(clock, GAPS_EVERY_MS, () => void gaps.tell().catch(onFailed));
  const lookAtRoom = fillingWatch(store, parts.alarms);
  const endLooking = every(clock, FILLING_EVERY_MS, () => void lookAtRoom().catch(onFailed));
  // What the last run left unsigned, as the power was cut.
  signChain(parts);
  const endSigning = every(clock, SIGN_EVERY_MS, () => signChain(parts));
  return () => {
    endSigning();
    endLearning();
    endTelling();
    endLooking();
  };
}

/** What the caller holds of a gateway that runs. `halt` ends its chores and whatever waits. */
function running(options: GatewayOptions, parts: Parts, failed: Promise<never>, halt: () => void): RunningGateway {
  const { current, committer, lines, live, event } = parts;
  let changing: Promise<unknown> = Promise.resolve();
  let closing: Promise<void> | undefined;
  return {
    view: parts.view,
    begun: parts.beginning.begun,
    failed,
    config: () => current.config,
    reconfigure(next) {
      if (closing) return Promise.reject(new Fault('the gateway stops', 'Try again when it runs.', EXIT.unavailable));
      const change = reconfigure(parts, next);
      changing = change;
      return change;
    },
    settle: () => settle(parts, options.log),
    devices: () => devicesOf(current.config, live, lines),
    event,
    progress: () => ({
      lines: lines.made().map(({ poller }) => ({
        name: poller.channel.name,
        state: poller.state.state,
        ...poller.progress,
      })),
      commitSinceMs: committer.status().commitSinceMs,
    }),
    close: () => {
      closing ??= shutDown(parts, changing, halt);
      return closing;
    },
  };
}

/** Stops part by part, the sending end first, so that each may still hand on what it has. */
async function shutDown(parts: Parts, changing: Promise<unknown>, halt: () => void): Promise<void> {
  const { committer, event, judging, lines, store, uplinks, notifiers } = parts;
  halt();
  await changing.catch(() => {});
  await parts.serving.close();
  await lines.halt(lines.made());
  judging.stop();
  saveLearned(parts);
  parts.chain.signNext();
  event({ kind: 'lifecycle', what: 'stopped', message: 'stopped by request' });
  await notifiers.stop();
  await committer.close();
  await uplinks.stop();
  await store.close();
}

/** Lets go what was kept of the configuration before the one in force. */
async function settle(parts: Parts, log: Logger): Promise<void> {
  const { current, committer, store } = parts;
  current.kept = undefined;
  committer.setState(BEFORE_KEY, null);
  saveLearned(parts);
  try {
    tellForgotten(await keepUplinks(store, current.config.uplinks), parts, log);
  } catch (error) {
    log.warn(`uplinks that are not configured any more are forgotten with the next start: ${messageOf(error)}`);
  }
}

/** A committer whose pace is that of the configuration in force. */
function committerOf(
  { clock, log, random, heldRecords }: GatewayOptions,
  store: Store,
  current: Current,
  told: Pick<CommitterOptions, 'onFailed' | 'onCommitted' | 'onTrouble' | 'link'>,
): Committer {
  return new Committer({
    store,
    clock,
    log: log.scoped('store'),
    random,
    ...told,
    get commitEveryMs() {
      return current.config.store.commitEveryMs;
    },
    ...(heldRecords !== undefined && { heldRecords }),
  });
}

function viewOf(options: GatewayOptions, parts: Omit<Parts, 'view'>): GatewayView {
  const { judging, store, clock, committer, live, current } = parts;
  const { simulate, version } = options;
  const sender = {
    get gateway() {
      return current.config.gateway.id;
    },
    get config() {
      return current.config.hash;
    },
  };
  const unitOf = (tag: string) => live.find(tag)?.unit;
  return {
    ...createView({ ...parts, simulate, version, config: () => current.config }),
    production: createProductionView(
      () => judging.engine(),
      store,
      clock,
      () => current.config.production,
      () => committer.flush(),
    ),
    ...createRulesView(judging, store, sender, clock, unitOf, () => committer.flush()),
    ...createTraceView({
      engine: () => judging.engine(),
      store,
      clock,
      config: () => current.config,
      counted: parts.counted,
      sender,
      event: parts.event,
      durable: () => committer.flush(),
    }),
    ...parts.recorder.view,
    async checkpoint() {
      // What was accepted so far is linked when it is committed.
      await committer.flush();
      signChain(parts);
      const made = parts.chain.sign(clock.wallMs());
      if (!made) throw new Fault('this gateway has no key that signs', 'Its log says why: journalctl -u millgate.');
      await committer.flush();
      return made;
    },
  };
}

/** The key that signs the chain. The gateway polls and stores without it, too. */
function signingKeyOf({ keyFolder, log }: GatewayOptions): SigningKey | undefined {
  if (keyFolder === undefined) return undefined;
  try {
    return openSigningKey(keyFolder);
  } catch (error) {
    log.error(
      `the key of the quality records in ${keyFolder} cannot be used: ${messageOf(error)}. They are chained but not signed; restore the file from a backup, or remove it and restart: a new key is made.`,
    );
    return undefined;
  }
}

/** Signs what of the chain is not signed yet. */
function signChain({ chain, clock, event }: Pick<Parts, 'chain' | 'clock' | 'event'>): void {
  const made = chain.unsigned > 0 ? chain.sign(clock.wallMs()) : undefined;
  if (made) event(checkpointEvent(made));
}

function openConfiguredStore({ config, clock, log }: GatewayOptions): Promise<Store> {
  const { path, maxBytes, replayMs } = config.store;
  return openStore({ path, maxBytes, replayMs, clock, log: log.scoped('store') });
}

/** Says what uplinks that are not configured any more were not given. */
function tellForgotten(forgotten: readonly ForgottenUplink[], { event }: Parts, log: Logger): void {
  for (const { uplink, records, events } of forgotten) {
    const message = `uplink ${uplink} is not configured any more; ${records} records and ${events} events were not delivered to it`;
    log.warn(message);
    event({ kind: 'audit', what: 'uplink-forgotten', message, uplink, records, events });
  }
}

function saveLearned({ lines, committer, learned }: Parts): void {
  for (const [channel, what] of lines.learned()) {
    const text = JSON.stringify(what);
    if (learned.get(channel) === text) continue;
    learned.set(channel, text);
    committer.setState(learnedKey(channel), text);
  }
}

function devicesOf({ channels }: Config, live: LiveTable, lines: Lines): DeviceStand[] {
  return channels.flatMap((channel) =>
    channel.devices.map(({ name }) => ({
      device: name,
      channel: channel.name,
      isGood: live.isGood(name),
      lastGoodMs: live.lastGoodMs(name),
      isConnected: lines.of(name)?.poller.state.state === 'connected',
    })),
  );
}
