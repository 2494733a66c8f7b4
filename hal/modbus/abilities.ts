/** What a Modbus line can do beside reading tags: give registers that no tag names, and ask a device who it is. */
import type { Failure } from '../../src/core/quality.ts';
import type { Driver } from '../driver.ts';

/** What a device says of itself. */
export interface Identification {
  /** Whether anything answered, be it a refusal. */
  readonly isThere: boolean;
  /** Objects of Modbus device identification (function 43/14). */
  readonly names: {
    vendor?: string;
    productCode?: string;
    revision?: string;
    vendorUrl?: string;
    productName?: string;
    modelName?: string;
    applicationName?: string;
  };
  /** Data of Modbus "report server id" (function 17), whose form is the maker's own, and the words in it. */
  readonly serverId: Uint8Array | undefined;
  readonly serverText: string | undefined;
}

/** A driver that can ask a device who it is, without knowing anything of it and without changing anything in it. */
export interface Identifying {
  /** Throws `NotConnected`, and the signal's reason after an abort. Counts as a `read` for rule 4. */
  identify(unit: number, signal: AbortSignal): Promise<Identification>;
}

/** A part of a Modbus device's memory: registers or bits that one request can read. */
export interface RawBlock {
  readonly unit: number;
  readonly table: 'coil' | 'discrete' | 'input' | 'holding';
  /** Zero-based protocol address of the first. */
  readonly start: number;
  /** 1 to 125 registers, or 1 to 2000 bits. */
  readonly count: number;
}

/** What a block holds: registers 0…65535, or bits 0 and 1; or why it was not read. */
export type RawAnswer =
  | { readonly ok: true; readonly items: readonly number[] }
  | { readonly ok: false; readonly why: Failure; readonly detail: string };

/** A driver that can read memory that no tag names, as it is, without changing anything in the device. */
export interface RawReading {
  /** One request. Throws `NotConnected`, and the signal's reason after an abort. Counts as a `read` for rule 4. */
  readRaw(block: RawBlock, signal: AbortSignal): Promise<RawAnswer>;
}

/** Whether a driver can ask who is there. */
export function isIdentifying<A>(driver: Driver<A>): driver is Driver<A> & Identifying {
  return 'identify' in driver;
}

/** Whether a driver can read memory that no tag names. */
export function isRawReading<A>(driver: Driver<A>): driver is Driver<A> & RawReading {
  return 'readRaw' in driver;
}
