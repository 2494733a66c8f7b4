import { describe, expect, it } from 'vitest';
import { configured, problemsWith } from '../../double/configured.ts';

/** A file with one tag on a Modbus channel. */
function file(tag: string, device = ''): string {
  return [
    'channels: {plc: {driver: modbus-tcp, host: 10.0.0.1}}',
    'devices:',
    `  press: {channel: plc, unit: 1, ${device} tags: {a: {address: "holding:1", ${tag}}}}`,
  ].join('\n');
}

const tagOf = (tag: string) => configured(file(tag))[0]!.devices[0]!.tags[0]!;

describe('what a tag says of its value', () => {
  it('two points make scale and offset', () => {
    expect(tagOf('linear: {raw: [4000, 20000], value: [0, 16]}')).toMatchObject({ scale: 0.001, offset: -4 });
  });

  it('has labels, decimals and where its counter starts again', () => {
    expect(tagOf('labels: {0: stopped, 1: running}').labels).toEqual({ 0: 'stopped', 1: 'running' });
    expect(tagOf('decimals: 2').decimals).toBe(2);
    expect(tagOf('type: uint32, counter: true').modulus).toBe(2 ** 32);
    expect(tagOf('counter: true, wrap: 10000').modulus).toBe(10_000);
    expect(tagOf('type: bcd16, counter: true').modulus).toBe(10_000);
    expect(tagOf('type: float32, counter: true').modulus).toBeUndefined();
  });

  it.each([
    [
      'linear: {raw: [1, 1], value: [0, 16]}',
      'millgate.yaml:3:77 devices.press.tags.a.linear.raw: the two numbers of raw must differ, or there is no line through the points: correct one of them',
    ],
    [
      'linear: {raw: [0, 1], value: [0, 16]}, scale: 2',
      'millgate.yaml:3:68 devices.press.tags.a.linear: linear and scale or offset say the same in two ways: keep one of them, and remove the other',
    ],
    ['linear: {raw: [0], value: [0, 16]}', 'expected two numbers'],
    ['wrap: 10000', 'add counter: true'],
    ['labels: {on: running}', 'a label stands for a whole number'],
    ['decimals: 1.5', 'decimals'],
  ])('%s is refused with its remedy', (tag, words) => {
    expect(problemsWith(file(tag)).join('\n')).toContain(words);
  });
});

describe('what a device says of its requests', () => {
  it('is the device, then the channel, then 16 registers', () => {
    const limits = (text: string) => configured(text)[0]!.devices[0]!.tags[0]!.tag.address;
    expect(limits(file(''))).toMatchObject({ maxGap: 16, maxRegisters: undefined });
    const channel = (text: string) => text.replace('host: 10.0.0.1', 'host: 10.0.0.1, maxGap: 0, maxRegisters: 32');
    expect(limits(channel(file('')))).toMatchObject({ maxGap: 0, maxRegisters: 32 });
    const own = file('', 'maxGap: 4, writeFunction: multiple,');
    expect(limits(channel(own))).toMatchObject({ maxGap: 4, maxRegisters: 32, writeFunction: 'multiple' });
    expect(problemsWith(file('', 'maxGap: 125,')).join()).toContain(
      'millgate.yaml:3:42 devices.press.maxGap: one request reads at most 125 registers, so that a gap cannot be wider than 124: write 124 or less',
    );
  });
});
