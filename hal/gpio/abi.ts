/** Structures and request codes of the kernel's GPIO interface, version 2. */
import { EDGE_BUFFER, type LineSetup } from './port.ts';

// Layouts and numbers of <linux/gpio.h>, GPIO character device v2 (Linux 5.10 and later). All fields are padded so that
// 32-bit and 64-bit machines agree. Little endian, as every machine is that Node runs on with GPIO lines.

/** Request codes of the ioctls: direction, size of the structure, type 0xB4, number. */
export const IOCTL = {
  chipInfo: 0x8044_b401,
  lineInfo: 0xc100_b405,
  takeLine: 0xc250_b407,
  getValues: 0xc010_b40e,
  setValues: 0xc010_b40f,
} as const;

/** Sizes of the structures, bytes. */
export const SIZE = { chipInfo: 68, lineInfo: 256, lineRequest: 592, lineValues: 16, lineEvent: 48 } as const;

const NAME_BYTES = 32;

/** `enum gpio_v2_line_flag`. */
const FLAG = {
  used: 1 << 0,
  activeLow: 1 << 1,
  input: 1 << 2,
  output: 1 << 3,
  edgeRising: 1 << 4,
  edgeFalling: 1 << 5,
  openDrain: 1 << 6,
  openSource: 1 << 7,
  biasPullUp: 1 << 8,
  biasPullDown: 1 << 9,
  biasDisabled: 1 << 10,
} as const;

const ATTRIBUTE = { outputValues: 2, debounce: 3 } as const;

/** Where the fields of `struct gpio_v2_line_request` begin. */
const REQUEST = { consumer: 256, flags: 288, attributes: 296, first: 320, lines: 560, buffer: 564, fd: 588 } as const;

const BIAS_FLAGS = {
  'as-is': 0,
  'pull-up': FLAG.biasPullUp,
  'pull-down': FLAG.biasPullDown,
  disabled: FLAG.biasDisabled,
};
const EDGE_FLAGS = {
  none: 0,
  rising: FLAG.edgeRising,
  falling: FLAG.edgeFalling,
  both: FLAG.edgeRising | FLAG.edgeFalling,
};
const DRIVE_FLAGS = { 'push-pull': 0, 'open-drain': FLAG.openDrain, 'open-source': FLAG.openSource };

/** The flags of a line that is set up so. */
export function flagsOf(setup: LineSetup): number {
  const polarity = setup.activeLow ? FLAG.activeLow : 0;
  if (setup.direction === 'output') return polarity | FLAG.output | DRIVE_FLAGS[setup.drive];
  return polarity | FLAG.input | BIAS_FLAGS[setup.bias] | EDGE_FLAGS[setup.edges];
}

/**
 * `struct gpio_v2_line_request` for one line.
 *
 * @param offset of the line on its chip, 0…
 * @param consumer what others see as the line's user, at most 31 bytes
 */
export function encodeLineRequest(offset: number, setup: LineSetup, consumer: string): Buffer {
  const bytes = Buffer.alloc(SIZE.lineRequest);
  bytes.writeUInt32LE(offset, 0);
  bytes.write(consumer, REQUEST.consumer, NAME_BYTES - 1, 'utf8');
  bytes.writeBigUInt64LE(BigInt(flagsOf(setup)), REQUEST.flags);
  bytes.writeUInt32LE(1, REQUEST.lines);
  if (setup.direction === 'output') attribute(bytes, ATTRIBUTE.outputValues, setup.initial ? 1 : 0);
  else {
    if (setup.debounceUs > 0) attribute(bytes, ATTRIBUTE.debounce, setup.debounceUs);
    if (setup.edges !== 'none') bytes.writeUInt32LE(EDGE_BUFFER, REQUEST.buffer);
  }
  return bytes;
}

/** The one attribute of the one line; as `debounce_period_us` shares its place, all are below 2^32. */
function attribute(bytes: Buffer, id: number, value: number): void {
  bytes.writeUInt32LE(1, REQUEST.attributes);
  bytes.writeUInt32LE(id, REQUEST.first);
  bytes.writeUInt32LE(value, REQUEST.first + 8);
  bytes.writeBigUInt64LE(1n, REQUEST.first + 16);
}

/** The file descriptor the kernel wrote into a line request. */
export function lineRequestFd(bytes: Buffer): number {
  return bytes.readInt32LE(REQUEST.fd);
}

/** `struct gpiochip_info`. */
export function decodeChipInfo(bytes: Buffer): { name: string; label: string; lines: number } {
  return { name: textAt(bytes, 0), label: textAt(bytes, NAME_BYTES), lines: bytes.readUInt32LE(2 * NAME_BYTES) };
}

/** `struct gpio_v2_line_info` that asks about one line. */
export function encodeLineInfo(offset: number): Buffer {
  const bytes = Buffer.alloc(SIZE.lineInfo);
  bytes.writeUInt32LE(offset, 2 * NAME_BYTES);
  return bytes;
}

/** What `struct gpio_v2_line_info` says of a line: its name, who has it (may be empty), and its flags. */
export function decodeLineInfo(bytes: Buffer): { name: string; consumer: string; isUsed: boolean } {
  const flags = bytes.readBigUInt64LE(2 * NAME_BYTES + 8);
  return {
    name: textAt(bytes, 0),
    consumer: textAt(bytes, NAME_BYTES),
    isUsed: (flags & BigInt(FLAG.used)) !== 0n,
  };
}

/** `struct gpio_v2_line_values` of one line: to get its value `active` does not matter. */
export function encodeLineValue(active: boolean): Buffer {
  const bytes = Buffer.alloc(SIZE.lineValues);
  bytes.writeBigUInt64LE(active ? 1n : 0n, 0);
  bytes.writeBigUInt64LE(1n, 8);
  return bytes;
}

/** The value of one line in `struct gpio_v2_line_values`. */
export function decodeLineValue(bytes: Buffer): boolean {
  return (bytes.readBigUInt64LE(0) & 1n) === 1n;
}

/** One `struct gpio_v2_line_event`. */
interface LineEvent {
  readonly active: boolean;
  /** CLOCK_MONOTONIC, ms. */
  readonly stampMs: number;
  /** Number of the edge on its line since the line was taken, from 1, modulo 2^32; also of edges that were dropped. */
  readonly lineSequence: number;
}

const RISING = 1;

/** Every whole event in the first `length` bytes. */
export function decodeLineEvents(bytes: Buffer, length: number): LineEvent[] {
  const events: LineEvent[] = [];
  for (let at = 0; at + SIZE.lineEvent <= length; at += SIZE.lineEvent) {
    // Nanoseconds as a double are exact for 104 days of uptime, and to 4 ns for a year: no need for a bigint an edge.
    const stampNs = bytes.readUInt32LE(at + 4) * 2 ** 32 + bytes.readUInt32LE(at);
    events.push({
      active: bytes.readUInt32LE(at + 8) === RISING,
      stampMs: stampNs / 1e6,
      lineSequence: bytes.readUInt32LE(at + 20),
    });
  }
  return events;
}

/** How many edges lie between two sequence numbers of a line. */
export function missedBetween(before: number, after: number): number {
  return (after - before - 1) >>> 0;
}

function textAt(bytes: Buffer, at: number): string {
  const field = bytes.subarray(at, at + NAME_BYTES);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? NAME_BYTES : end);
}
