import { createServer } from 'node:net';
import type { Duplex } from 'node:stream';

/** What the double does when a packet came. */
export type Answer =
  | 'properly'
  | 'nothing'
  | 'garbage'
  /** The first byte of the answer, then the end of the connection. */
  | 'half'
  | 'close'
  /** The header of a packet of 100 MB and two megabytes of it. */
  | 'oversized'
  /** This reason code, in the CONNACK or the PUBACK. */
  | number;

/** How a broker that misbehaves is to behave. */
export interface FaultBrokerScript {
  readonly version: 4 | 5;
  readonly onConnect?: Answer;
  /** For status messages; `properly` when left out. */
  readonly onStatus?: Answer;
  /** For any other message. */
  readonly onPublish?: Answer | ((topic: string, packetBytes: number) => Answer);
  /** Called with each message. */
  readonly onMessage?: (topic: string, payload: string) => void;
  /** Properties of the CONNACK, MQTT 5 only. */
  readonly receiveMaximum?: number;
  readonly maximumPacketSize?: number;
}

/** A broker made of bytes: speaks just enough MQTT to break it where the script says. */
export interface FaultBroker {
  readonly port: number;
  /** Serves a stream that is no socket. */
  accept(stream: Duplex): void;
  /** Topics of what was published, in order. */
  readonly topics: readonly string[];
  /** Messages that were never confirmed and are still under way: how many there were at most. */
  readonly mostUnderWay: () => number;
  /** Sends a DISCONNECT with a reason (MQTT 5) to every client, and closes. */
  disconnect(reason: number): void;
  close(): Promise<void>;
}

const OVERSIZED = Buffer.concat([Buffer.from([0x30, 0x80, 0xe1, 0xeb, 0x2f]), Buffer.alloc(2 * 1024 * 1024)]);

/** Starts on a free port of the loopback. */
export async function startFaultBroker(script: FaultBrokerScript): Promise<FaultBroker> {
  const sockets = new Set<Duplex>();
  const topics: string[] = [];
  let underWay = 0;
  let mostUnderWay = 0;

  const answer = (socket: Duplex, how: Answer, proper: Buffer, withCode: (code: number) => Buffer): void => {
    if (how === 'properly') socket.write(proper);
    else if (how === 'garbage') socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x07]));
    else if (how === 'half') socket.end(proper.subarray(0, 1));
    else if (how === 'close') socket.end();
    else if (how === 'oversized') socket.write(OVERSIZED);
    else if (typeof how === 'number') socket.write(withCode(how));
  };

  const onPublish = (socket: Duplex, body: Buffer): void => {
    const length = body.readUInt16BE(0);
    const topic = body.toString('utf8', 2, 2 + length);
    const id = body.subarray(2 + length, 4 + length);
    topics.push(topic);
    const properties = script.version === 5 ? 1 + body[4 + length]! : 0;
    script.onMessage?.(topic, body.toString('utf8', 4 + length + properties));
    mostUnderWay = Math.max(mostUnderWay, ++underWay);
    const asked = script.onPublish ?? 'properly';
    const how = topic.endsWith('/status') ? (script.onStatus ?? 'properly') : asked;
    setImmediate(() => {
      const chosen = typeof how === 'function' ? how(topic, body.length) : how;
      if (chosen !== 'nothing') underWay--;
      answer(socket, chosen, Buffer.from([0x40, 2, ...id]), (code) => Buffer.from([0x40, 3, ...id, code]));
    });
  };

  const accept = (socket: Duplex): void => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let held: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      held = Buffer.concat([held, chunk]);
      for (let frame = frameOf(held); frame; frame = frameOf(held)) {
        held = held.subarray(frame.end);
        if (frame.type === 1) {
          const properties = script.version === 5 ? connackProperties(script) : Buffer.alloc(0);
          const connack = (code: number) => Buffer.from([0x20, 2 + properties.length, 0, code, ...properties]);
          answer(socket, script.onConnect ?? 'properly', connack(0), connack);
        } else if (frame.type === 3) onPublish(socket, frame.body);
        else if (frame.type === 12) socket.write(Buffer.from([0xd0, 0]));
      }
    });
  };
  const server = createServer(accept);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the double got no port');

  return {
    port: address.port,
    accept,
    topics,
    mostUnderWay: () => mostUnderWay,
    disconnect(reason) {
      for (const socket of sockets) socket.end(Buffer.from([0xe0, 2, reason, 0]));
    },
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function connackProperties({ receiveMaximum, maximumPacketSize }: FaultBrokerScript): Buffer {
  const parts: number[] = [];
  if (receiveMaximum !== undefined) parts.push(0x21, receiveMaximum >> 8, receiveMaximum & 0xff);
  if (maximumPacketSize !== undefined) {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(maximumPacketSize);
    parts.push(0x27, ...size);
  }
  return Buffer.from([parts.length, ...parts]);
}

/** The first whole packet in a buffer. */
function frameOf(buffer: Buffer): { type: number; body: Buffer; end: number } | undefined {
  let length = 0;
  for (let index = 1; index < Math.min(buffer.length, 5); index++) {
    const byte = buffer[index]!;
    length += (byte & 0x7f) * 128 ** (index - 1);
    if (byte >= 0x80) continue;
    const end = index + 1 + length;
    if (buffer.length < end) return undefined;
    return { type: buffer[0]! >> 4, body: buffer.subarray(index + 1, end), end };
  }
  return undefined;
}
