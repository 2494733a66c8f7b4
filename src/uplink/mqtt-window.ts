/** The messages under way on one MQTT connection: bounded in number and bytes, each with a deadline. */
import type { MqttClient } from 'mqtt';
import type { MqttLimits } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { formatDuration } from '../core/quantity.ts';
import type { Subject } from './mqtt-hangup.ts';
import { explainRefusal, isRefusal, PACKET_TOO_LARGE, reasonCodeOf, reasonText } from './mqtt-trouble.ts';
import { TokenBucket } from './run-queue.ts';
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
  /** What the other side takes a second; absent: as much as it confirms. */
  readonly limits?: MqttLimits | undefined;
  readonly confirmed: (subject: Subject) => void;
  /** Called when a deadline passed and nothing else was confirmed either: the connection is dead. */
  readonly dead: (reason: string) => void;
}

/** Bytes under way at most; a single larger message goes alone. */
const MAX_BYTES_UNDER_WAY = 4 * 1024 * 1024;

/** Bytes that a publish takes beside topic and payload: header, lengths, packet id, properties. */
const PACKET_OVERHEAD_BYTES = 64;

/** A line is taken to be no slower than this until it has shown how fast it is: GPRS on a bad day. Bytes a second. */
const SLOWEST_LINE = 1000;

/** How much of the quickest rate so far still counts after a slower message. */
const RATE_MEMORY = 0.9;

/** Pauses after a message that the broker put off; they double until one is taken. */
const PUT_OFF = { minMs: 500, mostMs: 60_000 };

/** Pauses that are shorter are not worth a word in the status. */
const SHORTEST_TOLD_MS = 2000;

interface Message extends Outgoing {
  readonly bytes: number;
  readonly settle: (outcome: SendResult | Error) => void;
  cancelDeadline: () => void;
}

/** The messages under way on one connected client. */
export class MqttWindow {
  private readonly deps: MqttWindowDeps;
  private readonly open = new Set<Message>();
  private readonly waiting: Message[] = [];
  /** Written and not confirmed, in the order of writing. */
  private readonly unconfirmed = new Map<number, Subject>();
  private written = 0;
  private lastConfirmed = 0;
  private places = 0;
  private bytesUnderWay = 0;
  private bytesPerSecond = SLOWEST_LINE;
  private lastConfirmedMs: number;
  private closedBecause: string | undefined;
  private onDrained = (): void => {};
  /** What was put off in a row, why, and until when; undefined since one was taken. */
  private putOff: { readonly times: number; readonly why: string; readonly untilMs: number } | undefined;
  private readonly rates: { readonly messages: TokenBucket; readonly bytes: TokenBucket } | undefined;
  private cancelWait = (): void => {};

  constructor(deps: MqttWindowDeps) {
    this.deps = deps;
    this.lastConfirmedMs = deps.clock.monoMs();
    const { clock, limits } = deps;
    this.rates = limits && {
      messages: new TokenBucket(clock, limits.messagesPerSecond),
      bytes: new TokenBucket(clock, limits.bytesPerSecond),
    };
  }

  /** Messages with the broker, confirmed or given up by us; to the broker their places are taken. */
  get taken(): number {
    return this.places;
  }

  /** Publishes as soon as there is room. Rejects at the deadline, which counts from when the line has carried it. */
  publish(outgoing: Outgoing, signal?: AbortSignal): Promise<SendResult> {
    const { packetBytes } = this.deps;
    if (this.closedBecause !== undefined) return Promise.reject(new Error(this.closedBecause));
    if (signal?.aborted) return Promise.reject(signal.reason);
    const bytes = Buffer.byteLength(outgoing.payload) + Buffer.byteLength(outgoing.topic) + PACKET_OVERHEAD_BYTES;
    if (bytes > packetBytes) {
      const why = `it takes ${bytes} bytes, and the broker takes no packet above ${packetBytes}`;
      return Promise.resolve({ ok: false, why, tooLarge: true });
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => message.settle(signal?.reason ?? new Error('aborted'));
      const settle = (outcome: SendResult | Error): void => {
        if (!this.remove(message)) return;
        signal?.removeEventListener('abort', onAbort);
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
        if (this.open.size === 0) this.onDrained();
      };
      const message: Message = { ...outgoing, bytes, settle, cancelDeadline: () => {} };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.open.add(message);
      this.waiting.push(message);
      this.startWaiting();
    });
  }

  /** Does something else with the broker that it confirms, in turn with the messages. */
  ask(about: Subject, work: (done: () => void) => void): void {
    if (this.closedBecause !== undefined) return;
    const leave = this.enter(about);
    let isDone = false;
    work(() => {
      if (isDone) return;
      isDone = true;
      leave(true);
      this.startWaiting();
    });
  }

  /** The first message that the broker has and did not confirm, behind the last that it did. */
  firstUnconfirmed(): Subject | undefined {
    return [...this.unconfirmed].find(([order]) => order > this.lastConfirmed)?.[1];
  }

  /** Resolves when nothing waits for a confirmation any more. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.onDrained = resolve;
      if (this.open.size === 0) resolve();
    });
  }

  /** Rejects everything that waits. */
  rejectAll(reason: string): void {
    for (const message of [...this.open]) message.settle(new Error(reason));
  }

  /** As `rejectAll`, and nothing is published from now on. */
  shut(reason: string): void {
    this.closedBecause ??= reason;
    this.cancelWait();
    this.rejectAll(reason);
  }

  /** Whether it was still open: whoever settles a message first decides. */
  private remove(message: Message): boolean {
    if (!this.open.delete(message)) return false;
    message.cancelDeadline();
    const place = this.waiting.indexOf(message);
    if (place !== -1) this.waiting.splice(place, 1);
    return true;
  }

  private startWaiting(): void {
    while (this.waiting.length > 0 && this.closedBecause === undefined) {
      const message = this.waiting[0]!;
      const tooMuch = this.bytesUnderWay > 0 && this.bytesUnderWay + message.bytes > MAX_BYTES_UNDER_WAY;
      if (this.places >= this.deps.places() || tooMuch || this.mustWait(message)) return;
      this.waiting.shift();
      this.write(message);
    }
  }

  /** Why messages wait, while the broker puts them off for longer. */
  trouble(): string | undefined {
    if (!this.putOff) return undefined;
    const { why, untilMs, times } = this.putOff;
    if (pauseOf(times) < SHORTEST_TOLD_MS) return undefined;
    const leftMs = Math.max(1000, Math.round((untilMs - this.deps.clock.monoMs()) / 1000) * 1000);
    return `${why}; next attempt in ${formatDuration(leftMs)}. Nothing is lost; look at the quota of this client at the broker`;
  }

  /** Whether the other side takes so much only later; then it is looked at again by itself. */
  private mustWait(message: Message): boolean {
    const { rates, putOff } = this;
    const { clock } = this.deps;
    const bytes = Math.min(message.bytes, rates?.bytes.burst ?? 0);
    const putOffMs = (putOff?.untilMs ?? 0) - clock.monoMs();
    const waitMs = Math.max(putOffMs, rates?.messages.waitMs(1) ?? 0, rates?.bytes.waitMs(bytes) ?? 0);
    this.cancelWait();
    if (waitMs > 0) {
      this.cancelWait = clock.after(waitMs, () => this.startWaiting());
      return true;
    }
    rates?.messages.take(1);
    rates?.bytes.take(bytes);
    return false;
  }

  /** Notes whether the broker puts messages off. What was under way together is one attempt. */
  private notePutOff(outcome: SendResult | Error): void {
    const nowMs = this.deps.clock.monoMs();
    if (!(outcome instanceof PutOff)) {
      if (!(outcome instanceof Error)) this.putOff = undefined;
    } else if (!this.putOff || this.putOff.untilMs <= nowMs) {
      const times = (this.putOff?.times ?? 0) + 1;
      this.putOff = { times, why: outcome.message, untilMs: nowMs + pauseOf(times) };
    }
  }

  /** Takes a place; the returned function gives it back. */
  private enter(about: Subject): (isConfirmed: boolean) => void {
    const order = ++this.written;
    this.places++;
    this.unconfirmed.set(order, about);
    return (isConfirmed) => {
      this.places--;
      if (!isConfirmed) return;
      this.unconfirmed.delete(order);
      this.lastConfirmed = Math.max(this.lastConfirmed, order);
      this.lastConfirmedMs = this.deps.clock.monoMs();
      this.deps.confirmed(about);
    };
  }

  private write(message: Message): void {
    const { client, clock, protocolVersion, ackTimeoutMs } = this.deps;
    const { topic, payload, isDeflated, retain, bytes } = message;
    const leave = this.enter(message.about);
    this.bytesUnderWay += bytes;
    const ahead = this.bytesUnderWay;
    const startedMs = clock.monoMs();
    // What is ahead of it, and itself, have to go over the line first.
    const limitMs = ackTimeoutMs + Math.round((ahead * 1000) / this.bytesPerSecond);
    message.cancelDeadline = clock.after(limitMs, () => this.overdue(message, limitMs));
    const properties =
      isDeflated && protocolVersion === 5 ? { userProperties: { 'content-encoding': 'deflate' } } : undefined;
    client.publish(topic, payload, { qos: 1, retain, properties }, (error) => {
      // The place is given back only now, even when the sender gave up long ago: to the broker it is taken.
      this.bytesUnderWay -= bytes;
      const isConfirmed = error == null || reasonCodeOf(error) !== undefined;
      leave(isConfirmed);
      if (isConfirmed) this.measure(ahead, clock.monoMs() - startedMs);
      const outcome = outcomeOf(error ?? undefined, topic);
      this.notePutOff(outcome);
      message.settle(outcome);
      this.startWaiting();
    });
  }

  private measure(bytes: number, tookMs: number): void {
    const rate = (bytes * 1000) / Math.max(1, tookMs);
    this.bytesPerSecond = Math.max(SLOWEST_LINE, rate, this.bytesPerSecond * RATE_MEMORY);
  }

  private overdue(message: Message, limitMs: number): void {
    message.settle(new Error(`not confirmed within ${formatDuration(limitMs)}`));
    if (this.deps.clock.monoMs() - this.lastConfirmedMs < limitMs) return;
    this.deps.dead(
      `the broker confirmed nothing for ${formatDuration(limitMs)}. Look at the line and the broker: a broker without free disk or memory takes nothing from publishers.`,
    );
  }
}

/** The broker takes it later. */
class PutOff extends Error {}

function pauseOf(times: number): number {
  return Math.min(PUT_OFF.mostMs, PUT_OFF.minMs * 2 ** Math.min(times - 1, 10));
}

/** What the broker's answer to a message means for its sender. */
function outcomeOf(error: Error | undefined, topic: string): SendResult | Error {
  if (error === undefined) return { ok: true };
  const code = reasonCodeOf(error);
  if (code === undefined) return error;
  if (!isRefusal(code)) return new PutOff(`the broker puts messages off: ${reasonText(code)}`);
  return { ok: false, why: explainRefusal(code, topic), ...(code === PACKET_TOO_LARGE && { tooLarge: true }) };
}
