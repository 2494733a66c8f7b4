/** Writes a value and reads it back. */
import { messageOf } from '../../src/core/errors.ts';
import type { Value } from '../../src/core/reading.ts';
import type { WriteResult } from '../driver.ts';
import { type Asking, askDevice, type DeviceState, readRequestOf } from './device.ts';
import { type ModbusRequest, questionOf } from './line/frame.ts';
import type { Outcome } from './line/line.ts';
import type { ModbusAddress } from './map/address.ts';
import {
  applyScaleFactor,
  decodeBit,
  decodeRegisters,
  encodeScaled,
  encodeValue,
  maskOf,
  rangeOf,
} from './map/register-values.ts';
import { failureOf } from './refusals.ts';

/*
 * A write is sent once. It has the configured deadline, however fast the device answers reads. Where no answer comes, the
 * connection is lost after it was sent, or the device says that it is at work (exception 05), the register is read a few
 * times, later and later, until it shows the value; if it never does, the outcome is `unknown`. Only what a device
 * certainly did not carry out is sent again: what it was too busy to accept (exception 06), and with another function
 * what it does not know (exception 01, or silence to a write of what the register holds already). A function that a
 * device does not know is not tried on it again.
 */

/** Exceptions of a write (MODBUS Application Protocol V1.1b3, section 7). */
const ILLEGAL_FUNCTION = 1;
const ACKNOWLEDGED = 5;
const BUSY = 6;

/** Rests before a device that was too busy to accept a write is asked again, ms. */
const BUSY_RESTS_MS = [100, 200, 400];

/** Looks at the register after a write without an answer, in parts of the deadline after each other, and the longest. */
const LOOKS = [0.5, 1, 2, 4];
const LONGEST_LOOK_MS = 2000;

interface Writing extends Asking {
  readonly device: DeviceState;
  readonly signal: AbortSignal;
  readonly address: ModbusAddress;
  /** Exponent of the scale factor register, where the tag has one. */
  exponent: number;
}

/** What is written: registers in wire order, or one for a coil. */
type Registers = Uint16Array;

/** How a write ended on the line. `sent` false: the device cannot have seen it. */
type Sent =
  | { readonly kind: 'acknowledged' }
  | { readonly kind: 'working' }
  /** `silent`: nothing at all came back, on a connection that stands. */
  | { readonly kind: 'unanswered'; readonly why: string; readonly silent?: true }
  /** The outcome is known already. */
  | { readonly kind: 'seen'; readonly result: WriteResult }
  | { readonly kind: 'refused'; readonly code: number; readonly why: string }
  | { readonly kind: 'not-sent'; readonly cause: Error | string };

/**
 * Writes a value and reads it back.
 *
 * @throws NotConnected when the line is lost before the device can have seen anything
 */
export async function writeValue(
  asking: Asking & { readonly device: DeviceState; readonly signal: AbortSignal },
  address: ModbusAddress,
  value: Value,
): Promise<WriteResult> {
  if (address.table !== 'coil' && address.table !== 'holding')
    return refused(`a ${address.table} register cannot be written`);
  const writing: Writing = { ...asking, address, exponent: 0 };
  const registers = await registersOf(writing, value);
  if (!(registers instanceof Uint16Array)) return registers;
  const sent = await sendWrite(writing, registers);
  switch (sent.kind) {
    case 'not-sent':
      if (sent.cause instanceof Error) throw sent.cause;
      return refused(sent.cause);
    case 'refused':
      return refused(`the device refused: ${sent.why}`);
    case 'seen':
      return sent.result;
    case 'acknowledged':
      return compared(writing, registers);
    case 'working':
      return lookedAt(writing, registers, 'the device accepted the write and was still carrying it out');
    case 'unanswered':
      return lookedAt(writing, registers, sent.why);
  }
}

function refused(why: string): WriteResult {
  return { ok: false, kind: 'refused', why };
}

async function registersOf(writing: Writing, value: Value): Promise<Registers | WriteResult> {
  const { address } = writing;
  const { scaleAt } = address;
  if (scaleAt !== undefined) {
    if (typeof value !== 'number') return refused('a scaled tag takes a number');
    const { unit, table } = address;
    const factor = await ask(writing, { kind: 'read', unit, table, start: scaleAt, count: 1 });
    if (factor.kind !== 'answer') return refused('the scale factor register gives no answer');
    writing.exponent = viewOf(factor.data).getInt16(0);
  }
  const encoded =
    scaleAt === undefined ? encodeValue(value, address) : encodeScaled(Number(value), writing.exponent, address);
  if (encoded.ok) return encoded.value;
  const range = scaleAt === undefined ? rangeOf(address) : undefined;
  const isNumber = typeof value === 'number' || typeof value === 'bigint';
  const isOutside = range !== undefined && isNumber && (value < range[0] || value > range[1]);
  const why = encoded.problems.map(({ message }) => message).join('; ');
  return { ok: false, kind: 'refused', why, ...(isOutside && { range }) };
}

/** Reads, with the retries of a read. */
function ask(writing: Writing, request: ModbusRequest): Promise<Outcome> {
  return askDevice(writing, writing.device, request, writing.signal);
}

/** Sends the write with the first function that the device knows. */
async function sendWrite(writing: Writing, registers: Registers): Promise<Sent> {
  const { address } = writing;
  const mask = maskOf(address);
  const { writeFunction } = address;
  if (mask === undefined) return sendWhole(writing, registers);
  const { unit, start } = address;
  const request = { kind: 'mask-register', unit, start, and: ~mask & 0xffff, or: registers[0]! } as const;
  if (writeFunction !== 'multiple' && mayKnow(writing, [request])) {
    // A mask that changes nothing shows whether the device knows the function.
    const harmless = { ...request, and: 0xffff, or: 0 };
    const masked = await tried(writing, registers, [request], () => harmless);
    if (masked !== 'function unknown') return masked;
  }
  const before = await ask(writing, { kind: 'read', unit, table: 'holding', start, count: 1 });
  if (before.kind === 'lost') return { kind: 'not-sent', cause: before.cause };
  if (before.kind !== 'answer') return { kind: 'not-sent', cause: 'the register with the bit gives no answer' };
  const register = (viewOf(before.data).getUint16(0) & ~mask) | registers[0]!;
  return sendWhole(writing, Uint16Array.of(register));
}

/** Whole registers or a coil: by the function of one, then by that of several, or as `writeFunction` says. */
async function sendWhole(writing: Writing, registers: Registers): Promise<Sent> {
  const { writeFunction, table } = writing.address;
  const isOne = registers.length === 1;
  const byOne = (values: Registers) => singleRequests(writing.address, values);
  const bySeveral = (values: Registers) => [severalRequest(writing.address, values)];
  const first = (writeFunction === undefined ? isOne : writeFunction === 'single') ? byOne : bySeveral;
  if (writeFunction !== undefined) return sendAll(writing, first(registers));
  if (mayKnow(writing, first(registers))) {
    const harmless = (held: Registers) => first(held)[0]!;
    const sent = await tried(writing, registers, first(registers), table === 'holding' ? harmless : undefined);
    if (sent !== 'function unknown') return sent;
  }
  const other = first === byOne ? bySeveral : byOne;
  return sendAll(writing, other(registers));
}

/** Whether a device is not known to lack the function of a write. */
function mayKnow({ device }: Writing, [request]: readonly ModbusRequest[]): boolean {
  return !device.unknownFunctions.has(request!.kind);
}

function singleRequests({ table, unit, start }: ModbusAddress, registers: Registers): ModbusRequest[] {
  if (table === 'coil') return [{ kind: 'write-coil', unit, start, on: registers[0] !== 0 }];
  return [...registers].map((register, index) => ({ kind: 'write-register', unit, start: start + index, register }));
}

function severalRequest({ table, unit, start }: ModbusAddress, registers: Registers): ModbusRequest {
  if (table === 'coil') return { kind: 'write-coils', unit, start, coils: [registers[0] !== 0] };
  return { kind: 'write-registers', unit, start, registers };
}

async function sendAll(writing: Writing, requests: readonly ModbusRequest[]): Promise<Sent> {
  let sent: Sent = { kind: 'acknowledged' };
  for (const request of requests) {
    sent = await send(writing, request);
    if (sent.kind !== 'acknowledged') break;
  }
  return sent;
}

/** Sends one write once; again only when the device was too busy to accept it. */
async function send(writing: Writing, request: ModbusRequest): Promise<Sent> {
  const { line, clock, device, signal } = writing;
  const question = questionOf(request);
  for (let rests = 0; ; rests++) {
    const { configuredMs, counters } = device;
    const outcome = await line.ask({ question, timeoutMs: configuredMs, counters, attemptOf: {} });
    switch (outcome.kind) {
      case 'answer':
        return { kind: 'acknowledged' };
      case 'exception': {
        if (outcome.code === ACKNOWLEDGED) return { kind: 'working' };
        if (outcome.code === BUSY && rests < BUSY_RESTS_MS.length) {
          await clock.sleep(BUSY_RESTS_MS[rests]!, signal);
          continue;
        }
        const { why, detail } = failureOf(outcome);
        return { kind: 'refused', code: outcome.code, why: `${why} (${detail})` };
      }
      case 'lost':
        if (!outcome.wasSent) return { kind: 'not-sent', cause: outcome.cause };
        return {
          kind: 'unanswered',
          why: `the connection was lost after the write was sent: ${messageOf(outcome.cause)}`,
        };
      case 'timeout':
        return { kind: 'unanswered', why: 'the device did not answer', silent: true };
      case 'hung-up':
        return { kind: 'unanswered', why: `the connection was lost after the write was sent: ${outcome.detail}` };
      case 'garbled':
        return { kind: 'unanswered', why: `the answer was not understood (${outcome.detail})` };
      default:
        return { kind: 'not-sent', cause: outcome.detail };
    }
  }
}

/**
 * Sends a write whose function the device may not know. It says so by exception 01. One that stays silent to unknown
 * functions is told from one that is slow, or whose answer was lost, by `harmless`, a write by the same function of what
 * the register holds when it did not come to show the value: silence to that, too, while reads are answered.
 *
 * @param harmless undefined: nothing can be written without harm, so that silence leaves the outcome unknown
 */
async function tried(
  writing: Writing,
  registers: Registers,
  requests: readonly ModbusRequest[],
  harmless: ((held: Registers) => ModbusRequest) | undefined,
): Promise<Sent | 'function unknown'> {
  const sent = await sendAll(writing, requests);
  const { device, address } = writing;
  if (sent.kind === 'refused' && sent.code === ILLEGAL_FUNCTION) {
    device.unknownFunctions.add(requests[0]!.kind);
    return 'function unknown';
  }
  if (sent.kind !== 'unanswered' || !sent.silent || harmless === undefined) return sent;
  const result = await lookedAt(writing, registers, sent.why);
  const seen = { kind: 'seen', result } as const;
  if (result.ok || result.holds === undefined) return seen;
  const held = await ask(writing, readRequestOf(address));
  if (held.kind !== 'answer' || holds(held.data, address, registers)) return seen;
  const again = await send(writing, harmless(wordsOf(held.data)));
  if (again.kind !== 'unanswered' || !again.silent) return seen;
  const after = await ask(writing, readRequestOf(address));
  if (after.kind !== 'answer' || holds(after.data, address, registers)) return seen;
  device.unknownFunctions.add(requests[0]!.kind);
  return 'function unknown';
}

/** Reads the value back after an acknowledged write: what the device holds now decides. */
async function compared(writing: Writing, registers: Registers): Promise<WriteResult> {
  const { address } = writing;
  const back = await ask(writing, readRequestOf(address));
  // A register that can be written but not read has answered the write: there is nothing to compare.
  if (back.kind === 'exception') return { ok: true, readBack: undefined };
  if (back.kind !== 'answer') return unknown('the device acknowledged the write, but the value could not be read back');
  if (holds(back.data, address, registers)) return { ok: true, readBack: valueIn(back.data, writing) };
  return {
    ok: false,
    kind: 'mismatch',
    why: 'the device acknowledged the write but holds another value',
    holds: valueIn(back.data, writing),
  };
}

/** Looks at the register later and later until it shows the value. */
async function lookedAt(writing: Writing, registers: Registers, why: string): Promise<WriteResult> {
  const { clock, device, signal, address } = writing;
  let held: Value | undefined;
  for (const look of LOOKS) {
    await clock.sleep(Math.min(look * device.configuredMs, LONGEST_LOOK_MS), signal);
    const back = await ask(writing, readRequestOf(address));
    if (back.kind === 'lost') break;
    if (back.kind !== 'answer') continue;
    if (holds(back.data, address, registers)) return { ok: true, readBack: valueIn(back.data, writing) };
    held = valueIn(back.data, writing);
  }
  return { ...unknown(why), ...(held !== undefined && { holds: held }) };
}

function unknown(why: string): Extract<WriteResult, { ok: false }> {
  return { ok: false, kind: 'unknown', why: `${why}; it is not known whether it took the value` };
}

/** Bits are compared, so that a rounded float or a BCD form cannot deceive. */
function holds(data: Uint8Array, address: ModbusAddress, registers: Registers): boolean {
  if (address.table === 'coil') return (data[0]! & 1) === (registers[0] === 0 ? 0 : 1);
  const words = wordsOf(data);
  const mask = maskOf(address);
  if (mask !== undefined) return (words[0]! & mask) === (registers[0]! & mask);
  return registers.every((register, index) => words[index] === register);
}

function valueIn(data: Uint8Array, { address, exponent }: Writing): Value | undefined {
  if (address.table === 'coil') return decodeBit(data, 0).ok ? (data[0]! & 1) === 1 : undefined;
  const raw = decodeRegisters(data, 0, { ...address, scaleAt: undefined });
  const decoded = raw.ok && address.scaleAt !== undefined ? applyScaleFactor(raw.value, exponent) : raw;
  return decoded.ok ? decoded.value : undefined;
}

function wordsOf(data: Uint8Array): Registers {
  const view = viewOf(data);
  return Uint16Array.from({ length: data.byteLength >> 1 }, (_, index) => view.getUint16(2 * index));
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
