import { z } from 'zod';
import { type ModbusAddress, PLAIN } from '../../hal/modbus/map/address.ts';
import { checkModbusTag, checkSerialDevice, modbusDeviceShape, modbusTagShape } from '../../hal/modbus/map/options.ts';
import type { Checked } from '../../src/core/checked.ts';
import { readOracle } from './oracle.ts';

/** A complete address; holding register 0 of unit 1 as a uint16 unless said otherwise. */
export function addressOf(given: Partial<ModbusAddress> = {}): ModbusAddress {
  return {
    unit: 1,
    table: 'holding',
    start: 0,
    count: 1,
    type: 'uint16',
    order: 'ABCD',
    ...PLAIN,
    maxGap: 125,
    ...given,
  };
}

/** The bytes of registers as they are on the wire. */
export function bytesOf(registers: Iterable<number>): Uint8Array {
  return Uint8Array.from([...registers].flatMap((register) => [register >> 8, register & 0xff]));
}

/** Parses the tags of one device as the loader does, and checks the one named. */
export function checkTag(
  name: string,
  tags: Record<string, Record<string, unknown>>,
  device: Record<string, unknown> = { unit: 1 },
  line: 'rtu' | 'tcp' = 'rtu',
): Checked<ModbusAddress> {
  const tagShape = z.object(modbusTagShape());
  const siblings = Object.fromEntries(Object.entries(tags).map(([key, tag]) => [key, tagShape.parse(tag)]));
  const source = {
    id: `device/${name}`,
    device: 'device',
    name,
    options: siblings[name]!,
    deviceOptions: z.object(modbusDeviceShape()).parse(device),
    siblings,
  };
  const unit = line === 'rtu' ? checkSerialDevice(source.deviceOptions) : undefined;
  return unit?.ok === false ? unit : checkModbusTag(source);
}

/** Reads the parts of the oracle that concern data. */
export function readModbusOracle() {
  return oracleSchema.parse(readOracle('modbus/modbus.json'));
}

const registers = z.array(z.string());
const oracleSchema = z.object({
  addressing: z.object({ example: z.array(z.tuple([z.string(), z.string(), z.number()])) }),
  decode_vectors: z.array(
    z.object({
      type: z.string(),
      value: z.union([z.number(), z.string()]),
      registers: z.object({ ABCD: registers, CDAB: registers, BADC: registers, DCBA: registers }),
    }),
  ),
  sentinels: z.record(z.string(), z.string()),
  scale_examples: z.array(z.object({ raw: z.number(), sf: z.number(), value: z.number().nullable() })),
});
