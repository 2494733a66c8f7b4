/** One connection to a broker, from its acceptance to its end. */
import { deflateSync } from 'node:zlib';
import type { MqttClient } from 'mqtt';
import type { MqttConfig } from '../config/config.ts';
import { type Clock, within } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { MqttCommands, type MqttCommandsDeps } from './commands/mqtt-commands.ts';
import type { StatusPayload } from './json.ts';
import type { LastValues } from './last-values.ts';
import type { Subject, Suspicion } from './mqtt-hangup.ts';
import { MqttStatus, type StatusMemory } from './mqtt-status.ts';
import { RETAIN_NOT_SUPPORTED, reasonText, SESSION_TAKEN_OVER, takeoverText } from './mqtt-trouble.ts';
import { MqttWindow, type Outgoing } from './mqtt-window.ts';
import type { MqttForm } from './presets/preset-form.ts';
import type { OutgoingBatch, SendResult, SessionEnd, UplinkSession } from './uplink.ts';

/** What the broker said in its CONNACK. */
export interface BrokerLimits {
  /** Messages that may be under way; MQTT 5 Receive Maximum. */
  readonly receiveMaximum: number;
  /** Bytes of a whole packet; MQTT 5 Maximum Packet Size. */
  readonly packetBytes: number;
  /** Whether messages may be retained. */
  readonly retains: boolean;
}

/** What a session needs. The client is connected and belongs to the session from now on. */
interface MqttSessionDeps {
  readonly client: MqttClient;
  readonly broker: BrokerLimits;
  readonly config: Pick<MqttConfig, 'topic' | 'compression' | 'ackTimeoutMs' | 'clientId' | 'limits'>;
  /** 4 is MQTT 3.1.1. */
  readonly protocolVersion: 4 | 5;
  readonly form: MqttForm;
  readonly lastValues: LastValues;
  readonly suspicion: Suspicion;
  readonly statusMemory: StatusMemory;
  /** Absent: nothing may be ordered over it. */
  readonly commands: Pick<MqttCommandsDeps, 'desk' | 'memory'> | undefined;
  /** Asked for each status message. */
  readonly status: () => Omit<StatusPayload, 'state'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** An error of the connection as a line for a technician. */
  readonly explain: (error: unknown) => string;
  /** Asked when the broker closed without a word: what that means. */
  readonly closedByBroker: (lastedMs: number, firstUnconfirmed: Subject | undefined) => SessionEnd;
  /** Called when the broker said that it keeps no retained messages. */
  readonly retainRefused: () => void;
  /** Address of the broker, where there are several. */
  readonly at: string | undefined;
}

/** Messages under way at most, whatever the broker allows. */
const WINDOW = 32;

/** Places of the window that are for last values when there are any. */
const LAST_VALUE_PLACES = 8;

/** How long `close` waits for confirmations, then for that of `offline`, then for the goodbye. */
const CLOSE_STEP_MS = 600;

/** A session that can announce itself. */
export class MqttSession implements UplinkSession {
  readonly ended: Promise<SessionEnd>;
  readonly packetBytes: number;
  private readonly deps: MqttSessionDeps;
  private readonly messages;
  private readonly state;
  private readonly commands: MqttCommands | undefined;
  private readonly startedMs: number;
  private resolveEnded: (end: SessionEnd) => void = () => {};
  private end: SessionEnd | undefined;
  private closing: Promise<void> | undefined;
  /** How it ends when we end it. */
  private bye: SessionEnd = { reason: 'closed by the gateway', takenOver: false };
  private valuesUnderWay = 0;
  private cancelValues = () => {};

  constructor(deps: MqttSessionDeps) {
    this.deps = deps;
    const { client, clock, config, log, suspicion } = deps;
    // A product that does not name its limit ends the session on a message that is too large.
    const broker = {
      ...deps.broker,
      packetBytes: Math.min(deps.broker.packetBytes, config.limits?.messageBytes ?? Infinity),
    };
    this.startedMs = clock.monoMs();
    this.packetBytes = broker.packetBytes;
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
    this.messages = new MqttWindow({
      client,
      clock,
      protocolVersion: deps.protocolVersion,
      ackTimeoutMs: config.ackTimeoutMs,
      places: () => this.places(),
      packetBytes: broker.packetBytes,
      limits: config.limits,
      confirmed: (subject) => suspicion.confirmed(subject),
      dead: (reason) => this.finish({ reason, takenOver: false }),
    });
    this.state = new MqttStatus({
      client,
      clock,
      log,
      topic: `${config.topic}/status`,
      retain: broker.retains,
      window: this.messages,
      memory: deps.statusMemory,
      payload: deps.status,
    });
    const root = config.topic;
    this.commands = deps.commands && new MqttCommands({ ...deps.commands, client, window: this.messages, log, root });
    this.listen();
  }

  get window(): number {
    const places = this.places();
    return Math.max(1, Math.min(WINDOW, places > LAST_VALUE_PLACES * 2 ? places - LAST_VALUE_PLACES : places));
  }

  /** Begins: watches the status topic, says `online`, then brings the last values. */
  async open(signal: AbortSignal): Promise<void> {
    const { form, suspicion } = this.deps;
    if (suspicion.mayWatch) this.state.watch();
    await this.announce(signal, true);
    if (form.birthTopic !== undefined) this.watchBirth(form.birthTopic);
  }

  /** Publishes `online`, retained; rejects when the session ends or the broker does not confirm it. */
  async announce(signal: AbortSignal, isNew = false): Promise<void> {
    const result = await this.state.say('online', signal);
    if (!result.ok) this.deps.log.warn(`the status message: ${result.why}.`);
    this.deps.lastValues.again();
    this.publishLastValues();
    for (const message of this.deps.form.opening?.(isNew) ?? []) void this.say(message, signal);
    // Also where a changed file allows commands only now.
    this.commands?.listen();
  }

  /** Some brokers of this version confirm what their access list denies, and drop it. */
  get note(): string | undefined {
    const { at } = this.deps;
    const place = at === undefined ? undefined : `connected to ${at}`;
    return this.deps.protocolVersion === 4
      ? `${place === undefined ? '' : `${place}; `}MQTT 3.1.1: a broker of this version cannot say that it refused a message; it may confirm and drop it`
      : place;
  }

  trouble(): string | undefined {
    const { refusedBecause } = this.deps.statusMemory;
    if (refusedBecause !== undefined) return `the status message: ${refusedBecause}`;
    return this.messages.trouble() ?? this.deps.commands?.memory.deniedBecause ?? this.deps.lastValues.trouble();
  }

  send(batch: OutgoingBatch, signal: AbortSignal) {
    const { lastValues, form } = this.deps;
    if (this.closing) return Promise.reject(new Error('the session is being closed'));
    const several = form.messages?.(batch);
    if (several) return this.sendAll(several, batch, signal);
    let message: Pick<Outgoing, 'payload' | 'isDeflated'>;
    try {
      message = messageOfBatch(batch, this.deps);
    } catch (error) {
      return Promise.resolve({ ok: false, why: `it cannot be written as JSON: ${messageOf(error)}` } as const);
    }
    const topic = form.topicOf(batch);
    const sent = this.messages.publish({ topic, ...message, retain: false, about: { kind: 'batch', batch } }, signal);
    lastValues.offer(batch);
    this.publishLastValues();
    return sent;
  }

  /** Publishes what is neither data nor retained; never rejects. */
  private say(message: Pick<Outgoing, 'topic' | 'payload'>, signal?: AbortSignal): Promise<unknown> {
    return this.messages.publish({ ...message, retain: false, about: { kind: 'status' } }, signal).catch(() => {});
  }

  /** One batch as several messages: it is there when all of them are. */
  private async sendAll(
    messages: readonly Pick<Outgoing, 'topic' | 'payload'>[],
    batch: OutgoingBatch,
    signal: AbortSignal,
  ): Promise<SendResult> {
    const about = { kind: 'batch', batch } as const;
    const results = await Promise.all(
      messages.map((message) => this.messages.publish({ ...message, retain: false, about }, signal)),
    );
    return results.find(({ ok }) => !ok) ?? { ok: true };
  }

  close(): Promise<void> {
    this.closing ??= this.goodbye();
    return this.closing;
  }

  /** One at a time while it is sought what the broker hangs up on. */
  private places(): number {
    if (this.deps.suspicion.isCareful) return 1;
    return Math.max(1, Math.min(WINDOW + LAST_VALUE_PLACES, this.deps.broker.receiveMaximum));
  }

  private publishLastValues(): void {
    const { lastValues, clock, broker } = this.deps;
    this.cancelValues();
    while (!this.end && !this.closing && this.valuesUnderWay < Math.min(LAST_VALUE_PLACES, this.places())) {
      const value = lastValues.next();
      if (!value) {
        const atMs = lastValues.nextAtMs();
        if (atMs !== undefined)
          this.cancelValues = clock.after(Math.max(100, atMs - clock.monoMs()), () => this.publishLastValues());
        return;
      }
      this.valuesUnderWay++;
      const { topic, payload, device } = value;
      const about = { kind: 'value', device } as const;
      this.messages
        .publish({ topic, payload, retain: broker.retains, about })
        .then(
          (result) => (result.ok ? lastValues.confirmed(value) : lastValues.refused(value, result.why)),
          () => lastValues.lost(value),
        )
        .then(() => {
          this.valuesUnderWay--;
          this.publishLastValues();
        });
    }
  }

  /** Whoever keeps nothing itself says that it is there again, and is told everything that is retained once more. */
  private watchBirth(topic: string): void {
    const { client, lastValues } = this.deps;
    client.on('message', (name, payload) => {
      if (name !== topic || payload.toString() !== 'online' || this.end) return;
      lastValues.again();
      this.publishLastValues();
    });
    client.subscribe(topic, { qos: 1 }, () => {});
  }

  /** Ends it in order, because it has to be made anew. */
  async renew(reason: string): Promise<void> {
    if (this.closing || this.end) return;
    this.bye = { reason, takenOver: false, isPlanned: true };
    this.closing = this.goodbye();
    await this.closing;
  }

  private finish(reason: SessionEnd): void {
    if (this.end) return;
    this.end = reason;
    this.cancelValues();
    this.state.stop();
    // Whoever waits for `ended` finds every send still open, so that what was hung up on can be told from the rest.
    this.resolveEnded(reason);
    setImmediate(() => this.messages.shut(reason.reason));
    this.deps.client.end(true);
  }

  private async goodbye(): Promise<void> {
    const { clock, client } = this.deps;
    const { bye } = this;
    if (this.end) return;
    // A failure counts as done: the next step is taken all the same.
    const step = (work: Promise<unknown>) =>
      within(
        clock,
        CLOSE_STEP_MS,
        () => Promise.race([work.catch(() => {}), this.ended]),
        () => {},
      );
    await step(this.messages.drained());
    this.messages.rejectAll(bye.reason);
    await step(Promise.all((this.deps.form.closing?.() ?? []).map((message) => this.say(message))));
    await step(this.state.say('offline'));
    // The library says goodbye only when nothing is unconfirmed. Otherwise the broker sends the will, which says the same.
    if (!this.end && this.messages.taken === 0)
      await step(new Promise((resolve) => client.end(false, () => resolve(undefined))));
    this.finish(bye);
  }

  /** Ends the session when the client reports its end, in whichever way it does. */
  private listen(): void {
    const { client, clock, explain, config } = this.deps;
    const closed = (): void => {
      if (this.end || this.closing) this.finish(this.bye);
      else this.finish(this.deps.closedByBroker(clock.monoMs() - this.startedMs, this.messages.firstUnconfirmed()));
    };
    client.on('error', (error: Error) => {
      // A reset is how many brokers close; what it means is judged in one place.
      const { code } = error as NodeJS.ErrnoException;
      // The library ends the session on a PUBACK with a code that the standard does not list, as mosquitto's 149.
      const isStrange = /Invalid puback reason code/.test(error.message);
      if (code === 'ECONNRESET' || code === 'EPIPE' || isStrange) closed();
      else this.finish({ reason: explain(error), takenOver: false });
    });
    client.on('close', closed);
    client.on('disconnect', ({ reasonCode = 0 }) => {
      const takenOver = reasonCode === SESSION_TAKEN_OVER;
      if (reasonCode === RETAIN_NOT_SUPPORTED) this.deps.retainRefused();
      const reason = takenOver
        ? takeoverText(config.clientId)
        : `the broker ended the session: ${reasonText(reasonCode)}.`;
      this.finish({ reason, takenOver });
    });
  }
}

function messageOfBatch(
  batch: OutgoingBatch,
  { form, config }: MqttSessionDeps,
): Pick<Outgoing, 'payload' | 'isDeflated'> {
  const text = form.payload(batch);
  // A zlib stream begins with 0x78, JSON with 0x7B: a receiver can tell them apart without a header.
  const isDeflated = config.compression === 'deflate' && batch.kind !== 'event';
  return isDeflated ? { payload: deflateSync(text), isDeflated } : { payload: text };
}
