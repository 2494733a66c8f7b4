/** The bus of this machine, through i2c-bus. */
import { readdirSync } from 'node:fs';
import { codeOf, messageOf } from '../../src/core/errors.ts';
import { NotConnected } from '../driver.ts';

/**
 * One open bus. Calls must not overlap. Every call is one transfer between start and stop; it rejects with the error of
 * the system (`ENXIO`, `ETIMEDOUT`, …) and has no deadline of its own.
 */
export interface Wire {
  /** Plain read. */
  read(address: number, length: number): Promise<Uint8Array>;
  /** Plain write. */
  write(address: number, bytes: Uint8Array): Promise<void>;
  /** Writes the register pointer and reads `length` ≤ {@link LONGEST_BLOCK} bytes after a repeated start. */
  readRegister(address: number, register: number, length: number): Promise<Uint8Array>;
  /** Addresses the device for writing and sends nothing: whether anybody acknowledges. */
  quick(address: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens a bus; rejects with `NotConnected` that names cause and remedy. */
export type OpenWire = () => Promise<Wire>;

/** The bus `/dev/i2c-N` of this machine. The native module is loaded here and nowhere else. */
export function kernelWire(bus: number): OpenWire {
  return async () => {
    const { default: module } = await import('i2c-bus').catch((error: unknown) => {
      throw new NotConnected(
        `/dev/i2c-${bus}: I²C needs the package "i2c-bus", which does not load here (${messageOf(error)}). Install it with: npm install i2c-bus`,
        { cause: error },
      );
    });
    try {
      const opened = await module.openPromisified(bus);
      await opened.i2cFuncs();
      return {
        read: async (address, length) => (await opened.i2cRead(address, length, Buffer.alloc(length))).buffer,
        write: async (address, bytes) => void (await opened.i2cWrite(address, bytes.length, Buffer.from(bytes))),
        readRegister: async (address, register, length) =>
          exactly(length, await opened.readI2cBlock(address, register, length, Buffer.alloc(length))),
        quick: (address) => opened.writeQuick(address, 0, 0),
        close: () => opened.close(),
      };
    } catch (error) {
      throw new NotConnected(explained(bus, error), { cause: error });
    }
  };
}

function exactly(length: number, { bytesRead, buffer }: { bytesRead: number; buffer: Buffer }): Uint8Array {
  if (bytesRead === length) return buffer;
  throw Object.assign(new Error(`${bytesRead} of ${length} bytes came`), { code: 'EBADMSG' });
}

/** Cause and remedy of a failed open. */
function explained(bus: number, error: unknown): string {
  const path = `/dev/i2c-${bus}`;
  switch (codeOf(error)) {
    case 'EACCES':
    case 'EPERM':
      return `${path}: permission denied. Add the user to the group "i2c": sudo usermod -aG i2c millgate`;
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
      return `${path}: no such bus. ${busesThere()}`;
    default:
      return `${path}: ${messageOf(error)}. Is this an I²C bus? "i2cdetect -l" lists them.`;
  }
}

function busesThere(): string {
  const names = readdirSync('/dev').filter((name) => /^i2c-\d+$/.test(name));
  if (names.length > 0) return `There are: ${names.slice(0, 12).join(', ')}`;
  return 'There is none: load the driver (sudo modprobe i2c-dev), on a Raspberry Pi also dtparam=i2c_arm=on in config.txt.';
}
