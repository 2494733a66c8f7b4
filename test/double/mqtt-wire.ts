/** The bytes of MQTT as a broker reads and writes them: just enough of 3.1.1 and 5 to be one in a test. */

/** What a client said. `bytes` is the size of the whole packet. */
export type ClientPacket =
  | {
      readonly kind: 'connect';
      readonly version: number;
      readonly clientId: string;
      readonly will: Publication | undefined;
    }
  | ({ readonly kind: 'publish'; readonly id: number; readonly bytes: number } & Publication)
  | { readonly kind: 'ping' }
  | { readonly kind: 'subscribe'; readonly id: number; readonly filters: number }
  | { readonly kind: 'disconnect' };

/** A message on a topic. */
export interface Publication {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retain: boolean;
}

/** What a broker says of itself in its CONNACK; MQTT 5 only. */
export interface ConnackProperties {
  readonly receiveMaximum?: number;
  readonly maximumPacketSize?: number;
}

/** Cuts what came on one connection into packets. */
export class PacketReader {
  private held = Buffer.alloc(0);
  private version = 4;

  /** The packets that are whole now, in order. */
  push(chunk: Uint8Array): ClientPacket[] {
    this.held = Buffer.concat([this.held, chunk]);
    const packets: ClientPacket[] = [];
    for (let frame = frameOf(this.held); frame; frame = frameOf(this.held)) {
      const packet = this.packetOf(frame);
      this.held = this.held.subarray(frame.end);
      if (packet) packets.push(packet);
    }
    return packets;
  }

  private packetOf({ header, body, end }: Frame): ClientPacket | undefined {
    const cursor = new Cursor(body);
    switch (header >> 4) {
      case 1: {
        cursor.bytes();
        this.version = cursor.byte();
        const flags = cursor.byte();
        cursor.number();
        this.skipProperties(cursor);
        const clientId = cursor.bytes().toString();
        if ((flags & 0x04) === 0) return { kind: 'connect', version: this.version, clientId, will: undefined };
        this.skipProperties(cursor);
        const topic = cursor.bytes().toString();
        const will = { topic, payload: Buffer.from(cursor.bytes()), retain: (flags & 0x20) !== 0 };
        return { kind: 'connect', version: this.version, clientId, will };
      }
      case 3: {
        const topic = cursor.bytes().toString();
        const id = (header & 0x06) === 0 ? 0 : cursor.number();
        this.skipProperties(cursor);
        return {
          kind: 'publish',
          topic,
          id,
          bytes: end,
          payload: Buffer.from(cursor.rest()),
          retain: (header & 1) !== 0,
        };
      }
      case 8: {
        const id = cursor.number();
        this.skipProperties(cursor);
        let filters = 0;
        for (; cursor.left > 0; filters++) {
          cursor.bytes();
          cursor.byte();
        }
        return { kind: 'subscribe', id, filters };
      }
      case 12:
        return { kind: 'ping' };
      case 14:
        return { kind: 'disconnect' };
      default:
        return undefined;
    }
  }

  private skipProperties(cursor: Cursor): void {
    if (this.version === 5) cursor.skip(cursor.variable());
  }
}

/** A CONNACK. `code` 0 accepts. */
export function connack(version: number, code: number, properties: ConnackProperties = {}): Buffer {
  const parts: number[] = [];
  if (properties.receiveMaximum !== undefined) parts.push(0x21, ...numberBytes(properties.receiveMaximum));
  if (properties.maximumPacketSize !== undefined) {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(properties.maximumPacketSize);
    parts.push(0x27, ...size);
  }
  return packet(0x20, version === 5 ? [0, code, parts.length, ...parts] : [0, code]);
}

/** A PUBACK. MQTT 3.1.1 has no word for a refusal: there a `code` other than 0 cannot be said. */
export function puback(version: number, id: number, code = 0): Buffer {
  return packet(0x40, version === 5 && code !== 0 ? [...numberBytes(id), code] : numberBytes(id));
}

/** A SUBACK that grants QoS 1 to every filter. */
export function suback(version: number, id: number, filters: number): Buffer {
  return packet(0x90, [...numberBytes(id), ...(version === 5 ? [0] : []), ...Array.from({ length: filters }, () => 1)]);
}

/** A DISCONNECT of the broker; MQTT 5 only. */
export function disconnect(code: number): Buffer {
  return packet(0xe0, [code, 0]);
}

/** The answer to a ping. */
export const PINGRESP = Buffer.from([0xd0, 0]);

interface Frame {
  readonly header: number;
  readonly body: Buffer;
  readonly end: number;
}

/** The first whole packet in a buffer. */
function frameOf(buffer: Buffer): Frame | undefined {
  let length = 0;
  for (let index = 1; index < Math.min(buffer.length, 5); index++) {
    const byte = buffer[index]!;
    length += (byte & 0x7f) * 128 ** (index - 1);
    if (byte >= 0x80) continue;
    const end = index + 1 + length;
    return buffer.length < end ? undefined : { header: buffer[0]!, body: buffer.subarray(index + 1, end), end };
  }
  return undefined;
}

function packet(header: number, body: readonly number[]): Buffer {
  return Buffer.from([header, body.length, ...body]);
}

function numberBytes(value: number): number[] {
  return [value >> 8, value & 0xff];
}

/** Reads the fields of a packet one after the other. */
class Cursor {
  private at = 0;
  private readonly body: Buffer;

  constructor(body: Buffer) {
    this.body = body;
  }

  get left(): number {
    return this.body.length - this.at;
  }

  byte(): number {
    return this.body.readUInt8(this.at++);
  }

  number(): number {
    this.at += 2;
    return this.body.readUInt16BE(this.at - 2);
  }

  variable(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  bytes(): Buffer {
    const length = this.number();
    this.skip(length);
    return this.body.subarray(this.at - length, this.at);
  }

  rest(): Buffer {
    return this.body.subarray(this.at);
  }

  skip(count: number): void {
    this.at += count;
  }
}
