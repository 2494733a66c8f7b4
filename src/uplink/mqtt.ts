/** An uplink to an MQTT broker. Every session has a client of its own, so that nothing outlives a connection. */
import type { IClientOptions, IConnackPacket } from 'mqtt';
import type { MqttConfig, TagConfig } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { Fault, messageOf } from '../core/errors.ts';
import type { Alarms } from '../core/event.ts';
import type { Logger } from '../core/log.ts';
import { formatDuration } from '../core/quantity.ts';
import { CommandDesk, type UplinkCommands } from './commands/command-desk.ts';
import type { CommandTopicMemory } from './commands/mqtt-commands.ts';
import { throughProxy } from './http/proxy.ts';
import { createJsonEncoder, type StatusPayload, statusText } from './json.ts';
import { LastValues, type TopicMemory } from './last-values.ts';
import {
  type AcceptedClient,
  CONNECT_TIMEOUT_MS,
  contextOf,
  createDialer,
  type Dial,
  goodbye,
  join,
  plainOptions,
  SilentClose,
} from './mqtt-dial.ts';
import { type Subject, Suspicion } from './mqtt-hangup.ts';
import { type BrokerLimits, MqttSession } from './mqtt-session.ts';
import type { StatusMemory } from './mqtt-status.ts';
import { Certificates, type ReadFile, type ReadSecret, type TlsFiles } from './mqtt-tls.ts';
import {
  type BrokerContext,
  explainEarlyCloses,
  explainHangUp,
  explainTrouble,
  isVersionRefusal,
  RETAIN_NOT_SUPPORTED,
  reasonCodeOf,
  takeoverText,
} from './mqtt-trouble.ts';
import { mqttFormOf } from './presets/mqtt-form.ts';
import type { Credentials, MqttForm } from './presets/preset-form.ts';
import { ConnectRefused, type SessionEnd, type Uplink, type UplinkSession } from './uplink.ts';

/** What an MQTT uplink needs beside its configuration. */
export interface MqttDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** `gateway.id`. */
  readonly gateway: string;
  /** `gateway.location`. */
  readonly location?: string | undefined;
  /** Version of the program. */
  readonly version: string;
  /** Hash of the configuration in force; asked for each batch, as it may change while the gateway runs. */
  readonly configHash: string;
  /** Epoch of the store. */
  readonly epoch: string;
  readonly secrets: ReadSecret;
  readonly readFile: ReadFile;
  /** `device/tag` of every tag of the configuration in force; asked each time. */
  readonly tags: () => readonly string[];
  /** The same with what the file says of each, where a product is told. Default: none. */
  readonly tagConfigs?: () => readonly TagConfig[];
  /** Which retained topics were given values by earlier runs. */
  readonly topics: TopicMemory;
  /** Where trouble that an event should tell of is raised. */
  readonly alarms: Alarms;
  /** What may be ordered over it. Default: nothing. */
  readonly orders?: UplinkCommands | undefined;
  /** Opens the stream to the broker. Default: sockets of this machine. */
  readonly dial?: Dial;
  /** When the library may be loaded, which takes a slow processor a second; never rejects. Default: at once. */
  readonly mayLoad?: Promise<void>;
}

/** One message: records and fields at most. The forwarder also aims at 64 KiB. */
const LIMITS = { records: 500, fields: 5000 } as const;

/** Of one message a value, so that a batch is not hundreds of messages. */
const TEMPLATE_LIMITS = { records: 50, fields: 200 } as const;

/** Sessions that the broker closes so soon, so many times in a row, are told of with what may be the cause. */
const EARLY_CLOSE_MS = 10_000;
const EARLY_CLOSES = 3;

/** A session that held for so long was not in dispute. */
const UNDISPUTED_MS = 60_000;

/** A way to ask a broker in: the best is the first, and some brokers hang up on what they do not know. */
interface Way {
  readonly version: 4 | 5;
  /** Whether the will is to be retained. */
  readonly retain: boolean;
}

/** One broker, and what is known of it. */
interface Broker {
  readonly url: URL;
  readonly context: BrokerContext;
  /** It said by a code that it does not speak MQTT 5, or keeps nothing retained. */
  isOldByCode: boolean;
  retainsByCode: boolean;
  /** Which way is tried next; others than the first only after it hung up on those before. */
  wayIndex: number;
}

/** An uplink to an MQTT broker; see {@link Uplink}. */
export function createMqttUplink(config: MqttConfig, deps: MqttDeps): Uplink {
  return new MqttUplink(config, deps);
}

class MqttUplink implements Uplink {
  readonly name: string;
  readonly limits;
  /** The newest value of each tag is found in the records themselves, and so are columns. */
  readonly takesTexts: boolean;
  private readonly config: MqttConfig;
  private readonly deps: MqttDeps;
  private readonly log: Logger;
  /** The brokers, of which one at a time is connected to. */
  private readonly brokers: readonly Broker[];
  private turn = 0;
  private readonly form: MqttForm;
  private readonly lastValues;
  private readonly dial: Dial;
  private readonly certificates: Certificates;
  private readonly suspicion = new Suspicion();
  private readonly desk: CommandDesk | undefined;
  private readonly commandTopic: CommandTopicMemory = { deniedBecause: undefined };
  private readonly status: StatusMemory = {
    maySay: true,
    mayWatch: true,
    ours: new Set(),
    rivalSeen: false,
    refusedBecause: undefined,
  };
  private earlyCloses = 0;
  /** When a broker was last asked to take us in, monotonic ms. */
  private askedMs = Number.NEGATIVE_INFINITY;

  constructor(config: MqttConfig, deps: MqttDeps) {
    this.config = config;
    this.deps = deps;
    this.name = config.name;
    this.limits = config.template ? TEMPLATE_LIMITS : LIMITS;
    this.log = deps.log.scoped(config.name);
    this.brokers = [config.url, ...(config.servers ?? [])].map((text) => {
      const url = new URL(text);
      return { url, context: contextOf(url, config), isOldByCode: false, retainsByCode: true, wayIndex: 0 };
    });
    const sender = {
      gateway: deps.gateway,
      get config() {
        return deps.configHash;
      },
    };
    const encoder = createJsonEncoder(sender, config.layout);
    const { gateway, location, clock, secrets, tagConfigs = () => [] } = deps;
    this.form = mqttFormOf(config, { gateway, location, clock, secrets, tagConfigs, encoder });
    const { hasStatus, retained, takesTexts } = this.form;
    this.status.maySay = this.status.mayWatch = hasStatus;
    this.takesTexts = takesTexts;
    const isPerTag = config.topics === 'per-tag';
    this.lastValues = new LastValues({
      root: config.topic,
      encoder,
      also: retained,
      clock: deps.clock,
      memory: deps.topics,
      tags: isPerTag ? deps.tags : undefined,
    });
    this.desk = deps.orders && new CommandDesk({ ...deps.orders, name: this.name, clock, log: this.log });
    this.dial = throughProxy(deps.dial ?? createDialer(deps.clock), config.proxy, secrets);
    this.certificates = new Certificates({ ...deps, log: this.log, name: config.name, tls: config.tls });
  }

  async connect(signal: AbortSignal): Promise<UplinkSession> {
    await this.deps.mayLoad;
    const { clock } = this.deps;
    const limit = new AbortController();
    const progress = { isAccepted: false };
    const cancel = clock.after(CONNECT_TIMEOUT_MS, () =>
      limit.abort(new Fault(this.lateText(progress.isAccepted), '')),
    );
    const onAbort = () => limit.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await this.open(limit.signal, progress);
    } catch (error) {
      this.turn++;
      throw error;
    } finally {
      cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }

  private get broker(): Broker {
    return this.brokers[this.turn % this.brokers.length]!;
  }

  private lateText(isAccepted: boolean): string {
    const { address } = this.broker.context;
    const limit = formatDuration(CONNECT_TIMEOUT_MS);
    return isAccepted
      ? `${address} accepted the connection, but confirmed nothing within ${limit}. Look at the broker: without free disk or memory it takes nothing from publishers.`
      : `${address} did not answer as a broker within ${limit}. Check the address, firewalls on the way, and that it is an MQTT broker.`;
  }

  private async open(signal: AbortSignal, progress: { isAccepted: boolean }): Promise<UplinkSession> {
    const { config, deps, log, broker: chosen } = this;
    const { context } = chosen;
    const files = await this.certificates.load();
    const credentials = await this.credentials();
    signal.throwIfAborted();
    const sinceMs = deps.clock.wallMs();
    const status = () => ({ version: deps.version, config: deps.configHash, epoch: deps.epoch, sinceMs });
    const { client, connack, way } = await this.bestWay((way) =>
      this.join(way, files, credentials, status(), signal).catch((error: unknown) => this.hinted(error)),
    );
    progress.isAccepted = true;
    const broker = limitsOf(connack, way);
    if (!broker.retains) log.debug(`${context.address} keeps no retained messages: the status and values go without`);
    const session = new MqttSession({
      client,
      config,
      clock: deps.clock,
      log,
      broker,
      form: this.form,
      lastValues: this.lastValues,
      commands: this.desk && { desk: this.desk, memory: this.commandTopic },
      suspicion: this.suspicion,
      statusMemory: this.status,
      protocolVersion: way.version,
      status,
      explain: (error) => explainTrouble(error, context),
      closedByBroker: (lastedMs, subject) => this.closedByBroker(lastedMs, subject),
      retainRefused: () => {
        chosen.retainsByCode = false;
      },
      // Which of several it is, is worth a word.
      at: this.brokers.length > 1 ? context.address : undefined,
    });
    await session.open(signal).catch(async (error: unknown) => {
      await session.close();
      if (signal.aborted) throw signal.reason;
      throw new Fault(
        `${context.address} accepted the connection, but not this gateway: ${messageOf(error).replace(/\.?$/, '.')}`,
        '',
      );
    });
    this.certificates.watch(session.ended);
    const { endsInMs } = credentials;
    if (endsInMs !== undefined) {
      const renew = () => void session.renew('the password ends soon: the session is made anew with another.');
      void session.ended.then(deps.clock.after(endsInMs, renew));
    }
    return session;
  }

  /** Who signs in: as the file says, or as the product wants it. */
  private async credentials(): Promise<Credentials> {
    const { config, deps, form } = this;
    if (form.credentials) return form.credentials();
    return { username: config.username, password: config.password && (await deps.secrets(config.password)) };
  }

  /** A refused sign-in with what else may be the cause of it. */
  private hinted(error: unknown): never {
    const hint = error instanceof ConnectRefused ? (this.form.refusalHint?.() ?? '') : '';
    if (hint === '') throw error;
    throw new ConnectRefused(`${messageOf(error)}${hint}`, '', undefined, { cause: (error as Error).cause });
  }

  /** The ways that the file and the broker's codes leave, the best first. */
  private ways(): readonly Way[] {
    const fixed = this.config.protocolVersion;
    const versions = fixed ? [fixed] : this.broker.isOldByCode ? ([4] as const) : ([5, 4] as const);
    const retains = this.broker.retainsByCode ? [true, false] : [false];
    return retains.flatMap((retain) => versions.map((version) => ({ version, retain })));
  }

  /**
   * Asks the broker in. A refusal by a code is final for the process, and the next way follows at once. A broker that only
   * hangs up is asked the next way at the next attempt, as a proxy whose broker is away hangs up, too; and before a
   * lesser way is taken, the best is asked once more, so that nothing is given up for an accident.
   */
  private async bestWay(join: (way: Way) => Promise<Joined>): Promise<Joined> {
    const ways = this.ways();
    const way = ways[this.broker.wayIndex % ways.length]!;
    try {
      const joined = await join(way);
      if (way === ways[0]) return joined;
      await goodbye(joined.client, this.deps.clock);
      const best = await join(ways[0]!).catch((error: unknown) => {
        if (error instanceof SilentClose) return undefined;
        throw error;
      });
      if (!best) return await join(way);
      this.broker.wayIndex = 0;
      return best;
    } catch (error) {
      if (error instanceof SilentClose) this.broker.wayIndex = (this.broker.wayIndex + 1) % ways.length;
      if (!this.learnsFrom(error, way)) throw error;
      this.broker.wayIndex = 0;
      return this.bestWay(join);
    }
  }

  /** Whether a refusal leaves another way to be tried at once. */
  private learnsFrom(error: unknown, way: Way): boolean {
    const cause = error instanceof ConnectRefused ? error.cause : undefined;
    if (way.retain && reasonCodeOf(cause) === RETAIN_NOT_SUPPORTED) {
      this.broker.retainsByCode = false;
      return true;
    }
    if (this.config.protocolVersion !== undefined || way.version === 4 || !isVersionRefusal(cause)) return false;
    this.broker.isOldByCode = true;
    return true;
  }

  /** One connection up to the CONNACK. */
  private async join(
    way: Way,
    files: TlsFiles,
    credentials: Credentials,
    status: Omit<StatusPayload, 'state'>,
    signal: AbortSignal,
  ): Promise<Joined> {
    const { config, dial } = this;
    const { clock } = this.deps;
    const { url } = this.broker;
    const waitMs = this.askedMs + (config.limits?.connectEveryMs ?? 0) - clock.monoMs();
    if (waitMs > 0) await clock.sleep(waitMs, signal);
    const beforeConnect = async () => {
      this.askedMs = clock.monoMs();
    };
    // A product may sign in by a name of its own.
    const context = { ...this.broker.context, username: credentials.username };
    const options = { ...optionsOf(config, way, credentials), ...(this.form.hasStatus && willOf(config, way, status)) };
    return {
      way,
      ...(await join(
        { url, context, dial, files, serverName: config.tls?.serverName, alpn: config.alpn, options, beforeConnect },
        signal,
      )),
    };
  }

  /** What it means that the broker ended a session without a word. */
  private closedByBroker(lastedMs: number, subject: Subject | undefined): SessionEnd {
    const { status, config } = this;
    const { context } = this.broker;
    const guilty = this.suspicion.ended(subject);
    this.earlyCloses = lastedMs < EARLY_CLOSE_MS ? this.earlyCloses + 1 : 0;
    const wasDisputed = status.rivalSeen && lastedMs < UNDISPUTED_MS;
    status.rivalSeen = false;
    if (guilty) return this.hungUpOn(guilty);
    if (wasDisputed) return { reason: takeoverText(config.clientId), takenOver: true };
    const often = this.earlyCloses >= EARLY_CLOSES && subject === undefined;
    // Another broker may be more patient.
    if (often) this.turn++;
    const reason = often ? explainEarlyCloses(this.earlyCloses, context) : `${context.address} closed the connection.`;
    return { reason, takenOver: false, ...(subject?.kind === 'batch' && { endedBehind: subject.batch }) };
  }

  private hungUpOn(subject: Subject): SessionEnd {
    const { config, status } = this;
    const { context } = this.broker;
    this.earlyCloses = 0;
    if (subject.kind === 'batch') {
      const topic = this.form.topicOf(subject.batch);
      return { reason: `${explainHangUp(topic, context)}.`, takenOver: false, hungUpOn: subject.batch };
    }
    if (subject.kind === 'command') {
      const topic = `${config.topic}/command`;
      this.commandTopic.deniedBecause = `commands: ${context.address} closes the connection when this gateway reads ${topic} or writes ${config.topic}/reply; give its user both permissions, and restart the gateway`;
      return { reason: `${this.commandTopic.deniedBecause}.`, takenOver: false };
    }
    if (subject.kind === 'watch') {
      status.mayWatch = false;
      return { reason: `${context.address} does not let this gateway read its own status topic.`, takenOver: false };
    }
    if (subject.kind === 'status') {
      const reason = explainHangUp(`${config.topic}/status`, context);
      status.maySay = false;
      status.refusedBecause = reason;
      return { reason: `${reason}.`, takenOver: false };
    }
    const why = explainHangUp(`${config.topic}/${subject.device}/…`, context);
    this.lastValues.refused(subject, why);
    return { reason: `${why}.`, takenOver: false };
  }
}

/** A client that the broker accepted. */
interface Joined extends AcceptedClient {
  readonly way: Way;
}

function optionsOf(config: MqttConfig, { version }: Way, { username, password }: Credentials): IClientOptions {
  return plainOptions({ ...config, username }, version, password);
}

/** What the broker says of us when the connection breaks. */
function willOf(config: MqttConfig, { retain }: Way, status: Omit<StatusPayload, 'state'>): IClientOptions {
  return {
    will: {
      topic: `${config.topic}/status`,
      payload: Buffer.from(statusText({ state: 'offline', ...status })),
      qos: 1,
      retain,
    },
  };
}

function limitsOf({ properties }: IConnackPacket, { retain }: Way): BrokerLimits {
  return {
    receiveMaximum: properties?.receiveMaximum ?? 65_535,
    packetBytes: properties?.maximumPacketSize ?? 268_435_455,
    retains: retain && properties?.retainAvailable !== false,
  };
}
