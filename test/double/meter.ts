import { wordsOf } from '../hal/modbus/probe-words.ts';
import { type FaultServer, faultServer } from './modbus-fault-server.ts';
import type { ModbusSlaves } from './modbus-slave.ts';

/** Registers of a meter at a moment; undefined is none. */
export type Registers = (address: number, moment: number) => number | undefined;

/** A slave with its own input registers, the bits of coils, and no other table. Every question is a moment. */
export function meter(unit: number, registers: Registers): ModbusSlaves {
  let moment = 0;
  const refused = (code: number, why: number): Uint8Array => Uint8Array.of(code | 0x80, why);
  return {
    has: (asked) => asked === unit,
    answer(asked, pdu) {
      if (asked !== unit) return undefined;
      const code = pdu[0]!;
      const start = (pdu[1]! << 8) | pdu[2]!;
      const count = (pdu[3]! << 8) | pdu[4]!;
      if (code === 1) return Uint8Array.of(1, Math.ceil(count / 8), ...new Array(Math.ceil(count / 8)).fill(0b0101));
      if (code !== 4) return refused(code, 1);
      moment++;
      const words = Array.from({ length: count }, (_, index) => registers(start + index, moment));
      if (words.includes(undefined)) return refused(code, 2);
      return Uint8Array.of(4, 2 * count, ...words.flatMap((word) => [word! >> 8, word! & 0xff]));
    },
    scans: () => moment,
    registers: new Map(),
    coils: new Map(),
  };
}

/**
 * A three-phase meter like many: floats with their words swapped from input:100 on (voltages, currents, power,
 * frequency, energy), a hole, two empty registers, its name, and its baud rate.
 */
export const threePhase: Registers = (address, moment) => {
  const wobble = Math.sin(moment * 2.1) + Math.sin(moment * 0.7);
  const values = [231.37 + 0.03 * wobble, 229.84 + 0.05 * wobble, 233.12 + 0.04 * wobble];
  values.push(1.267 + 0.002 * wobble, 2.31 + 0.004 * wobble, 0.523 + 0.001 * wobble, 971.6 + 2 * wobble);
  values.push(50.02 + 0.004 * wobble, 12_345.6 + 0.01 * moment);
  const words = values.flatMap((value) => wordsOf('float32', 'CDAB', value));
  if (address < 100 + words.length) return words[address - 100];
  const rest = [undefined, undefined, 0, 0, 0x5344, 0x4d36, 0x3330, 0x0000, 9600];
  return rest[address - 100 - words.length];
};

/** A meter on a TCP port of this machine. */
export function serveMeter(
  registers: Registers = threePhase,
  unit = 3,
  framing: 'mbap' | 'rtu' = 'mbap',
): Promise<FaultServer> {
  return faultServer({ slaves: meter(unit, registers), framing, units: [unit] });
}
