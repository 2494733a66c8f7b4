import { describe, expect, it } from 'vitest';
import type { ChannelConfig } from '../../../src/config/config.ts';
import { configured, problemsWith } from '../../double/configured.ts';

function tagsOf(channel: ChannelConfig, device: string): string[] {
  return channel.devices.find(({ name }) => name === device)!.tags.map(({ tag, unit }) => `${tag.name} ${unit ?? ''}`);
}

const CHANNEL = 'channels:\n  sensors: {driver: i2c, bus: 1}\ndevices:\n';

describe('an I²C channel in a file', () => {
  it('gives a device the tags of its chip', () => {
    const [channel] = configured(`${CHANNEL}  hall: {channel: sensors, unit: 0x76, chip: bme280, every: 10s}\n`);
    expect(tagsOf(channel!, 'hall')).toEqual(['temperature °C', 'pressure hPa', 'humidity %RH']);
    const [tag] = channel!.devices[0]!.tags;
    expect(tag).toMatchObject({ everyMs: 10_000, min: -40, max: 85 });
    expect(channel!.driver.describeAddress(tag!.tag.address)).toBe('bme280 at 0x76: temperature');
  });

  it('gives only the tags that are listed, with what the chip knows of them beneath', () => {
    const [channel] = configured(
      `${CHANNEL}  hall: {channel: sensors, unit: 0x76, chip: bme280, tags: {humidity: , temperature: {scale: 1.8, offset: 32, unit: "°F", min: -40, max: 185}}}\n`,
    );
    expect(tagsOf(channel!, 'hall')).toEqual(['humidity %RH', 'temperature °F']);
  });

  it('labels what an ADXL345 says as indicative', () => {
    const [channel] = configured(`${CHANNEL}  motor: {channel: sensors, unit: 0x53, chip: adxl345}\n`);
    const { tags } = channel!.devices[0]!;
    expect(tags).toHaveLength(12);
    expect(tags.every(({ description }) => description?.startsWith('indicative'))).toBe(true);
  });

  it.each([
    [
      'unit: 0x49, chip: bme280',
      'millgate.yaml:4:34 devices.hall.unit: a bme280 can only be at 0x76 or 0x77; got 0x49: write the one that is set on the board',
    ],
    [
      'unit: 0x48, chip: tmp102, oversampling: 4',
      'millgate.yaml:4:68 devices.hall.oversampling: oversampling is for the chips bme280 and bmp280, and this device is a tmp102: remove oversampling',
    ],
    [
      'unit: 0xEC, chip: bme280',
      'millgate.yaml:4:34 devices.hall.unit: I²C addresses go from 0x03 to 0x77: write the one that is set on the board; one that includes the read/write bit has to be halved',
    ],
    [
      'unit: 0x76, chip: bme280, tags: {temperature: {writable: true}}',
      'devices.hall.tags.temperature.writable: a bme280 only measures, and nothing can be written to it: remove writable',
    ],
    [
      'unit: 0x20, chip: mcp23017, tags: {a0: {writable: true}}',
      'devices.hall.tags.a0.writable: the pin is an input, which can only be read: write direction: output, or remove writable',
    ],
    ['unit: 0x76, chip: bme820', 'did you mean "bme280"'],
    ['unit: 0x76', 'chip'],
    [
      'unit: 0x76, chip: bme280, tags: {hum: }',
      'millgate.yaml:4:61 devices.hall.tags.hum.address: the chip has no value "hum": write address: and its name: temperature, pressure or humidity',
    ],
    [
      'unit: 0x60, chip: registers',
      'millgate.yaml:4:3 devices.hall.tags: is missing: write each measured value below tags:, for example tags: {oil-temp: {address: "holding:100"}}',
    ],
    [
      'unit: 0x60, chip: registers, tags: {level: {address: "0x100"}}',
      'millgate.yaml:4:81 devices.hall.tags.level.address: the last register is 255: write one up to that, or pointer: 16 on the device if its registers have 16-bit numbers',
    ],
    [
      'unit: 0x60, chip: registers, tags: {level: {address: "0x10", type: bool}}',
      'millgate.yaml:4:95 devices.hall.tags.level.type: a bool is one bit, and the address does not say which: write for example "0x10.0"',
    ],
    ['unit: 0x20, chip: mcp23017, tags: {door: {address: C1}}', 'write A0 to A7 or B0 to B7'],
    ['unit: 0x53, chip: adxl345, tags: {band-300-500-x: }', 'at most 400 Hz'],
  ])('refuses {%s} once, and says what to write', (device, message) => {
    const problems = problemsWith(`${CHANNEL}  hall: {channel: sensors, ${device}}\n`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(message);
  });

  it('refuses two channels on one bus', () => {
    const problems = problemsWith(
      'channels:\n  a: {driver: i2c, bus: 1}\n  b: {driver: i2c, bus: 0x1}\ndevices:\n  hall: {channel: a, unit: 0x76, chip: bme280}\n',
    );
    expect(problems).toEqual([expect.stringContaining('one bus is one channel')]);
  });
});
