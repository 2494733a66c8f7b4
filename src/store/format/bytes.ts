/** Writes and reads the numbers, bits and texts that the codec is made of. */

/** Bytes that are not what the codec writes. */
export class CodecError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CodecError';
  }
}

const LEAST_BYTES = 1024;

/** A buffer that grew beyond this is not kept: what needed it was an exception, such as the commit behind a standstill. */
const MOST_KEPT_BYTES = 4 * 1024 * 1024;

/** Appends numbers and texts to a growing buffer. */
export class ByteWriter {
  private buffer = Buffer.allocUnsafe(LEAST_BYTES);
  private length = 0;

  /** How many bytes were written. */
  get size(): number {
    return this.length;
  }

  byte(value: number): void {
    this.room(1);
    this.buffer[this.length++] = value;
  }

  /** An unsigned integer up to 2⁵³, 7 bits a byte, low bits first (LEB128). */
  varint(value: number): void {
    this.room(8);
    let rest = value;
    // Beyond 31 bits the operators of JavaScript would cut it.
    while (rest > 0x7fff_ffff) {
      this.buffer[this.length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 128) {
      this.buffer[this.length++] = (rest & 127) | 128;
      rest >>= 7;
    }
    this.buffer[this.length++] = rest;
  }

  /** A signed integer up to ±2⁵¹: zigzag keeps numbers of either sign small. */
  zigzag(value: number): void {
    this.varint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  /** An integer of any size. */
  bigint(value: bigint): void {
    let rest = value >= 0n ? value << 1n : (-value << 1n) - 1n;
    while (rest >= 128n) {
      this.byte(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    this.byte(Number(rest));
  }

  float64(value: number): void {
    this.room(8);
    this.length = this.buffer.writeDoubleLE(value, this.length);
  }

  float32(value: number): void {
    this.room(4);
    this.length = this.buffer.writeFloatLE(value, this.length);
  }

  text(value: string, encoding: 'utf8' | 'utf16le' = 'utf8'): void {
    const size = Buffer.byteLength(value, encoding);
    this.varint(size);
    this.room(size);
    this.length += this.buffer.write(value, this.length, size, encoding);
  }

  /** A text as UTF-8, without its length. */
  characters(value: string): void {
    // No character takes more than three bytes in UTF-8 for each of its code units.
    this.room(value.length * 3);
    this.length += this.buffer.write(value, this.length, 'utf8');
  }

  /** Forgets what was written; its buffer is used again, unless it became very large. */
  reset(): void {
    this.length = 0;
    if (this.buffer.length > MOST_KEPT_BYTES) this.buffer = Buffer.allocUnsafe(LEAST_BYTES);
  }

  /** Bytes as they are. */
  append(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** What was written, in place: it holds until more is written. */
  written(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  /** Another writer's bytes, after their length. */
  block(other: ByteWriter): void {
    this.varint(other.length);
    this.append(other.written());
  }

  /** A copy of what was written, in a buffer of its own that can be transferred to another thread. */
  finish(): Uint8Array<ArrayBuffer> {
    const result = new Uint8Array(this.length);
    result.set(this.written());
    return result;
  }

  private room(size: number): void {
    if (this.length + size <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + size));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}

/** Reads what {@link ByteWriter} wrote. Every method throws {@link CodecError} at the end of the bytes. */
export class ByteReader {
  private readonly buffer: Buffer;
  offset = 0;

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte(): number {
    return this.buffer[this.skip(1)]!;
  }

  varint(): number {
    const first = this.byte();
    if (first < 128) return first;
    // Most are of two bytes, and made of small integers, which cost nothing.
    const second = this.byte();
    if (second < 128) return (second << 7) | (first & 127);
    this.offset -= 2;
    let value = 0;
    for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new CodecError('an integer is longer than 8 bytes');
  }

  /** A varint that counts things of at least one bit each, so that damage cannot ask for endless memory. */
  count(): number {
    const value = this.varint();
    if (value > this.buffer.length * 8) throw new CodecError(`a count of ${value} exceeds the bytes there are`);
    return value;
  }

  zigzag(): number {
    const value = this.varint();
    if (value <= 0x3fff_ffff) return value & 1 ? -((value + 1) >> 1) : value >> 1;
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  bigint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) break;
    }
    return value & 1n ? -((value + 1n) >> 1n) : value >> 1n;
  }

  float64(): number {
    return this.buffer.readDoubleLE(this.skip(8));
  }

  float32(): number {
    return this.buffer.readFloatLE(this.skip(4));
  }

  text(encoding: 'utf8' | 'utf16le' = 'utf8'): string {
    const size = this.varint();
    const start = this.skip(size);
    return this.buffer.toString(encoding, start, start + size);
  }

  /** Whether the bytes from `start` on begin with others. */
  startsWith(start: number, bytes: Uint8Array): boolean {
    const end = start + bytes.length;
    return end <= this.buffer.length && this.buffer.compare(bytes, 0, bytes.length, start, end) === 0;
  }

  /** A copy of some of the bytes. */
  copy(start: number, end: number): Uint8Array {
    return new Uint8Array(this.buffer.subarray(start, end));
  }

  /** Moves on by `size` bytes; returns where they begin. */
  skip(size: number): number {
    const start = this.offset;
    if (start + size > this.buffer.length) throw new CodecError('the bytes end too early');
    this.offset = start + size;
    return start;
  }
}
