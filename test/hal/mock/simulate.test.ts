import fc from 'fast-check';
import ModbusClient from 'modbus-serial';
import { describe, expect, it } from 'vitest';
import { type Driver, isWritable, NotConnected, type Tag } from '../../../hal/driver.ts';
import type { DriverType } from '../../../hal/driver-type.ts';
import { mock } from '../../../hal/mock/mock.ts';
import type { SimulatedTag } from '../../../hal/mock/plausible.ts';
import { simulatedDriver, twinTags } from '../../../hal/mock/simulate.ts';
import { MODBUS_TYPES, type ModbusAddress } from '../../../hal/modbus/map/address.ts';
import { decodeRegisters, encodeValue } from '../../../hal/modbus/map/register-values.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { connected, mockChannel, mockTag, never, register, told } from './bench.ts';

const PLAIN = { scale: 1, offset: 0, min: undefined, max: undefined, unit: undefined, counter: false };

function simulatedTag(id: string, address: unknown, more: Partial<SimulatedTag> = {}): SimulatedTag {
  const [device, name] = id.split('/') as [string, string];
  return { id, device, name, address, ...PLAIN, ...more };
}

/** A driver over modbus-serial's client, in place of our own: one register request a tag. */
function outsideDriver(host: string, port: number): Driver {
  const client = new ModbusClient.default();
  return {
    concurrency: 3,
    async connect() {
      await client.connectTCP(host, { port });
      client.setTimeout(2000);
    },
    plan: (tags) => tags.map((tag) => [tag]),
    async read(tags) {
      const at = { wallMs: 0, monoMs: 0 };
      const results = [];
      for (const { address } of tags as readonly Tag<ModbusAddress>[]) {
        client.setID(address.unit);
        const { buffer } = await client.readHoldingRegisters(address.start, address.count);
        results.push({ at, ...decodeRegisters(buffer, 0, address) });
      }
      return results;
    },
    close: () => new Promise((resolve) => (client.isOpen ? client.close(() => resolve()) : resolve())),
  };
}

function deps() {
  return { clock: new SimulatedClock(), log: silentLogger, random: seededRandom(1) };
}

function channel(type: string, options: unknown = {}) {
  return { name: 'plc', driver: { ...mock, type, simulated: false } as unknown as DriverType, options };
}

describe('simulating a Modbus channel', () => {
  const tags = [
    simulatedTag('press/oil-temp', register({ start: 0, type: 'float32', count: 2, order: 'CDAB' }), {
      min: 0,
      max: 90,
    }),
    simulatedTag('press/parts', register({ start: 40, type: 'uint32', count: 2 }), { counter: true }),
    simulatedTag('pump/oil-temp', register({ unit: 2, start: 0, type: 'int16' }), { scale: 0.1, unit: '°C' }),
  ];

  it('is read by a real master through a served twin, and moves', async () => {
    const made: string[] = [];
    const given = deps();
    const driver = simulatedDriver(channel('modbus-tcp'), tags, given, (host, port, framing) => {
      made.push(framing);
      return outsideDriver(host, port);
    });
    await connected(driver);
    const first = told(await driver.read(tags, never)) as number[];
    await given.clock.advance(20_000);
    const later = told(await driver.read(tags, never)) as number[];
    await driver.close();
    expect(first[0]).toBeGreaterThanOrEqual(0);
    expect(first[0]).toBeLessThanOrEqual(90);
    expect(first[1]).toBe(0);
    expect(later[1]).toBeGreaterThan(0);
    expect(later[0]).not.toBe(first[0]);
    expect(later[2]! * 0.1).toBeGreaterThan(20);
    expect(later[2]! * 0.1).toBeLessThan(70);
    expect(made).toEqual(['tcp', 'tcp']);
  });

  it('keeps the rules of a driver around the twin: connect, close, connect again', async () => {
    const driver = simulatedDriver(channel('modbus-tcp'), tags, deps(), outsideDriver);
    expect(driver.concurrency).toBe(3);
    expect(driver.plan(tags)).toHaveLength(3);
    expect(isWritable(driver)).toBe(false);
    await expect(driver.read(tags, never)).rejects.toThrow(NotConnected);
    await connected(driver);
    await driver.close();
    await driver.close();
    await expect(driver.read(tags, never)).rejects.toThrow(NotConnected);
    await connected(driver);
    expect(await driver.read(tags, never)).toHaveLength(3);
    await driver.close();
  });

  it('closing while it connects leaves no server behind', async () => {
    const driver = simulatedDriver(channel('modbus-tcp'), tags, deps(), outsideDriver);
    const refused = expect(driver.connect(never)).rejects.toThrow('closed while it was being connected');
    await driver.close();
    await refused;
  });

  it('speaks RTU framing where the channel does', () => {
    const framings: string[] = [];
    const create = (host: string, port: number, framing: string) => {
      framings.push(framing);
      return outsideDriver(host, port);
    };
    simulatedDriver(channel('modbus-rtu'), tags, deps(), create);
    simulatedDriver(channel('modbus-tcp', { framing: 'rtu' }), tags, deps(), create);
    simulatedDriver(channel('modbus-tcp', { framing: 'tcp' }), tags, deps(), create);
    expect(framings).toEqual(['rtu', 'rtu', 'tcp']);
  });
});

describe('simulating any other channel', () => {
  const fail = () => {
    throw new Error('not asked for');
  };

  it('gives each tag a signal that fits its name and type', async () => {
    const tags = [
      simulatedTag('hall/temperature', { chip: 'bme280' }, { min: -40, max: 85, unit: '°C' }),
      simulatedTag('door/open', { line: 17, type: 'bool' }),
      simulatedTag('reader/serial', { type: 'string' }),
    ];
    const driver = simulatedDriver(channel('gpio'), tags, deps(), fail);
    await connected(driver);
    const [temperature, isOpen, serial] = told(await driver.read(tags, never));
    expect(temperature).toBeGreaterThan(20);
    expect(temperature).toBeLessThan(70);
    expect(typeof isOpen).toBe('boolean');
    expect(serial).toMatch(/^SN\d{5}$/);
    expect(driver.plan(tags).flat()).toEqual(tags);
    await driver.close();
  });

  it('leaves a mock channel as it is', async () => {
    const real = { name: 'sim', driver: mock as DriverType, options: mockChannel({ seed: 5 }) };
    const tag = mockTag('a/x', { address: 42 });
    const driver = await connected(simulatedDriver(real, [{ ...tag, ...PLAIN }], deps(), fail));
    expect(told(await driver.read([tag], never))).toEqual([42]);
  });
});

describe('simulated values', () => {
  const types = MODBUS_TYPES.filter((type) => type !== 'string' && type !== 'bool');
  const COUNTS: Record<string, number> = { int16: 1, uint16: 1, bcd16: 1, int64: 4, uint64: 4, float64: 4 };
  const anyTag = fc.record({
    name: fc.constantFrom(
      'temp',
      'power',
      'energy',
      'hours',
      'x',
      'pressure',
      'parts',
      'frequency',
      'fault-code',
      'state',
    ),
    type: fc.constantFrom(...types),
    unit: fc.constantFrom(undefined, '°C', 'V', 'kWh', '%', 'Hz', 'mm'),
    scale: fc.constantFrom(1, 0.1, 0.01, 10, -1),
    offset: fc.constantFrom(0, -40, 100),
    range: fc.constantFrom(undefined, [-20, 150], [0, 1], [49, 51], [1000, 5000]),
    counter: fc.boolean(),
    elapsedMs: fc.integer({ min: 0, max: 100_000_000 }),
  });

  it('fit their register and stay inside min…max wherever the register can', () => {
    fc.assert(
      fc.property(anyTag, ({ name, type, unit, scale, offset, range, counter, elapsedMs }) => {
        const address = register({ type, count: COUNTS[type] ?? 2 });
        const [min, max] = range ?? [];
        const tag = simulatedTag(`a/${name}`, address, { unit, scale, offset, min, max, counter });
        const value = twinTags([tag], new SimulatedClock())[0]!.valueAt(elapsedMs);
        const encoded = encodeValue(value, address);
        expect(encoded.ok, `${String(value)} does not fit ${type}`).toBe(true);
        const raw = [min, max].flatMap((end) => (end === undefined ? [] : [(end - offset) / scale]));
        const most = type === 'int8' ? 127 : type === 'uint8' ? 255 : 9999;
        const canHold = raw.every((end) => end >= 0 && end <= most && Number.isInteger(end));
        if (range && canHold && !counter) {
          expect(Number(value) * scale + offset).toBeGreaterThanOrEqual(min! - 1e-6);
          expect(Number(value) * scale + offset).toBeLessThanOrEqual(max! + 1e-6);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('avoid the patterns that mean "no value"', () => {
    const address = register({ type: 'uint16', invalid: [50n] });
    const tag = simulatedTag('a/x', address, { min: 49, max: 51 });
    const [twin] = twinTags([tag], new SimulatedClock());
    const seen = new Set(Array.from({ length: 500 }, (_, second) => twin!.valueAt(second * 1000)));
    expect(seen.has(50)).toBe(false);
    expect(seen.size).toBeGreaterThan(0);
  });

  it('follow a scale factor register, which stays as it is', () => {
    const tags = [
      simulatedTag('inverter/power', register({ start: 12, type: 'int16', scaleAt: 13 }), { unit: 'W' }),
      simulatedTag('inverter/power-scale', register({ start: 13, type: 'int16' })),
    ];
    const [power, scale] = twinTags(tags, new SimulatedClock());
    expect(scale!.valueAt(60_000)).toBe(-1);
    expect(Number(power!.valueAt(0)) / 10).toBeGreaterThan(600);
    expect(Number(power!.valueAt(0)) / 10).toBeLessThan(3277);
  });

  it('energy rises slowly from what a meter in use shows', () => {
    const address = register({ type: 'uint32', count: 2 });
    const tag = simulatedTag('meter/energy', address, { unit: 'kWh', scale: 0.01, counter: true });
    const { valueAt } = twinTags([tag], new SimulatedClock())[0]!;
    expect(Number(valueAt(0)) * 0.01).toBeGreaterThan(100);
    const risenKwh = (Number(valueAt(3_600_000)) - Number(valueAt(0))) * 0.01;
    expect(risenKwh).toBeGreaterThan(2);
    expect(risenKwh).toBeLessThan(25);
  });

  it('differ from tag to tag, and come back as they went out', () => {
    const tags = ['a/volt-1', 'a/volt-2', 'b/volt-1'].map((id) =>
      simulatedTag(id, register({ type: 'float32', count: 2 }), { unit: 'V' }),
    );
    const values = twinTags(tags, new SimulatedClock()).map(({ valueAt }) => valueAt(1000) as number);
    expect(new Set(values).size).toBe(3);
    for (const value of values) {
      const address = register({ type: 'float32', count: 2, order: 'CDAB' });
      const encoded = encodeValue(value, address);
      const registers = encoded.ok ? encoded.value : new Uint16Array(2);
      const wire = Buffer.from(registers.buffer.slice(0)).swap16();
      expect(decodeRegisters(wire, 0, address)).toEqual({ ok: true, value: expect.any(Number) });
      // What is decoded is the shortest decimal of the same float32.
      const decoded = decodeRegisters(wire, 0, address);
      expect(decoded.ok && Math.fround(Number(decoded.value))).toBe(Math.fround(value));
    }
  });
});
