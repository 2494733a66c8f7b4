/** The messages under way on one MQTT connection: bounded in number and bytes, each with a deadline. */
import type { MqttClient } from 'mqtt';
import type { Clock } from '../core/clock.ts';
import { formatDuration } from '../core/quantity.ts';
import type { Subject } from './mqtt-hangup.ts';
import { explainRefusal, isRefusal, PACKET_TOO_LARGE, reasonCodeOf, reasonText } from './mqtt-trouble.ts';
import type { SendResult } from './uplink.ts';

/** One message for the broker; QoS 1. */
export interface Outgoing {
  readonly topic: string;
  readonly payload: string | Buffer;
  /** The payload is a zlib stream. */
  readonly isDeflated?: boolean;
  readonly retain: boolean;
  readonly about: Subject;
}

/** What a window needs. */
interface MqttWindowDeps {
  readonly client: MqttClient;
  readonly clock: Clock;
  readonly protocolVersion: 4 | 5;
  readonly ackTimeoutMs: number;
  /** Messages under way at most; asked for each. */
  readonly places: () => number;
  /** Bytes of a packet at most. */
  readonly packetBytes: number;
  readonly confirmed: (subject: Subject) => void;
  /** Called when a deadline passed and nothing else was confirmed either: the connection is dead. */
  readonly dead: (reason: string) => void;
}

/** The messages under way on one connection. */
export interface MqttWindow {
  /** Messages with the broker, confirmed or given up by us; to the broker their places are taken. */
  readonly taken: number;
  /** Publishes as soon as there is room. Rejects at the deadline, which counts from when the line has carried it. */
  publish(outgoing: Outgoing, signal?: AbortSignal): Promise<SendResult>;
  /** Does something else with the broker that it confirms, in turn with the messages. */
  ask(about: Subject, work: (done: () => void) => void): void;
  /** The first message that the broker has and did not confirm, behind the last that it did. */
  firstUnconfirmed(): Subject | undefined;
  /** Resolves when nothing waits for a confirmation any more. */
  drained(): Promise<void>;
  /** Rejects everything that waits. */
  rejectAll(reason: string): void;
  /** As `rejectAll`, and nothing is published from now on. */
  shut(reason: string): void;
}

/** Bytes under way at most; a single larger message goes alone. */
const MAX_BYTES_UNDER_WAY = 4 * 1024 * 1024;

/** Bytes that a publish takes beside topic and payload: header, lengths, packet id, properties. */
const PACKET_OVERHEAD_BYTES = 64;

/** A line is taken to be no slower than this until it has shown how fast it is: GPRS on a bad day. Bytes a second. */
const SLOWEST_LINE = 1000;

/** How much of the quickest rate so far still counts after a slower message. */
const RATE_MEMORY = 0.9;

interface Message extends Outgoing {
  readonly bytes: number;
  readonly settle: (outcome: SendResult | Error) => void;
  /** Begins to count its deadline. */
  readonly written: () => void;
}

/** An empty window on a connected client. */
export function createMqttWindow(deps: MqttWindowDeps): MqttWindow {
  const { client, clock, ackTimeoutMs } = deps;
  const open = new Set<Message>();
  const waiting: Message[] = [];
  /** Written and not confirmed, in the order of writing. */
  const unconfirmed = new Map<number, Subject>();
  let written = 0;
  let lastConfirmed = 0;
  let taken = 0;
  let bytesUnderWay = 0;
  let bytesPerSecond = SLOWEST_LINE;
  let lastConfirmedMs = clock.monoMs();
  let closedBecause: string | undefined;
  let onDrained = (): void => {};

  const startWaiting = (): void => {
    while (waiting.length > 0 && closedBecause === undefined) {
      const message = waiting[0]!;
      const tooMuch = bytesUnderWay > 0 && bytesUnderWay + message.bytes > MAX_BYTES_UNDER_WAY;
      if (taken >= deps.places() || tooMuch) return;
      waiting.shift();
      write(message);
    }
  };

  /** Takes a place; the returned function gives it back. */
  const enter = (about: Subject): ((isConfirmed: boolean) => void) => {
    const order = ++written;
    taken++;
    unconfirmed.set(order, about);
    return (isConfirmed) => {
      taken--;
      if (!isConfirmed) return;
      unconfirmed.delete(order);
      lastConfirmed = Math.max(lastConfirmed, order);
      lastConfirmedMs = clock.monoMs();
      deps.confirmed(about);
    };
  };

  const write = (message: Message): void => {
    const { topic, payload, isDeflated, retain, bytes } = message;
    const leave = enter(message.about);
    bytesUnderWay += bytes;
    const ahead = bytesUnderWay;
    const startedMs = clock.monoMs();
    const properties =
      isDeflated && deps.protocolVersion === 5 ? { userProperties: { 'content-encoding': 'deflate' } } : undefined;
    message.written();
    client.publish(topic, payload, { qos: 1, retain, properties }, (error) => {
      // The place is given back only now, even when the sender gave up long ago: to the broker it is taken.
      bytesUnderWay -= bytes;
      const isConfirmed = error == null || reasonCodeOf(error) !== undefined;
      leave(isConfirmed);
      if (isConfirmed) measure(ahead, clock.monoMs() - startedMs);
      confirm(message, error ?? undefined);
      startWaiting();
    });
  };

  const measure = (bytes: number, tookMs: number): void => {
    const rate = (bytes * 1000) / Math.max(1, tookMs);
    bytesPerSecond = Math.max(SLOWEST_LINE, rate, bytesPerSecond * RATE_MEMORY);
  };

  const confirm = (message: Message, error: Error | undefined): void => {
    const code = reasonCodeOf(error);
    if (error === undefined) message.settle({ ok: true });
    else if (code === undefined) message.settle(error);
    else if (isRefusal(code)) message.settle(refusal(code, message.topic));
    else message.settle(new Error(`the broker puts it off: ${reasonText(code)}`));
  };

  const overdue = (message: Message, limitMs: number): void => {
    message.settle(new Error(`not confirmed within ${formatDuration(limitMs)}`));
    if (clock.monoMs() - lastConfirmedMs < limitMs) return;
    deps.dead(
      `the broker confirmed nothing for ${formatDuration(limitMs)}. Look at the line and the broker: a broker without free disk or memory takes nothing from publishers.`,
    );
  };

  const rejectAll = (reason: string): void => {
    for (const message of [...open]) message.settle(new Error(reason));
  };

  return {
    get taken() {
      return taken;
    },
    publish(outgoing, signal) {
      if (closedBecause !== undefined) return Promise.reject(new Error(closedBecause));
      if (signal?.aborted) return Promise.reject(signal.reason);
      const bytes = Buffer.byteLength(outgoing.payload) + Buffer.byteLength(outgoing.topic) + PACKET_OVERHEAD_BYTES;
      if (bytes > deps.packetBytes) {
        const why = `it takes ${bytes} bytes, and the broker takes no packet above ${deps.packetBytes}`;
        return Promise.resolve({ ok: false, why, tooLarge: true });
      }
      return new Promise((resolve, reject) => {
        let cancelDeadline = (): void => {};
        const onAbort = () => message.settle(signal?.reason ?? new Error('aborted'));
        const message: Message = {
          ...outgoing,
          bytes,
          written() {
            // What is ahead of it, and itself, have to go over the line first.
            const limitMs = ackTimeoutMs + Math.round((bytesUnderWay * 1000) / bytesPerSecond);
            cancelDeadline = clock.after(limitMs, () => overdue(message, limitMs));
          },
          settle(outcome) {
            if (!open.delete(message)) return;
            cancelDeadline();
            signal?.removeEventListener('abort', onAbort);
            const place = waiting.indexOf(message);
            if (place !== -1) waiting.splice(place, 1);
            if (outcome instanceof Error) reject(outcome);
            else resolve(outcome);
            if (open.size === 0) onDrained();
          },
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        open.add(message);
        waiting.push(message);
        startWaiting();
      });
    },
    ask(about, work) {
      if (closedBecause !== undefined) return;
      const leave = enter(about);
      let isDone = false;
      work(() => {
        if (isDone) return;
        isDone = true;
        leave(true);
        startWaiting();
      });
    },
    firstUnconfirmed: () => [...unconfirmed].find(([order]) => order > lastConfirmed)?.[1],
    drained: () =>
      new Promise((resolve) => {
        onDrained = resolve;
        if (open.size === 0) resolve();
      }),
    rejectAll,
    shut(reason) {
      closedBecause ??= reason;
      rejectAll(reason);
    },
  };
}

function refusal(code: number, topic: string): SendResult {
  return { ok: false, why: explainRefusal(code, topic), ...(code === PACKET_TOO_LARGE && { tooLarge: true }) };
}
