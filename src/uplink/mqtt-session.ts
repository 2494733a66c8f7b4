/** One connection to a broker, from its greeting to its end. */
import { deflateSync } from 'node:zlib';
import type { MqttClient } from 'mqtt';
import type { MqttConfig } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import { type JsonEncoder, type StatusPayload, statusText } from './json.ts';
import type { LastValues } from './last-values.ts';
import { reasonText } from './mqtt-trouble.ts';
import { createMqttWindow, type Outgoing } from './mqtt-window.ts';
import type { OutgoingBatch, SessionEnd, UplinkSession } from './uplink.ts';

/** What the broker said in its CONNACK. */
export interface BrokerLimits {
  /** Messages that may be under way; MQTT 5 Receive Maximum. */
  readonly receiveMaximum: number;
  /** Bytes of a whole packet; MQTT 5 Maximum Packet Size. */
  readonly packetBytes: number;
}

/** What a session needs. The client is connected and belongs to the session from now on. */
interface MqttSessionDeps {
  readonly client: MqttClient;
  readonly broker: BrokerLimits;
  readonly config: Pick<MqttConfig, 'topic' | 'compression' | 'ackTimeoutMs' | 'clientId'>;
  /** 4 is MQTT 3.1.1. */
  readonly protocolVersion: 4 | 5;
  readonly encoder: JsonEncoder;
  /** For `topics: per-tag`. */
  readonly lastValues: LastValues | undefined;
  /** Asked for each status message. */
  readonly status: () => Omit<StatusPayload, 'state'>;
  readonly clock: Clock;
  /** An error of the connection as a line for a technician. */
  readonly explain: (error: unknown) => string;
  /** Asked when the broker closed without a word: whether another client took the session over. */
  readonly closedByBroker: (lastedMs: number) => SessionEnd;
}

/** A session that can announce itself. */
interface MqttSession extends UplinkSession {
  /** Publishes `online`, retained; rejects when the session ends or the broker does not confirm it. */
  announce(signal: AbortSignal): Promise<void>;
}

/** Messages under way at most, whatever the broker allows. */
const WINDOW = 32;

/** Places of the window that are for last values when there are any. */
const LAST_VALUE_PLACES = 8;

/** How long `close` waits for confirmations, then for that of `offline`, then for the goodbye. */
const CLOSE_STEP_MS = 600;

/** MQTT 5 reason code of a session taken over. */
const SESSION_TAKEN_OVER = 142;

/** Takes over a connected client. */
export function createMqttSession(deps: MqttSessionDeps): MqttSession {
  const { client, broker, config, clock } = deps;
  const places = Math.max(1, Math.min(WINDOW + LAST_VALUE_PLACES, broker.receiveMaximum));
  const startedMs = clock.monoMs();
  let lastValuesUnderWay = 0;
  let end: SessionEnd | undefined;
  let closing: Promise<void> | undefined;
  let resolveEnded: (end: SessionEnd) => void = () => {};
  const ended = new Promise<SessionEnd>((resolve) => {
    resolveEnded = resolve;
  });

  const finish = (reason: SessionEnd): void => {
    if (end) return;
    end = reason;
    messages.shut(reason.reason);
    client.end(true);
    resolveEnded(reason);
  };

  const messages = createMqttWindow({
    client,
    clock,
    places,
    packetBytes: broker.packetBytes,
    protocolVersion: deps.protocolVersion,
    ackTimeoutMs: config.ackTimeoutMs,
    dead: (reason) => finish({ reason, takenOver: false }),
  });

  const publishLastValues = (): void => {
    while (deps.lastValues && !end && !closing && lastValuesUnderWay < Math.min(LAST_VALUE_PLACES, places)) {
      const value = deps.lastValues.next();
      if (!value) return;
      lastValuesUnderWay++;
      const done = () => {
        lastValuesUnderWay--;
        publishLastValues();
      };
      messages.publish({ ...value, retain: true }).then(done, done);
    }
  };

  const publishStatus = (state: StatusPayload['state'], signal?: AbortSignal) => {
    const payload = statusText({ state, ...deps.status() });
    return messages.publish({ topic: `${config.topic}/status`, payload, retain: true }, signal);
  };

  const goodbye = async (): Promise<void> => {
    const bye: SessionEnd = { reason: 'closed by the gateway', takenOver: false };
    if (end) return;
    const step = (work: Promise<unknown>) => within(clock, CLOSE_STEP_MS, Promise.race([work, ended]));
    await step(messages.drained());
    messages.rejectAll(bye.reason);
    await step(publishStatus('offline'));
    // The library says goodbye only when nothing is unconfirmed. Otherwise the broker sends the will, which says the same.
    if (!end && messages.taken === 0) await step(new Promise((resolve) => client.end(false, () => resolve(undefined))));
    finish(bye);
  };

  listen(deps, finish, () => end !== undefined || closing !== undefined, startedMs);

  return {
    window: Math.max(1, Math.min(WINDOW, deps.lastValues ? places - LAST_VALUE_PLACES : places)),
    ended,
    async announce(signal) {
      const result = await publishStatus('online', signal);
      if (!result.ok) throw new Error(`the status message: ${result.why}`);
    },
    send(batch, signal) {
      if (closing) return Promise.reject(new Error('the session is being closed'));
      let message: Pick<Outgoing, 'payload' | 'isDeflated'>;
      try {
        message = messageOfBatch(batch, deps);
      } catch (error) {
        return Promise.resolve({ ok: false, why: `it cannot be written as JSON: ${messageOf(error)}` });
      }
      const topic = `${config.topic}/${batch.kind === 'event' ? 'events' : 'readings'}`;
      const sent = messages.publish({ topic, ...message, retain: false }, signal);
      if (deps.lastValues) {
        deps.lastValues.offer(batch);
        publishLastValues();
      }
      return sent;
    },
    close() {
      closing ??= goodbye();
      return closing;
    },
  };
}

/** Ends the session when the client reports its end, in whichever way it does. */
function listen(
  deps: MqttSessionDeps,
  finish: (end: SessionEnd) => void,
  leaving: () => boolean,
  startedMs: number,
): void {
  const { client, clock, explain } = deps;
  const lost = (error: unknown) => finish({ reason: explain(error), takenOver: false });
  const closed = (): void => {
    if (leaving()) finish({ reason: 'closed by the gateway', takenOver: false });
    else finish(deps.closedByBroker(clock.monoMs() - startedMs));
  };
  client.on('error', (error: Error) => {
    // A reset is how many brokers close; whether it was a takeover is judged in one place.
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') closed();
    else lost(error);
  });
  client.on('close', closed);
  client.on('disconnect', ({ reasonCode }) => {
    if (reasonCode === SESSION_TAKEN_OVER) finish({ reason: takeoverText(deps.config.clientId), takenOver: true });
    else finish({ reason: `the broker ended the session: ${reasonText(reasonCode ?? 0)}.`, takenOver: false });
  });
}

/** What to tell when another client with the same id came. */
export function takeoverText(clientId: string): string {
  return `another client with the id "${clientId}" took the session over. Give each gateway an id of its own.`;
}

function messageOfBatch(
  batch: OutgoingBatch,
  { encoder, config }: MqttSessionDeps,
): Pick<Outgoing, 'payload' | 'isDeflated'> {
  const text = batch.kind === 'texts' ? encoder.texts(batch) : encoder.batch(batch);
  // A zlib stream begins with 0x78, JSON with 0x7B: a receiver can tell them apart without a header.
  const isDeflated = config.compression === 'deflate' && batch.kind !== 'event';
  return isDeflated ? { payload: deflateSync(text), isDeflated } : { payload: text };
}

/** Waits for `work`, but no longer than `ms`; a failure counts as done. */
async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  let cancel = () => {};
  const deadline = new Promise<void>((resolve) => {
    cancel = clock.after(ms, resolve);
  });
  await Promise.race([work.catch(() => {}), deadline]);
  cancel();
}
