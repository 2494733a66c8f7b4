/** Writes and reads the bytes of Protocol Buffers: tags, varints, fixed numbers and pieces with a length. */

/** Wire types of the encoding (protobuf.dev/programming-guides/encoding). */
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** A piece of wire format that cannot be read. */
export class MalformedBytes extends Error {}

/** Bytes of a varint at most. */
const VARINT_BYTES = 10;

const UINT64 = 0xffff_ffff_ffff_ffffn;

/** Writes one message after the other into a buffer that grows. */
export class ProtoWriter {
  private buffer: Buffer;
  private end = 0;

  constructor(bytes = 256) {
    this.buffer = Buffer.allocUnsafe(bytes);
  }

  /** A varint field; `value` is a whole number from 0 to 2⁵³−1. */
  varint(field: number, value: number): void {
    this.raw(field * 8 + WIRE.varint);
    this.raw(value);
  }

  /** A 64-bit varint field; a negative value goes as its two's complement. */
  varint64(field: number, value: bigint): void {
    this.raw(field * 8 + WIRE.varint);
    let rest = value & UINT64;
    this.reserve(VARINT_BYTES);
    while (rest > 0x7fn) {
      this.buffer[this.end++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.buffer[this.end++] = Number(rest);
  }

  float(field: number, value: number): void {
    this.raw(field * 8 + WIRE.fixed32);
    this.reserve(4);
    this.end = this.buffer.writeFloatLE(value, this.end);
  }

  double(field: number, value: number): void {
    this.raw(field * 8 + WIRE.fixed64);
    this.reserve(8);
    this.end = this.buffer.writeDoubleLE(value, this.end);
  }

  text(field: number, value: string): void {
    const bytes = Buffer.byteLength(value);
    this.head(field, bytes);
    this.end += this.buffer.write(value, this.end);
  }

  bytes(field: number, value: Uint8Array): void {
    this.head(field, value.length);
    this.buffer.set(value, this.end);
    this.end += value.length;
  }

  /** Forgets what was written and keeps the memory. */
  clear(): void {
    this.end = 0;
  }

  /** What was written so far; valid until the next call. */
  written(): Uint8Array {
    return this.buffer.subarray(0, this.end);
  }

  private head(field: number, bytes: number): void {
    this.raw(field * 8 + WIRE.bytes);
    this.raw(bytes);
    this.reserve(bytes);
  }

  private raw(value: number): void {
    this.reserve(VARINT_BYTES);
    let rest = value;
    while (rest > 0x7f) {
      this.buffer[this.end++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.buffer[this.end++] = rest;
  }

  private reserve(bytes: number): void {
    if (this.end + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.end + bytes));
    this.buffer.copy(larger, 0, 0, this.end);
    this.buffer = larger;
  }
}

/** One field as it stands in a message: a number of up to 64 bits as `bits`, or a piece of `bytes`. */
export type WireField =
  | { readonly number: number; readonly type: 0 | 1 | 5; readonly bits: bigint }
  | { readonly number: number; readonly type: 2; readonly bytes: Buffer };

/** The fields of a message, in their order. @throws MalformedBytes when it ends too soon or uses groups */
export function* fieldsIn(message: Buffer): Generator<WireField> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let index = 0; index < VARINT_BYTES; index++) {
      const byte = message[at++];
      if (byte === undefined) throw new MalformedBytes('a number is cut off');
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) return value & UINT64;
    }
    throw new MalformedBytes('a number has more than ten bytes');
  };
  const piece = (bytes: number): Buffer => {
    if (bytes > message.length - at) throw new MalformedBytes('a field is cut off');
    at += bytes;
    return message.subarray(at - bytes, at);
  };
  while (at < message.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    if (number === 0 || number > 0x1fff_ffff) throw new MalformedBytes(`there is no field ${number}`);
    switch (Number(tag & 7n)) {
      case WIRE.varint:
        yield { number, type: WIRE.varint, bits: varint() };
        break;
      case WIRE.fixed64:
        yield { number, type: WIRE.fixed64, bits: piece(8).readBigUInt64LE() };
        break;
      case WIRE.fixed32:
        yield { number, type: WIRE.fixed32, bits: BigInt(piece(4).readUInt32LE()) };
        break;
      case WIRE.bytes:
        yield { number, type: WIRE.bytes, bytes: piece(Number(varint())) };
        break;
      default:
        throw new MalformedBytes(`wire type ${tag & 7n} of field ${number} is not known`);
    }
  }
}
