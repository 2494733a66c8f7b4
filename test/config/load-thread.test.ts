import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { changes, touchedChannels } from '../../src/config/apply/changes.ts';
import { loadWithFiles } from '../../src/config/apply/config-files.ts';
import { loadInThread, packed, unpacked } from '../../src/config/load-thread.ts';
import { systemClock } from '../../src/core/clock.ts';
import { temporaryFolder } from '../double/command-line.ts';

/** One channel of each driver. */
const FILE = `channels:
  line-a: {driver: modbus-rtu, port: /dev/ttyUSB0}
  plc: {driver: modbus-tcp, host: 192.168.1.20}
  pins: {driver: gpio, chip: auto}
  sensors: {driver: i2c, bus: 1}
  scales: {driver: serial-line, port: /dev/ttyACM0, baud: 9600, delimiter: "\\r\\n"}
  sim: {driver: mock, seed: 7}
devices:
  press-1: {channel: line-a, unit: 3, tags: {x: {address: "holding:100", type: int16, invalid: [0x8000]}}}
  press-2: {channel: plc, unit: 3, tags: {x: {address: "holding:100", type: int64}}}
  door: {channel: pins, tags: {open: {address: GPIO17, bias: pull-up, debounce: 5ms}}}
  hall: {channel: sensors, unit: 0x76, chip: bme280, every: 10s}
  gauge: {channel: scales, tags: {weight: {pattern: '^ST,GS,\\s*(?<value>[-+0-9.]+)\\s*kg', unit: kg}}}
  oven: {channel: sim, tags: {temp: {address: "sine(min=180,max=220,period=60s)"}}}
`;

function task() {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, 'millgate.yaml'), FILE);
  return { file: 'millgate.yaml', cwd, hostname: 'gate-1', source: { from: 'disk' } as const };
}

describe('a configuration that is checked in a thread of its own', () => {
  it('is the same as one that is checked here, whatever its drivers: no channel would be started anew', async () => {
    const { source, ...options } = task();
    const here = unpacked(structuredClone(packed(loadWithFiles({ ...options, drivers: DRIVERS }, source))));
    const there = await loadInThread({ ...options, source }, systemClock);
    if (!here.result.ok || !there.result.ok) throw new Error(JSON.stringify([here.result, there.result]));
    expect(there.files).toEqual({ 'millgate.yaml': FILE });
    expect(changes(here.result.config, there.result.config)).toEqual([]);
    expect([...touchedChannels(here.result.config, there.result.config)]).toEqual([]);
  });

  it('has its problems where it is not valid', async () => {
    const source = { from: 'text', text: FILE.replace('chip: auto', 'chp: auto') } as const;
    const { result } = await loadInThread({ ...task(), source }, systemClock);
    expect(result).toMatchObject({
      ok: false,
      problems: [{ file: 'millgate.yaml', line: 4, path: 'channels.pins.chp' }],
    });
  });
});
