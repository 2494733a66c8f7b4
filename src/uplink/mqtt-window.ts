/** Bounds how many messages may be unconfirmed at a broker, and times each of them out. */
import type { MqttClient } from 'mqtt';
import type { Clock } from '../core/clock.ts';
import { formatDuration } from '../core/quantity.ts';
import { explainRefusal, isRefusal, reasonCodeOf, reasonText } from './mqtt-trouble.ts';
import type { SendResult } from './uplink.ts';

/** One message for the broker; QoS 1. */
export interface Outgoing {
  readonly topic: string;
  readonly payload: string | Buffer;
  /** The payload is a zlib stream. */
  readonly isDeflated?: boolean;
  readonly retain: boolean;
}

/** What a window needs. */
interface MqttWindowDeps {
  readonly client: MqttClient;
  readonly clock: Clock;
  readonly protocolVersion: 4 | 5;
  readonly ackTimeoutMs: number;
  /** Messages under way at most. */
  readonly places: number;
  /** Bytes of a packet at most. */
  readonly packetBytes: number;
  /** Called when a deadline passed and nothing else was confirmed either: the connection is dead. */
  readonly dead: (reason: string) => void;
}

/** The messages under way on one connection: bounded in number and bytes, each with a deadline. */
interface MqttWindow {
  /** Messages with the broker, confirmed or given up by us; to the broker their places are taken. */
  readonly taken: number;
  /** Publishes as soon as there is room. Rejects at the deadline, which counts from the call. */
  publish(outgoing: Outgoing, signal?: AbortSignal): Promise<SendResult>;
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

interface Message extends Outgoing {
  readonly bytes: number;
  readonly settle: (outcome: SendResult | Error) => void;
}

/** An empty window on a connected client. */
export function createMqttWindow(deps: MqttWindowDeps): MqttWindow {
  const { client, clock, ackTimeoutMs } = deps;
  const open = new Set<Message>();
  const waiting: Message[] = [];
  let taken = 0;
  let bytesUnderWay = 0;
  let lastConfirmedMs = clock.monoMs();
  let closedBecause: string | undefined;
  let onDrained = (): void => {};

  const startWaiting = (): void => {
    while (waiting.length > 0 && closedBecause === undefined) {
      const message = waiting[0]!;
      const tooMuch = bytesUnderWay > 0 && bytesUnderWay + message.bytes > MAX_BYTES_UNDER_WAY;
      if (taken >= deps.places || tooMuch) return;
      waiting.shift();
      write(message);
    }
  };

  const write = (message: Message): void => {
    const { topic, payload, isDeflated, retain, bytes } = message;
    taken++;
    bytesUnderWay += bytes;
    const properties =
      isDeflated && deps.protocolVersion === 5 ? { userProperties: { 'content-encoding': 'deflate' } } : undefined;
    client.publish(topic, payload, { qos: 1, retain, properties }, (error) => {
      // The place is given back only now, even when the sender gave up long ago: to the broker it is taken.
      taken--;
      bytesUnderWay -= bytes;
      confirm(message, error ?? undefined);
      startWaiting();
    });
  };

  const confirm = (message: Message, error: Error | undefined): void => {
    const code = reasonCodeOf(error);
    if (error === undefined || code !== undefined) lastConfirmedMs = clock.monoMs();
    if (error === undefined) message.settle({ ok: true });
    else if (code === undefined) message.settle(error);
    else if (isRefusal(code)) message.settle({ ok: false, why: explainRefusal(code, message.topic) });
    else message.settle(new Error(`the broker puts it off: ${reasonText(code)}`));
  };

  const overdue = (message: Message): void => {
    const limit = formatDuration(ackTimeoutMs);
    message.settle(new Error(`not confirmed within ${limit}`));
    if (clock.monoMs() - lastConfirmedMs < ackTimeoutMs) return;
    deps.dead(`the broker confirmed nothing for ${limit}. Look at the broker and the line.`);
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
        const why = `it takes ${bytes} bytes; the broker takes no packet above ${deps.packetBytes}`;
        return Promise.resolve({ ok: false, why });
      }
      return new Promise((resolve, reject) => {
        const onAbort = () => message.settle(signal?.reason ?? new Error('aborted'));
        const message: Message = {
          ...outgoing,
          bytes,
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
        const cancelDeadline = clock.after(ackTimeoutMs, () => overdue(message));
        signal?.addEventListener('abort', onAbort, { once: true });
        open.add(message);
        waiting.push(message);
        startWaiting();
      });
    },
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
