import { expect, it } from 'vitest';
import { ModbusDriver } from '../../hal/modbus/driver.ts';
import { lineOn } from '../../hal/modbus/type.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { Poller } from '../../src/poll/poller.ts';
import { configured } from '../double/configured.ts';
import { memoryBus } from '../double/modbus-memory.ts';
import { modbusSlaves } from '../double/modbus-slave.ts';

const { signal } = new AbortController();

it.each(['tcp', 'rtu'] as const)(
  'a write that its device works on for seconds leaves the others their period: %s',
  async (framing) => {
    const [channel] = configured(`commands: {enabled: true}
channels: {plc: {driver: modbus-tcp, host: memory, framing: ${framing}}}
devices:
  valve: {channel: plc, unit: 1, every: 1s, tags: {setpoint: {address: "holding:3", writable: true}}}
  meter: {channel: plc, unit: 2, every: 1s, tags: {power: {address: "holding:9"}}}`);
    const clock = new SimulatedClock();
    const slaves = modbusSlaves({ units: [1, 2], writeExceptions: [5], ignoresWrites: true });
    const times = { turnaroundMs: 10, lateMs: [400, 400] as const, splitMs: 5 };
    const bus = memoryBus({ clock, slaves, framing: framing === 'tcp' ? 'mbap' : 'rtu', units: [1, 2], times });
    const options = channel!.options as Parameters<typeof lineOn>[1];
    const deps = { clock, log: silentLogger, random: seededRandom(1) };
    const driver = new ModbusDriver(options, lineOn(bus.transport, options, clock), deps);
    const read: string[] = [];
    const events = { onRecord: ({ device }: { device: string }) => void read.push(device), onHealth() {} };
    const poller = new Poller(channel!, driver as never, { ...deps, simulated: false }, events);
    const stop = new AbortController();
    const running = poller.run(stop.signal);
    await clock.advance(2000);
    read.length = 0;
    const written = poller.write(channel!.devices[0]!.tags[0]!.tag, 5, signal);
    await clock.advance(5000);
    expect(read.filter((device) => device === 'meter').length).toBeGreaterThanOrEqual(4);
    await clock.advance(10_000);
    expect(await written).toMatchObject({ ok: false, kind: 'unknown' });
    stop.abort();
    await running;
  },
);
