/** Publishes the messages of an edge node: each gets its number as it leaves, so that there is never a hole. */
import type { MqttClient } from 'mqtt';
import type { Clock } from '../../core/clock.ts';
import { type Metric, PayloadEncoder, TYPE } from './payload.ts';

/** An edge node as topics name it. */
export interface NodeName {
  readonly group: string;
  readonly node: string;
}

/** Kinds of messages (Sparkplug 3.0, chapter 4). */
type MessageType = 'NBIRTH' | 'NDEATH' | 'NDATA' | 'NCMD' | 'DBIRTH' | 'DDEATH' | 'DDATA' | 'DCMD';

/** Bytes of a packet beside topic and payload. */
const PACKET_BYTES = 8;

/** The topic of a message; those of devices name one. */
export function topicOf({ group, node }: NodeName, type: MessageType, device?: string): string {
  const topic = `spBv1.0/${group}/${type}/${node}`;
  return device === undefined ? topic : `${topic}/${device}`;
}

/** The payload of an NDEATH, which is also the will: the number of the connection and nothing else. */
export function deathPayload(bdSeq: number, nowMs: number): Buffer {
  return new PayloadEncoder().encode({ timestampMs: nowMs, metrics: [{ ...bdSeqMetric(bdSeq, nowMs) }] });
}

/** The metric that ties an NDEATH to the NBIRTH of the same connection. */
export function bdSeqMetric(bdSeq: number, nowMs: number): Metric {
  const value = { as: 'long', value: BigInt(bdSeq) } as const;
  return { name: 'bdSeq', timestampMs: nowMs, datatype: TYPE.int64, value };
}

/** What a publisher needs. */
interface NodePublisherDeps {
  readonly client: MqttClient;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly name: NodeName;
}

/** The messages of one connection. */
export class NodePublisher {
  private readonly deps: NodePublisherDeps;
  private readonly encoder = new PayloadEncoder();
  private seq = 0;

  constructor(deps: NodePublisherDeps) {
    this.deps = deps;
  }

  /** The next number is 0, that of an NBIRTH. */
  startAgain(): void {
    this.seq = 0;
  }

  /** Publishes at once, with QoS 0. Gives about how many bytes go over the line. */
  publish(type: MessageType, device: string | undefined, metrics: readonly Metric[]): number {
    const { client, clock, name } = this.deps;
    const payload = this.encoder.encode({ timestampMs: clock.wallMs(), metrics, seq: this.seq });
    this.seq = (this.seq + 1) % 256;
    const topic = topicOf(name, type, device);
    client.publish(topic, payload, { qos: 0, retain: false });
    return payload.length + Buffer.byteLength(topic) + PACKET_BYTES;
  }

  /** Publishes the NDEATH of a disconnect that is meant; resolves when the broker has it. */
  publishDeath(bdSeq: number): Promise<void> {
    const { client, clock, name } = this.deps;
    const payload = deathPayload(bdSeq, clock.wallMs());
    return new Promise((resolve) => {
      client.publish(topicOf(name, 'NDEATH'), payload, { qos: 1, retain: false }, () => resolve());
    });
  }
}
