import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import type { ModbusAddress, Table } from '../../../hal/modbus/map/address.ts';
import { modbusDeviceShape, modbusTagShape } from '../../../hal/modbus/map/options.ts';
import { type LineCost, planReads } from '../../../hal/modbus/map/plan.ts';
import { decodeBit, decodeRegisters, encodeScaled, encodeValue } from '../../../hal/modbus/map/register-values.ts';
import { profileTagShape } from '../../../src/config/sections/shapes.ts';
import { nameField } from '../../../src/core/fields.ts';
import type { Value } from '../../../src/core/reading.ts';
import { bytesOf, checkTag } from '../../double/modbus-data.ts';

const FOLDER = resolve(import.meta.dirname, '../../../config/profiles');
const COST: LineCost = { requestMs: 16, registerMs: 1.15, bitMs: 0.07 };

/** A tag of a profile: the keys of a Modbus tag and those common to all tags. */
const tagSchema = z.strictObject({
  ...modbusTagShape(),
  scale: z.number().default(1),
  offset: z.number().default(0),
  unit: z.string().min(1).optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  counter: z.boolean().default(false),
  ...profileTagShape,
});

const fingerprintSchema = z.strictObject({
  address: z.string(),
  type: z.string(),
  equals: z.number().optional(),
  between: z.tuple([z.number(), z.number()]).optional(),
});

const profileSchema = z.strictObject({
  name: nameField('Name of the profile.'),
  manufacturer: z.string().min(1),
  model: z.string().min(1),
  source: z.string().min(20),
  notes: z.array(z.string().min(1)).min(1),
  serial: z
    .strictObject({
      baud: z.int(),
      parity: z.enum(['none', 'even', 'odd']),
      stopBits: z.literal([1, 2]),
      dataBits: z.literal(8).optional(),
      // Some have no address until one is set.
      unit: z.int().min(1).max(247).optional(),
    })
    .optional(),
  identify: z.array(fingerprintSchema).optional(),
  device: z.strictObject(modbusDeviceShape()).partial().optional(),
  tags: z.record(nameField('Name of a tag.'), tagSchema),
});

type Profile = z.infer<typeof profileSchema>;

const FILES = readdirSync(FOLDER).filter((file) => file.endsWith('.yaml'));

function load(file: string): { profile: Profile; raw: { tags: Record<string, Record<string, unknown>> } } {
  const raw = parse(readFileSync(join(FOLDER, file), 'utf8'), { uniqueKeys: true });
  return { profile: profileSchema.parse(raw), raw };
}

/** The addresses of a profile's tags, checked as for a device of unit 1. */
function addressesOf({ profile }: { profile: Profile }, raw: Record<string, Record<string, unknown>>) {
  const modbusOnly = Object.fromEntries(
    Object.entries(raw).map(([name, tag]) => [
      name,
      Object.fromEntries(Object.entries(tag).filter(([key]) => key in modbusTagShape())),
    ]),
  );
  return Object.keys(profile.tags).map((name) => {
    const checked = checkTag(name, modbusOnly, { unit: 1, ...profile.device });
    if (!checked.ok)
      throw new Error(`${profile.name} ${name}: ${checked.problems.map(({ message }) => message).join('; ')}`);
    return { name, address: checked.value };
  });
}

/** A plausible raw value: a third of the way through the tag's range, as its type holds it. */
function plausible(tag: Profile['tags'][string], address: ModbusAddress): Value {
  if (address.type === 'bool') return true;
  const least = tag.min ?? 0;
  const raw = (least + ((tag.max ?? 100) - least) / 3 - tag.offset) / tag.scale;
  if (address.type === 'float32') return Math.fround(raw);
  return address.type === 'float64' ? raw : Math.round(raw);
}

/** A device's memory, written with the encoder and read back by planned requests. */
function writeAndRead(entries: readonly { address: ModbusAddress; value: Value }[]): Value[] {
  const memory = new Map<string, number>();
  const at = (table: Table, place: number) => `${table} ${place}`;
  for (const { address, value } of entries) {
    const encoded =
      address.scaleAt === undefined ? encodeValue(value, address) : encodeScaled(Number(value), -1, address);
    if (!encoded.ok) throw new Error(encoded.problems[0]!.message);
    encoded.value.forEach((register, index) => {
      const place = at(address.table, address.start + index);
      memory.set(place, (address.bit === undefined ? 0 : (memory.get(place) ?? 0)) | register);
    });
  }
  const values: Value[] = [];
  for (const { table, start, count, members } of planReads(
    entries.map(({ address }) => address),
    [],
    COST,
  )) {
    const content = Array.from({ length: count }, (_, index) => memory.get(at(table, start + index)) ?? 0);
    for (const member of members) {
      const { address } = entries[member]!;
      const decoded =
        table === 'coil' || table === 'discrete'
          ? decodeBit(
              Uint8Array.of(content.reduce((byte, bit, index) => byte | (bit << index), 0)),
              address.start - start,
            )
          : decodeRegisters(bytesOf(content), (address.start - start) * 2, address);
      if (!decoded.ok) throw new Error(`${table}:${address.start}: ${decoded.why} ${decoded.detail}`);
      // A float32 is decoded to its fewest digits; what was written is the float32 itself.
      values[member] = address.type === 'float32' ? Math.fround(Number(decoded.value)) : decoded.value;
    }
  }
  return values;
}

describe.each(FILES)('%s', (file) => {
  const { profile, raw } = load(file);
  const addresses = addressesOf({ profile }, raw.tags);

  it('is complete, and named like its file', () => {
    expect(`${profile.name}.yaml`).toBe(file);
    expect(addresses.length).toBeGreaterThanOrEqual(6);
    for (const [name, tag] of Object.entries(profile.tags)) {
      const isBool = addresses.find((each) => each.name === name)?.address.type === 'bool';
      if (!isBool) expect(tag.min, `${name} needs min and max`).toBeLessThan(tag.max ?? Number.NEGATIVE_INFINITY);
    }
  });

  it('has no two tags at one place', () => {
    const places = addresses.map(({ address }) => `${address.table}:${address.start}.${address.bit}`);
    expect(new Set(places).size).toBe(places.length);
  });

  it('names real registers to recognise the device by', () => {
    for (const { equals, between, ...tag } of profile.identify ?? []) {
      const checked = checkTag('identify', { identify: tag });
      expect(checked.ok && (equals ?? between) !== undefined).toBe(true);
    }
  });

  it('reads what was written, every tag together', () => {
    const entries = addresses.map(({ name, address }) => {
      const isFactor = addresses.some((other) => other.address.scaleAt === address.start);
      const tag = profile.tags[name]!;
      // The registers hold 0.1 of a scaled tag's unit at factor −1: values stay within 16 bits.
      if (address.scaleAt !== undefined) return { name, address, value: 123.4 };
      return { name, address, value: isFactor ? -1 : plausible(tag, address) };
    });
    const read = writeAndRead(entries);
    expect(Object.fromEntries(entries.map(({ name }, index) => [name, read[index]]))).toEqual(
      Object.fromEntries(entries.map(({ name, value }) => [name, value])),
    );
  });
});

describe('the list of profiles', () => {
  it('names every profile and no other', () => {
    const readme = readFileSync(join(FOLDER, 'README.md'), 'utf8');
    const listed = [...readme.matchAll(/^\| `([a-z0-9-]+)` +\| .{10}/gm)].map(([, name]) => `${name}.yaml`);
    expect(listed.filter((file) => file.includes('-'))).toEqual([...FILES].sort());
  });
});

describe('where values are', () => {
  it.each([
    // The totals; 66 is the partial meter, which can be reset.
    ['carlo-gavazzi-em24.yaml', 'energy-import', 62],
    ['carlo-gavazzi-em24.yaml', 'energy-export', 92],
    ['janitza-umg96rm.yaml', 'energy-import', 19068],
    ['janitza-umg96rm.yaml', 'energy-export', 19076],
    ['sunspec-inverter-103.yaml', 'heatsink-temperature', 40103],
  ])('%s %s is at %i', (file, name, start) => {
    const { profile, raw } = load(file);
    expect(addressesOf({ profile }, raw.tags).find((each) => each.name === name)?.address.start).toBe(start);
  });

  it('asks no more of an Altivar 312 than it answers, which has no address until one is set', () => {
    const { profile } = load('schneider-atv312.yaml');
    expect(profile.device?.maxRegisters).toBe(29);
    expect(profile.serial).not.toHaveProperty('unit');
  });
});

describe('values worked out by hand', () => {
  const published = (file: string, name: string, registers: number[]): unknown => {
    const { profile, raw } = load(file);
    const { address } = addressesOf({ profile }, raw.tags).find((each) => each.name === name)!;
    const decoded = decodeRegisters(bytesOf(registers), 0, address);
    const { scale, offset } = profile.tags[name]!;
    return decoded.ok ? Number((Number(decoded.value) * scale + offset).toFixed(6)) : decoded.why;
  };

  it.each([
    // 43 66 33 34 is the example of the Eastron protocol document: 230.2 V, as near as a float32 comes.
    ['eastron-sdm120.yaml', 'voltage', [0x4366, 0x3334], 230.20001],
    ['eastron-sdm630.yaml', 'voltage-l1', [0x4366, 0x3334], 230.20001],
    // 2305 tenths of a volt, low word first.
    ['carlo-gavazzi-em24.yaml', 'voltage-l1', [0x0901, 0x0000], 230.5],
    // EEEE on the display.
    ['carlo-gavazzi-em24.yaml', 'voltage-l1', [0xffff, 0x7fff], 'sensor-failure'],
    ['carlo-gavazzi-em24.yaml', 'power-factor', [0x7fff], 'sensor-failure'],
    ['carlo-gavazzi-em340.yaml', 'energy-import', [0xffff, 0x7fff], 'sensor-failure'],
    ['carlo-gavazzi-em340.yaml', 'power', [0xd8f0, 0xffff], -1000],
    // 1,000 Wh is 0x447A0000.
    ['janitza-umg96rm.yaml', 'energy-import', [0x447a, 0x0000], 1],
    ['janitza-umg96rm.yaml', 'energy-export', [0x447a, 0x0000], 1],
    // 123,456 Wh.
    ['schneider-iem3155.yaml', 'energy-import', [0, 0, 0x0001, 0xe240], 123.456],
    // NaN: not measured.
    ['schneider-iem3155.yaml', 'voltage-l1', [0xffc0, 0], 'sensor-failure'],
    // 1,000,000 Wh as a double is 0x412E848000000000.
    ['siemens-pac3200.yaml', 'energy-import', [0x412e, 0x8480, 0, 0], 1000],
    ['abb-b23.yaml', 'voltage-l1', [0, 0x08fc], 230],
    ['abb-b23.yaml', 'voltage-l2', [0xffff, 0xffff], 'sensor-failure'],
    ['abb-b23.yaml', 'energy-import', [0, 0, 0, 0x3039], 123.45],
    // 5.123 A is 5123 mA, low word first.
    ['peacefair-pzem-016.yaml', 'current', [0x1403, 0x0000], 5.123],
    // 50.0 Hz; 1500 rpm as the 32-bit value of the design guide is high word first.
    ['danfoss-fc102.yaml', 'output-frequency', [0x01f4], 50],
    ['danfoss-fc102.yaml', 'motor-speed', [0x0000, 0x05dc], 1500],
    ['abb-acs355.yaml', 'output-frequency', [0x01f4], 50],
    ['schneider-atv320.yaml', 'output-frequency', [0xfe0c], -50],
    // Whole percent, where the ATV320 sends tenths.
    ['schneider-atv312.yaml', 'torque', [0xffce], -50],
    ['schneider-atv320.yaml', 'torque', [0xfe0c], -50],
    ['omron-e5cc.yaml', 'output-heating', [0x01f4], 50],
    ['eletechsup-r4dcb08.yaml', 'temperature-1', [0xff9c], -10],
    ['eletechsup-r4dcb08.yaml', 'temperature-1', [0x8000], 'sensor-failure'],
    ['banner-qm30vt2.yaml', 'z-velocity', [0x04d2], 1.234],
    ['banner-qm30vt2.yaml', 'temperature', [0x0934], 23.56],
    // 2304 · 10⁻¹ V; the factor is three registers on.
    ['sunspec-inverter-103.yaml', 'voltage-l1', [0x0900, 0, 0, 0xffff], 230.4],
    ['sunspec-inverter-103.yaml', 'voltage-l1', [0x0900, 0, 0, 0x8000], 'sensor-failure'],
    ['sunspec-inverter-103.yaml', 'power', [0x8000, 0], 'sensor-failure'],
    // A SolarEdge has 41.69 °C at its heat sink and no other temperature; its factor is the fourth behind the first.
    ['sunspec-inverter-103.yaml', 'heatsink-temperature', [0x1049, 0x8000, 0x8000, 0xfffe], 41.69],
    ['sunspec-inverter-103.yaml', 'cabinet-temperature', [0x8000, 0x1049, 0x8000, 0x8000, 0xfffe], 'sensor-failure'],
  ] as [string, string, number[], unknown][])('%s %s %j', (file, name, registers, value) => {
    expect(published(file, name, registers)).toBe(value);
  });
});
