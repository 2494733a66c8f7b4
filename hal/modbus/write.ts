/** Writes a value and reads it back. */
import type { Value } from '../../src/core/reading.ts';
import { NotConnected, type WriteResult } from '../driver.ts';
import { type Asking, askDevice, type DeviceState, readRequestOf } from './device.ts';
import type { ModbusRequest } from './line/frame.ts';
import type { Outcome } from './line/line.ts';
import type { ModbusAddress } from './map/address.ts';
import { decodeBit, decodeRegisters } from './map/decode.ts';
import { encodeScaled, encodeValue } from './map/encode.ts';
import { failureOf } from './result.ts';

/** Modbus exception 01: the device does not know the function. */
const ILLEGAL_FUNCTION = 1;

type Writing = Asking & { readonly device: DeviceState; readonly signal: AbortSignal };

/**
 * Writes a value and reads it back. A write is sent once: a question that went unanswered may have been obeyed, and
 * obeying it twice could do harm, so the reading back decides.
 *
 * @throws NotConnected when the line is lost before the device can have seen anything
 */
export async function writeValue(writing: Writing, address: ModbusAddress, value: Value): Promise<WriteResult> {
  if (address.table !== 'coil' && address.table !== 'holding')
    return { ok: false, kind: 'refused', why: `a ${address.table} register cannot be written` };
  const registers = await registersOf(writing, address, value);
  if ('ok' in registers) return registers;
  const answered = await sendWrite(writing, address, registers);
  if (answered.kind === 'lost') throw answered.cause;
  if (answered.kind === 'not-asked') return { ok: false, kind: 'refused', why: answered.detail };
  if (answered.kind === 'exception') {
    const { why, detail } = failureOf(answered);
    return { ok: false, kind: 'refused', why: `the device refused: ${why} (${detail})` };
  }
  return readBack(writing, address, registers, answered);
}

async function registersOf(writing: Writing, address: ModbusAddress, value: Value): Promise<Uint16Array | WriteResult> {
  const { scaleAt } = address;
  if (scaleAt === undefined) return checked(encodeValue(value, address));
  if (typeof value !== 'number') return { ok: false, kind: 'refused', why: 'a scaled tag takes a number' };
  const request: ModbusRequest = { kind: 'read', unit: address.unit, table: address.table, start: scaleAt, count: 1 };
  const factor = await ask(writing, request);
  if (factor.kind !== 'answer') return { ok: false, kind: 'refused', why: 'the scale factor register gives no answer' };
  return checked(encodeScaled(value, viewOf(factor.data).getInt16(0), address));
}

function checked(encoded: ReturnType<typeof encodeValue>): Uint16Array | WriteResult {
  if (encoded.ok) return encoded.value;
  return { ok: false, kind: 'refused', why: encoded.problems.map(({ message }) => message).join('; ') };
}

function ask(writing: Writing, request: ModbusRequest, retries = writing.retries): Promise<Outcome> {
  return askDevice({ ...writing, retries }, writing.device, request, writing.signal);
}

/** Sends the write; a device that does not know the function is asked with the one that means the same. */
async function sendWrite(writing: Writing, address: ModbusAddress, registers: Uint16Array): Promise<Outcome> {
  const { unit, start } = address;
  const first = registers[0]!;
  const several: ModbusRequest = { kind: 'write-registers', unit, start, registers };
  if (address.table === 'coil') {
    const single = await ask(writing, { kind: 'write-coil', unit, start, on: first !== 0 }, 0);
    return refusesFunction(single)
      ? ask(writing, { kind: 'write-coils', unit, start, coils: [first !== 0] }, 0)
      : single;
  }
  if (address.bit !== undefined) return writeBit(writing, address, first !== 0);
  if (registers.length > 1) return ask(writing, several, 0);
  const single = await ask(writing, { kind: 'write-register', unit, start, register: first }, 0);
  return refusesFunction(single) ? ask(writing, several, 0) : single;
}

/** A bit by mask write; where the device has none, by reading the register and writing it with the bit changed. */
async function writeBit(writing: Writing, { unit, start, bit }: ModbusAddress, on: boolean): Promise<Outcome> {
  const mask = 1 << bit!;
  const masked = await ask(writing, { kind: 'mask-register', unit, start, and: ~mask & 0xffff, or: on ? mask : 0 }, 0);
  if (!refusesFunction(masked)) return masked;
  const before = await ask(writing, { kind: 'read', unit, table: 'holding', start, count: 1 });
  if (before.kind !== 'answer')
    return before.kind === 'lost' ? before : { kind: 'not-asked', detail: 'the register with the bit gives no answer' };
  const old = viewOf(before.data).getUint16(0);
  const register = on ? old | mask : old & ~mask & 0xffff;
  const single = await ask(writing, { kind: 'write-register', unit, start, register }, 0);
  return refusesFunction(single)
    ? ask(writing, { kind: 'write-registers', unit, start, registers: Uint16Array.of(register) }, 0)
    : single;
}

function refusesFunction(outcome: Outcome): boolean {
  return outcome.kind === 'exception' && outcome.code === ILLEGAL_FUNCTION;
}

/** What the device holds now decides; bits are compared, so that a rounded float or a BCD form cannot deceive. */
async function readBack(
  writing: Writing,
  address: ModbusAddress,
  registers: Uint16Array,
  answered: Outcome,
): Promise<WriteResult> {
  const wasAnswered = answered.kind === 'answer';
  const back = await ask(writing, readRequestOf(address)).catch((error: unknown) => {
    if (error instanceof NotConnected) return { kind: 'lost', cause: error } as const;
    throw error;
  });
  if (back.kind !== 'answer') {
    // A register that can be written but not read has answered the write: there is nothing to compare.
    if (wasAnswered && back.kind === 'exception') return { ok: true, readBack: undefined };
    return {
      ok: false,
      kind: 'failed',
      why: wasAnswered ? 'the value could not be read back' : 'the device did not answer',
    };
  }
  const decoded =
    address.table === 'coil' ? decodeBit(back.data, 0) : decodeRegisters(back.data, 0, withoutScale(address));
  const readBackValue = decoded.ok ? decoded.value : undefined;
  if (holds(back.data, address, registers)) return { ok: true, readBack: readBackValue };
  const shown = decoded.ok ? String(decoded.value) : 'another value';
  return { ok: false, kind: 'mismatch', why: `the device took the write but holds ${shown}` };
}

function withoutScale(address: ModbusAddress): ModbusAddress {
  return { ...address, scaleAt: undefined };
}

function holds(data: Uint8Array, address: ModbusAddress, registers: Uint16Array): boolean {
  if (address.table === 'coil') return (data[0]! & 1) === (registers[0] === 0 ? 0 : 1);
  const view = viewOf(data);
  if (address.bit !== undefined) {
    return ((view.getUint16(0) >> address.bit) & 1) === (registers[0] === 0 ? 0 : 1);
  }
  return registers.every((register, index) => view.getUint16(2 * index) === register);
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
