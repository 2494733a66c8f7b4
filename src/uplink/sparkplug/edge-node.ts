/** An uplink that is an edge node of Sparkplug B 3.0: the gateway is the node, its devices are the node's devices. */
import type { IClientOptions } from 'mqtt';
import type { MqttConfig, SparkplugConfig, TagConfig } from '../../config/config.ts';
import { unlessAborted, within } from '../../core/clock.ts';
import { Fault } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { TagId } from '../../core/reading.ts';
import { throughProxy } from '../http/proxy.ts';
import { createJsonEncoder, type JsonEncoder } from '../json.ts';
import type { MqttDeps } from '../mqtt.ts';
import {
  type AcceptedClient,
  CONNECT_TIMEOUT_MS,
  contextOf,
  createDialer,
  type Dial,
  join,
  plainOptions,
} from '../mqtt-dial.ts';
import { type Subject, Suspicion } from '../mqtt-hangup.ts';
import { Certificates } from '../mqtt-tls.ts';
import { type BrokerContext, explainEarlyCloses, explainHangUp, explainTrouble } from '../mqtt-trouble.ts';
import type { SessionEnd, Uplink, UplinkSession } from '../uplink.ts';
import type { CommittedValues } from './committed-values.ts';
import { type CommandDeps, NodeCommands } from './node-commands.ts';
import { NodeEvents } from './node-events.ts';
import { deathPayload, topicOf } from './node-publisher.ts';
import { NodeSession } from './node-session.ts';
import { PrimaryHost } from './primary-host.ts';
import { Aliases, Roster } from './roster.ts';

/** What an edge node needs beside its configuration. */
export interface EdgeNodeDeps extends Omit<MqttDeps, 'tags' | 'topics'> {
  /** Every tag of the configuration in force; asked for each birth. */
  readonly tagConfigs: () => readonly TagConfig[];
  readonly committed: CommittedValues;
  readonly births: BirthMemory;
  readonly commands: CommandDeps;
}

/** What outlives the process: the number of the last connection that a broker accepted, or may have. */
interface BirthMemory {
  readonly used: number | undefined;
  /** Resolves when it is on the disk. */
  save(bdSeq: number | undefined): Promise<void>;
}

/** Sessions that the broker closes so soon, so many times in a row, are told of with what may be the cause. */
const EARLY_CLOSE_MS = 10_000;
const EARLY_CLOSES = 3;

/** How long a broker is listened to for the primary host, where there are others. */
const HOST_WAIT_MS = 5000;

/** One message: records and fields at most. The forwarder also aims at 64 KiB. */
const LIMITS = { records: 500, fields: 5000 } as const;

/** An edge node; see {@link Uplink}. */
export function createEdgeNode(config: MqttConfig, sparkplug: SparkplugConfig, deps: EdgeNodeDeps): Uplink {
  return new EdgeNode(config, sparkplug, deps);
}

class EdgeNode implements Uplink {
  readonly name: string;
  readonly limits = LIMITS;
  private readonly config: MqttConfig;
  private readonly sparkplug: SparkplugConfig;
  private readonly deps: EdgeNodeDeps;
  private readonly log: Logger;
  /** The brokers, of which one at a time is connected to. */
  private readonly brokers: readonly { readonly url: URL; readonly context: BrokerContext }[];
  private turn = 0;
  private readonly dial: Dial;
  private readonly certificates: Certificates;
  private readonly encoder: JsonEncoder;
  private readonly aliases = new Aliases();
  private readonly suspicion = new Suspicion();
  private readonly host: PrimaryHost | undefined;
  private isWaiting = false;
  private earlyCloses = 0;

  constructor(config: MqttConfig, sparkplug: SparkplugConfig, deps: EdgeNodeDeps) {
    this.config = config;
    this.sparkplug = sparkplug;
    this.deps = deps;
    this.name = config.name;
    this.log = deps.log.scoped(config.name);
    this.brokers = [config.url, ...sparkplug.servers].map((text) => {
      const url = new URL(text);
      return { url, context: contextOf(url, config) };
    });
    this.dial = throughProxy(deps.dial ?? createDialer(deps.clock), config.proxy, deps.secrets);
    this.certificates = new Certificates({ ...deps, log: this.log, name: config.name, tls: config.tls });
    this.encoder = createJsonEncoder({
      gateway: deps.gateway,
      get config() {
        return deps.configHash;
      },
    });
    this.host = sparkplug.primaryHost === undefined ? undefined : new PrimaryHost(sparkplug.primaryHost);
  }

  waitsFor(): string | undefined {
    return this.isWaiting ? this.host?.waitText() : undefined;
  }

  async connect(signal: AbortSignal): Promise<UplinkSession> {
    try {
      const session = await this.connectTo(signal);
      // After the host went, the next broker is asked: it may have moved there.
      session.ended.then(({ isPlanned }) => {
        if (isPlanned) this.turn++;
      });
      return session;
    } catch (error) {
      this.turn++;
      throw error;
    }
  }

  private get url(): URL {
    return this.brokers[this.turn % this.brokers.length]!.url;
  }

  private get context(): BrokerContext {
    return this.brokers[this.turn % this.brokers.length]!.context;
  }

  private async connectTo(signal: AbortSignal): Promise<UplinkSession> {
    await this.deps.mayLoad;
    const { clock } = this.deps;
    const { address } = this.context;
    const late = (what: string) => (): never => {
      throw new Fault(
        `${address} ${what}. Check the address, firewalls on the way, and that it is an MQTT broker.`,
        '',
      );
    };
    this.host?.begin();
    const open = (inTime: AbortSignal) => this.open(inTime);
    const session = await within(clock, CONNECT_TIMEOUT_MS, open, late('did not answer as a broker in time'), signal);
    try {
      this.isWaiting = true;
      await this.hostOf(session, signal);
      this.isWaiting = false;
      const birth = (inTime: AbortSignal) => unlessAborted(session.birth(inTime), inTime);
      await within(clock, CONNECT_TIMEOUT_MS, birth, late('took no births in time'), signal);
    } catch (error) {
      this.isWaiting = false;
      await session.close();
      throw error;
    }
    this.certificates.watch(session.ended);
    return session;
  }

  /** Waits for the primary host; where there are other brokers, not for long, as it may be at one of these. */
  private hostOf(session: NodeSession, signal: AbortSignal): Promise<unknown> {
    const { context, brokers, deps, host } = this;
    const wait = (inTime: AbortSignal) => unlessAborted(session.hostIsThere(), inTime);
    if (brokers.length === 1) return wait(signal);
    const late = (): never => {
      throw new Fault(`${context.address}: ${host?.waitText()}; the next broker is asked.`, '');
    };
    return within(deps.clock, HOST_WAIT_MS, wait, late, signal);
  }

  /** A session that the broker accepted, and that hears what is said to it. */
  private async open(signal: AbortSignal): Promise<NodeSession> {
    const { config, deps } = this;
    const files = await this.certificates.load();
    const password = config.password && (await deps.secrets(config.password));
    signal.throwIfAborted();
    const bdSeq = ((deps.births.used ?? -1) + 1) % 256;
    const { url, context, dial } = this;
    const joining = {
      url,
      context,
      dial,
      files,
      serverName: config.tls?.serverName,
      options: this.optionsOf(bdSeq, password),
    };
    const accepted = await this.counted(bdSeq, signal, (beforeConnect) => join({ ...joining, beforeConnect }, signal));
    const session = this.sessionOf(accepted, bdSeq);
    try {
      await unlessAborted(session.subscribe(), signal);
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /**
   * Counts a connection before it is asked for, so that no number comes twice after a power cut, and takes that back when
   * the broker did not accept it. What the broker did not answer at all stays counted: it may have accepted it.
   */
  private async counted<T>(
    bdSeq: number,
    signal: AbortSignal,
    connect: (beforeConnect: () => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const { births } = this.deps;
    const before = births.used;
    let isAsked = false;
    try {
      return await connect(async () => {
        await unlessAborted(births.save(bdSeq), signal);
        isAsked = true;
      });
    } catch (error) {
      if (isAsked && !signal.aborted) void births.save(before).catch(() => {});
      throw error;
    }
  }

  private optionsOf(bdSeq: number, password: string | undefined): IClientOptions {
    const { config, sparkplug, deps } = this;
    // What all hosts and brokers of this field speak; MQTT 5 has nothing that data of QoS 0 would gain by.
    const version = config.protocolVersion ?? 4;
    const payload = deathPayload(bdSeq, deps.clock.wallMs());
    return {
      ...plainOptions(config, version, password),
      will: { topic: topicOf(sparkplug, 'NDEATH'), payload, qos: 1, retain: false },
    };
  }

  private sessionOf({ client, connack }: AcceptedClient, bdSeq: number): NodeSession {
    const { config, sparkplug, deps, log, aliases, encoder, context } = this;
    const { clock, committed, epoch, version } = deps;
    const facts = () => ({ Version: version, Configuration: deps.configHash, Epoch: epoch });
    const typeOf = (tag: TagId) => roster().typeOf(tag);
    const createRoster = () => new Roster(deps.tagConfigs(), committed, aliases);
    const session: NodeSession = new NodeSession({
      client,
      clock,
      log,
      bdSeq,
      createRoster,
      name: sparkplug,
      clientId: config.clientId,
      ackTimeoutMs: config.ackTimeoutMs,
      protocolVersion: config.protocolVersion ?? 4,
      packetBytes: connack.properties?.maximumPacketSize ?? 268_435_455,
      commanded: () => new Set([...deps.commands.writable()].map((tag) => tag.slice(0, tag.indexOf('/')))),
      host: this.host,
      events: new NodeEvents({ committed, aliases, encoder, epoch, facts, hasEvents: config.events }),
      commands: new NodeCommands({ ...deps.commands, clock, log, aliases, typeOf }),
      suspicion: this.suspicion,
      explain: (error) => explainTrouble(error, context),
      closedByBroker: (lastedMs, subject) => this.closedByBroker(lastedMs, subject),
    });
    const roster = () => session.metrics;
    return session;
  }

  /** What it means that the broker ended a session without a word. */
  private closedByBroker(lastedMs: number, subject: Subject | undefined): SessionEnd {
    const { context, sparkplug } = this;
    const guilty = this.suspicion.ended(subject);
    this.earlyCloses = lastedMs < EARLY_CLOSE_MS ? this.earlyCloses + 1 : 0;
    if (guilty?.kind === 'batch') {
      this.earlyCloses = 0;
      const topic = topicOf(sparkplug, guilty.batch.kind === 'event' ? 'NDATA' : 'DDATA');
      return { reason: `${explainHangUp(topic, context)}.`, takenOver: false, hungUpOn: guilty.batch };
    }
    const often = this.earlyCloses >= EARLY_CLOSES && subject === undefined;
    const reason = often ? explainEarlyCloses(this.earlyCloses, context) : `${context.address} closed the connection.`;
    return { reason, takenOver: false, ...(subject?.kind === 'batch' && { endedBehind: subject.batch }) };
  }
}
