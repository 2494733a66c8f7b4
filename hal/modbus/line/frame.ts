/** Builds and takes apart Modbus frames. */
import type { Table } from '../map/address.ts';

/** What can be asked of a slave. Addresses are zero-based protocol addresses; registers are host numbers, 0…65535. */
export type ModbusRequest =
  | {
      readonly kind: 'read';
      readonly unit: number;
      readonly table: Table;
      readonly start: number;
      readonly count: number;
    }
  | { readonly kind: 'write-coil'; readonly unit: number; readonly start: number; readonly on: boolean }
  | { readonly kind: 'write-register'; readonly unit: number; readonly start: number; readonly register: number }
  | { readonly kind: 'write-coils'; readonly unit: number; readonly start: number; readonly coils: readonly boolean[] }
  | { readonly kind: 'write-registers'; readonly unit: number; readonly start: number; readonly registers: Uint16Array }
  | {
      readonly kind: 'mask-register';
      readonly unit: number;
      readonly start: number;
      readonly and: number;
      readonly or: number;
    }
  | { readonly kind: 'report-server-id'; readonly unit: number }
  | {
      readonly kind: 'read-identification';
      readonly unit: number;
      /** 1 basic, 2 regular, 3 extended, 4 one object. */
      readonly category: 1 | 2 | 3 | 4;
      readonly firstObject: number;
    };

/** Largest frames (MODBUS Application Protocol V1.1b3, 4.1): PDU 253, RTU 256, MBAP 260 bytes. */
const MAX_PDU_BYTES = 253;
export const MAX_RTU_BYTES = 256;
export const MAX_MBAP_BYTES = 260;

/** Function code of a read of each table. */
const READ_FUNCTION: Record<Table, number> = { coil: 1, discrete: 2, holding: 3, input: 4 };

/** Encapsulated interface transport, and its type for device identification (V1.1b3, 6.21). */
const IDENTIFICATION = 0x2b;
const IDENTIFICATION_TYPE = 0x0e;

/** Function code of a request. */
function functionOf(request: ModbusRequest): number {
  switch (request.kind) {
    case 'read':
      return READ_FUNCTION[request.table];
    case 'write-coil':
      return 5;
    case 'write-register':
      return 6;
    case 'write-coils':
      return 15;
    case 'write-registers':
      return 16;
    case 'report-server-id':
      return 17;
    case 'mask-register':
      return 22;
    case 'read-identification':
      return IDENTIFICATION;
  }
}

/**
 * The PDU of a request: function code and data, without unit and checksum.
 *
 * @throws RangeError when the request cannot be said on the wire (count or address out of range): a bug of the caller
 */
export function encodePdu(request: ModbusRequest): Uint8Array {
  const code = functionOf(request);
  switch (request.kind) {
    case 'read': {
      const most = request.table === 'coil' || request.table === 'discrete' ? 2000 : 125;
      checkSpan(request.start, request.count, most);
      return Uint8Array.of(code, ...word(request.start), ...word(request.count));
    }
    case 'write-coil':
      checkSpan(request.start, 1, 1);
      return Uint8Array.of(code, ...word(request.start), request.on ? 0xff : 0, 0);
    case 'write-register':
      checkSpan(request.start, 1, 1);
      return Uint8Array.of(code, ...word(request.start), ...word(request.register));
    case 'write-coils': {
      checkSpan(request.start, request.coils.length, 1968);
      const packed = new Uint8Array(Math.ceil(request.coils.length / 8));
      request.coils.forEach((on, index) => {
        if (on) packed[index >> 3]! |= 1 << (index & 7);
      });
      return Uint8Array.of(code, ...word(request.start), ...word(request.coils.length), packed.length, ...packed);
    }
    case 'write-registers': {
      checkSpan(request.start, request.registers.length, 123);
      const data = [...request.registers].flatMap(word);
      return Uint8Array.of(code, ...word(request.start), ...word(request.registers.length), data.length, ...data);
    }
    case 'mask-register':
      checkSpan(request.start, 1, 1);
      return Uint8Array.of(code, ...word(request.start), ...word(request.and), ...word(request.or));
    case 'report-server-id':
      return Uint8Array.of(code);
    case 'read-identification':
      return Uint8Array.of(code, IDENTIFICATION_TYPE, request.category, request.firstObject);
  }
}

function checkSpan(start: number, count: number, most: number): void {
  if (!Number.isInteger(start) || start < 0 || !Number.isInteger(count) || count < 1 || count > most)
    throw new RangeError(`Modbus request of ${count} at ${start}: 1…${most} items from address 0…65535`);
  if (start + count > 65536) throw new RangeError(`Modbus request of ${count} at ${start} passes address 65535`);
}

function word(value: number): [number, number] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

/** A request made ready for one line: everything the scanners compare an answer with. */
export interface Question {
  readonly unit: number;
  readonly code: number;
  readonly request: ModbusRequest;
  readonly pdu: Uint8Array;
  /** Length of a normal answer's PDU; undefined where only the answer itself says it (17, 43). */
  readonly answerPduBytes: number | undefined;
  /** True when the normal answer has the very bytes of the request (FC 5, 6 and 22). */
  readonly answeredByItself: boolean;
}

/** Prepares a request. Pure; throws as {@link encodePdu}. */
export function questionOf(request: ModbusRequest): Question {
  return {
    unit: request.unit,
    code: functionOf(request),
    request,
    pdu: encodePdu(request),
    answerPduBytes: answerPduBytes(request),
    answeredByItself:
      request.kind === 'write-coil' || request.kind === 'write-register' || request.kind === 'mask-register',
  };
}

/** Bytes of data in the answer to a read. */
export function readDataBytes(table: Table, count: number): number {
  return table === 'coil' || table === 'discrete' ? Math.ceil(count / 8) : 2 * count;
}

function answerPduBytes(request: ModbusRequest): number | undefined {
  switch (request.kind) {
    case 'read':
      return 2 + readDataBytes(request.table, request.count);
    case 'mask-register':
      return 7;
    case 'report-server-id':
    case 'read-identification':
      return undefined;
    default:
      return 5;
  }
}

/** What a PDU is to a question. */
export type Judgement =
  | { readonly kind: 'answer'; readonly data: Uint8Array }
  | { readonly kind: 'exception'; readonly code: number }
  | { readonly kind: 'other'; readonly why: 'function' | 'length' | 'echo' };

/**
 * Judges a whole PDU against a question. `data` of an answer: the bytes after the byte count of a read or of a server
 * id; from the conformity level on for an identification; empty for a write, whose echo has been compared in full.
 */
export function judgePdu(question: Question, pdu: Uint8Array): Judgement {
  if (pdu[0] === (question.code | 0x80)) {
    return pdu.length === 2 ? { kind: 'exception', code: pdu[1]! } : { kind: 'other', why: 'length' };
  }
  if (pdu[0] !== question.code) return { kind: 'other', why: 'function' };
  switch (question.request.kind) {
    case 'read':
      if (pdu.length !== question.answerPduBytes || pdu[1] !== pdu.length - 2) return { kind: 'other', why: 'length' };
      return { kind: 'answer', data: pdu.subarray(2) };
    case 'report-server-id':
      if (pdu.length < 2 || pdu[1] !== pdu.length - 2) return { kind: 'other', why: 'length' };
      return { kind: 'answer', data: pdu.subarray(2) };
    case 'read-identification':
      if (identificationPduBytes(pdu, 0, pdu.length) !== pdu.length) return { kind: 'other', why: 'length' };
      if (pdu[2] !== question.request.category) return { kind: 'other', why: 'echo' };
      return { kind: 'answer', data: pdu.subarray(3) };
    default:
      if (pdu.length !== question.answerPduBytes) return { kind: 'other', why: 'length' };
      for (let index = 1; index < pdu.length; index++)
        if (pdu[index] !== question.pdu[index]) return { kind: 'other', why: 'echo' };
      return { kind: 'answer', data: pdu.subarray(pdu.length) };
  }
}

/** Length of an identification PDU at `from`; undefined while more bytes are needed, 0 when it is none. */
export function identificationPduBytes(bytes: Uint8Array, from: number, to: number): number | undefined {
  if (to - from >= 2 && bytes[from + 1] !== IDENTIFICATION_TYPE) return 0;
  if (to - from < 7) return undefined;
  let end = from + 7;
  for (let object = 0; object < bytes[from + 6]!; object++) {
    if (end + 2 > to) return end + 2 - from > MAX_PDU_BYTES ? 0 : undefined;
    end += 2 + bytes[end + 1]!;
  }
  if (end - from > MAX_PDU_BYTES) return 0;
  return end <= to ? end - from : undefined;
}

/** One object of a device identification: 0 vendor, 1 product code, 2 revision, 4 product name, … */
export interface IdentificationObject {
  readonly id: number;
  readonly text: string;
}

/** The objects in the `data` of an identification answer, and the first object of the next request if more follow. */
export function parseIdentification(data: Uint8Array): { objects: IdentificationObject[]; next: number | undefined } {
  const objects: IdentificationObject[] = [];
  let at = 4;
  for (let index = 0; index < (data[3] ?? 0) && at + 2 <= data.length; index++) {
    const end = at + 2 + data[at + 1]!;
    objects.push({ id: data[at]!, text: new TextDecoder('latin1').decode(data.subarray(at + 2, end)) });
    at = end;
  }
  return { objects, next: data[1] === 0xff ? data[2] : undefined };
}

/** An RTU frame: unit, PDU, checksum with the low byte first. */
export function encodeRtu(unit: number, pdu: Uint8Array): Uint8Array {
  const frame = new Uint8Array(pdu.length + 3);
  frame[0] = unit;
  frame.set(pdu, 1);
  const crc = crc16(frame, 0, pdu.length + 1);
  frame[pdu.length + 1] = crc & 0xff;
  frame[pdu.length + 2] = crc >>> 8;
  return frame;
}

/** A Modbus TCP frame: transaction, protocol 0, length, unit, PDU (Modbus Messaging on TCP/IP V1.0b, 3.1.3). */
export function encodeMbap(transaction: number, unit: number, pdu: Uint8Array): Uint8Array {
  const frame = new Uint8Array(pdu.length + 7);
  frame.set([...word(transaction), 0, 0, ...word(pdu.length + 1), unit]);
  frame.set(pdu, 7);
  return frame;
}

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  return crc;
});

/**
 * CRC-16/MODBUS of `bytes[from, to)`: start 0xFFFF, reflected polynomial 0xA001 (MODBUS over Serial Line V1.02, 6.2.2).
 * On the wire the low byte comes first. By table, because resynchronising on noise checks many candidates.
 */
export function crc16(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let crc = 0xffff;
  for (let index = from; index < to; index++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[index]!) & 0xff]!;
  return crc;
}

/** Whether `bytes[from, to)` ends with the checksum of what is before it. */
export function hasValidCrc(bytes: Uint8Array, from: number, to: number): boolean {
  return crc16(bytes, from, to - 2) === (bytes[to - 2]! | (bytes[to - 1]! << 8));
}
