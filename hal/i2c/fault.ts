/** Why a chip could not be read, in the words of readings. */
import type { Failure } from '../../src/core/quality.ts';

/**
 * Why one device could not be read, in the words of readings; `message` names cause and remedy. `origin` says whose
 * trouble it is: `device` (it did not acknowledge, or what it said is wrong) or `bus` (the transfer itself failed).
 */
export class I2cFault extends Error {
  readonly why: Failure;
  readonly origin: 'device' | 'bus';

  constructor(why: Failure, message: string, origin: 'device' | 'bus' = 'device', options?: ErrorOptions) {
    super(message, options);
    this.name = 'I2cFault';
    this.why = why;
    this.origin = origin;
  }
}

/** The device answers, and what it says cannot be used: a wrong checksum, a flag of its own, an impossible value. */
export function sensorFault(message: string): I2cFault {
  return new I2cFault('sensor-failure', message);
}

/** An address as data sheets and `i2cdetect` write it. */
export function hex(value: number, digits = 2): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}
