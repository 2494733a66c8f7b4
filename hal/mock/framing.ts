/** Takes Modbus requests off a stream of bytes and wraps responses, for simulated devices. */
import modbusSerialCrc16 from 'modbus-serial/utils/crc16.js';
/** How requests and responses are wrapped on the wire. */
export type Framing = 'tcp' | 'rtu';

/** A request, unwrapped. */
export interface Request {
  readonly unit: number;
  /** Function code and data. */
  readonly pdu: Uint8Array;
  /** The transaction identifier of the header; 0 where there is none. */
  readonly transaction: number;
}

/** What the front of a buffer holds: a request, too little, or bytes that belong to none. `used` bytes are done with. */
type Unwrapped =
  | { readonly kind: 'request'; readonly request: Request; readonly used: number }
  | { readonly kind: 'more' }
  | { readonly kind: 'noise'; readonly used: number };

/** Bytes of the header in front of the unit: transaction, protocol, length. */
const HEADER_BYTES = 6;
/** Longest unit and PDU, and longest RTU frame, Modbus Application Protocol V1.1b3 chapter 4.1. */
const LONGEST_BODY_BYTES = 254;
export const LONGEST_FRAME_BYTES = 260;

/** Takes the first request off a buffer. */
export function unwrap(bytes: Uint8Array, framing: Framing): Unwrapped {
  return framing === 'tcp' ? unwrapTcp(bytes) : unwrapRtu(bytes);
}

/** Wraps a response the way its request came. */
export function wrap(pdu: Uint8Array, { unit, transaction }: Request, framing: Framing): Uint8Array {
  if (framing === 'rtu') {
    const frame = new Uint8Array(pdu.length + 3);
    frame[0] = unit;
    frame.set(pdu, 1);
    const crc = crc16(frame.subarray(0, -2));
    frame[frame.length - 2] = crc & 0xff;
    frame[frame.length - 1] = crc >> 8;
    return frame;
  }
  const frame = new Uint8Array(HEADER_BYTES + 1 + pdu.length);
  const view = new DataView(frame.buffer);
  view.setUint16(0, transaction);
  view.setUint16(4, pdu.length + 1);
  frame[HEADER_BYTES] = unit;
  frame.set(pdu, HEADER_BYTES + 1);
  return frame;
}

function unwrapTcp(bytes: Uint8Array): Unwrapped {
  if (bytes.length < HEADER_BYTES) return { kind: 'more' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint16(4);
  // A header that is none leaves no way to find the next one.
  if (view.getUint16(2) !== 0 || length < 2 || length > LONGEST_BODY_BYTES)
    return { kind: 'noise', used: bytes.length };
  if (bytes.length < HEADER_BYTES + length) return { kind: 'more' };
  const pdu = bytes.slice(HEADER_BYTES + 1, HEADER_BYTES + length);
  const request = { unit: bytes[HEADER_BYTES]!, pdu, transaction: view.getUint16(0) };
  return { kind: 'request', request, used: HEADER_BYTES + length };
}

function unwrapRtu(bytes: Uint8Array): Unwrapped {
  if (bytes.length < 2) return { kind: 'more' };
  const length = requestBytes(bytes);
  if (length === undefined) return { kind: 'more' };
  if (length > LONGEST_FRAME_BYTES) return { kind: 'noise', used: 1 };
  if (bytes.length < length) return { kind: 'more' };
  const crc = bytes[length - 2]! | (bytes[length - 1]! << 8);
  if (crc !== crc16(bytes.subarray(0, length - 2))) return { kind: 'noise', used: 1 };
  return {
    kind: 'request',
    request: { unit: bytes[0]!, pdu: bytes.slice(1, length - 2), transaction: 0 },
    used: length,
  };
}

/** Length of the RTU request in front, from its function code; undefined while that cannot be told. */
function requestBytes(bytes: Uint8Array): number | undefined {
  const functionCode = bytes[1]!;
  if (functionCode === 15 || functionCode === 16) return bytes.length < 7 ? undefined : 9 + bytes[6]!;
  if (functionCode === 22) return 10;
  if (functionCode === 43) return 7;
  if (functionCode === 17 || functionCode === 7) return 4;
  return 8;
}

/**
 * CRC-16/MODBUS (MODBUS over Serial Line V1.02, 6.2.2) by modbus-serial. On purpose not the driver's own: a twin that
 * shared its code would agree with its mistakes.
 */
const crc16: (bytes: Uint8Array) => number = modbusSerialCrc16;
