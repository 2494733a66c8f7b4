import { describe, expect, it } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { loadConfig } from '../../src/config/load.ts';
import { memoryFiles, yaml } from '../config/double/files.ts';

/** The one channel of a file, and the address of its first tag. */
function channelOf(channel: string, device: string) {
  const text = yaml(`channels: {a: {${channel}}}`, `devices: {d: {channel: a, ${device}}}`);
  const files = memoryFiles({ 'millgate.yaml': text });
  const loaded = loadConfig({ file: 'millgate.yaml', drivers: DRIVERS, hostname: 'bench', files });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const [found] = loaded.config.channels;
  return { ...found!, address: found!.devices[0]!.tags[0]!.tag.address };
}

describe('where a channel is, and at which station a device', () => {
  const register = 'unit: 7, tags: {x: {address: "holding:1"}}';
  const slow = 'unit: 7, timeout: 2s, tags: {x: {address: "holding:1"}}';

  it.each([
    [
      'driver: modbus-rtu, port: /dev/ttyUSB0, timeout: 300ms',
      register,
      { kind: 'serial', path: '/dev/ttyUSB0' },
      'unit 7',
      300,
    ],
    ['driver: modbus-rtu, port: /dev/ttyUSB0', slow, { kind: 'serial', path: '/dev/ttyUSB0' }, 'unit 7', 2000],
    ['driver: modbus-tcp, host: 10.0.0.5', register, { kind: 'tcp', host: '10.0.0.5', port: 502 }, 'unit 7', 1000],
    ['driver: i2c, bus: 1', 'unit: 0x76, chip: bme280', { kind: 'i2c', path: '/dev/i2c-1' }, '0x76', 500],
    [
      'driver: gpio',
      'tags: {x: {address: GPIO17}}',
      { kind: 'gpio', chip: 'auto', backend: 'auto' },
      undefined,
      undefined,
    ],
    [
      'driver: serial-line, port: /dev/ttyACM0',
      'tags: {x: {}}',
      { kind: 'serial', path: '/dev/ttyACM0' },
      undefined,
      undefined,
    ],
    ['driver: mock', 'tags: {x: {address: 1}}', undefined, undefined, undefined],
  ])('%s, %s', (channel, device, place, text, timeoutMs) => {
    const { driver, options, address } = channelOf(channel, device);
    expect(driver.placeOf?.(options)).toEqual(place);
    expect(driver.stationOf?.(options, address)).toEqual(text === undefined ? undefined : { text, timeoutMs });
  });
});
