/** What exceptions and lost answers mean for a tag. */
import type { Failure } from '../../src/core/quality.ts';
import type { Instant } from '../../src/core/reading.ts';
import type { ReadResult } from '../driver.ts';
import type { Outcome } from './line/line.ts';
import type { ModbusAddress } from './map/address.ts';
import { decodeBit, decodeRegisters } from './map/decode.ts';
import type { ReadBlock } from './map/plan.ts';

/** Meaning of the exception codes (MODBUS Application Protocol V1.1b3, section 7). */
const EXCEPTION_FAILURE: Record<number, Failure> = {
  1: 'illegal-function',
  2: 'illegal-address',
  3: 'illegal-value',
  4: 'device-failure',
  5: 'device-busy',
  6: 'device-busy',
  8: 'device-failure',
  10: 'gateway-path',
  11: 'gateway-target',
};

/** Exceptions that pass by themselves: the question may be asked again after a rest. */
export function isBusy(code: number): boolean {
  return code === 5 || code === 6;
}

/** Exceptions that say that something in the block cannot be read. */
export function isHole(code: number): boolean {
  return code === 2 || code === 3;
}

/** Why there is no value, in the words of readings. */
export function failureOf(outcome: Exclude<Outcome, { kind: 'answer' | 'lost' }>): {
  why: Failure;
  detail: string;
  asked?: false;
} {
  switch (outcome.kind) {
    case 'timeout':
      return { why: 'timeout', detail: 'no answer before the deadline' };
    case 'not-asked':
      return { why: 'timeout', detail: outcome.detail, asked: false };
    case 'garbled':
      return { why: 'garbled', detail: outcome.detail };
    case 'exception':
      return { why: EXCEPTION_FAILURE[outcome.code] ?? 'device-failure', detail: `Modbus exception ${outcome.code}` };
  }
}

/** The value of one address in the data of its block's answer. */
export function resultIn(data: Uint8Array, block: ReadBlock, address: ModbusAddress, at: Instant): ReadResult {
  const isBits = block.table === 'coil' || block.table === 'discrete';
  const offset = address.start - block.start;
  return { at, ...(isBits ? decodeBit(data, offset) : decodeRegisters(data, 2 * offset, address)) };
}
