import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { failed } from '../../src/core/checked.ts';
import { durationField, nameField, rateField, sizeField } from '../../src/core/fields.ts';
import { rtu } from './double/drivers.ts';
import { linesOf, memoryFiles, yaml } from './double/files.ts';

describe('a file broken in many places', () => {
  it('is told of all of them at once, also behind a broken part', () => {
    const text = yaml(
      'channels:',
      '  line: {driver: modbus-rtu, port: /dev/ttyS0, bauds: 9600}',
      'devices:',
      '  a:',
      '    channel: line',
      '    tags:',
      '      t: {address: "4000x", typ: int16}',
      '      u: {address: 40001, type: int61}',
      '      v: {address: holding, type: int16, deadband: -1}',
      '  b: {channel: lime, unit: 1, tags: {w: {address: "holding:1", type: int16, evry: 1s}}}',
    );
    expect(linesOf({ 'millgate.yaml': text })).toEqual([
      'millgate.yaml:2:48 channels.line.bauds: unknown key; did you mean "baud"?',
      'millgate.yaml:4:3 devices.a.unit: is missing: write for example unit: 3',
      'millgate.yaml:7:29 devices.a.tags.t.typ: unknown key; did you mean "type"?',
      'millgate.yaml:8:20 devices.a.tags.u.address: put the Modicon number in quotes, because leading zeros of a number are lost: write address: "40001"',
      'millgate.yaml:8:33 devices.a.tags.u.type: expected bool, int16, uint16, int32, uint32 or float32; got "int61"; did you mean "int16"?',
      'millgate.yaml:9:20 devices.a.tags.v.address: "holding" is no address: write for example holding:100 or "40101"',
      'millgate.yaml:9:52 devices.a.tags.v.deadband: must be at least 0; got -1',
      'millgate.yaml:10:16 devices.b.channel: there is no channel "lime"; did you mean "line"?',
      'millgate.yaml:10:77 devices.b.tags.w.evry: unknown key; did you mean "every"?',
    ]);
  });

  it('cannot play tricks on the terminal it is printed on', () => {
    const lines = linesOf({ 'millgate.yaml': '"\\e[2Jx\\u202e": 1\n' });
    expect(lines[0]).toContain('"\\u001b[2Jx\\u202e": unknown key');
  });
});

describe('fields', () => {
  it.each([
    [durationField('Wait.'), '1.5s', 1500],
    [durationField('Wait.'), '200us', 0.2],
    [sizeField('Room.'), '2GB', 2_000_000_000],
    [rateField('Pace.'), '90/m', 1.5],
    [nameField('Name.'), 'press-1', 'press-1'],
  ])('read what the contract allows (%#)', (field, text, value) => {
    expect(field.parse(text)).toBe(value);
  });

  it.each([
    [durationField('Wait.'), undefined, 'is missing: write a duration such as 250ms or 5s'],
    [durationField('Wait.'), 3, 'expected a duration such as 250ms or 5s; got 3: write 3s or 3ms'],
    [durationField('Wait.'), [1n], 'expected a duration such as 250ms or 5s; got a list'],
    [durationField('Wait.', { min: '1s' }), '0s', 'must be at least 1s; got "0s"'],
    [sizeField('Room.', { max: '1GB' }), '2GB', 'must be at most 1GB; got "2GB"'],
    [rateField('Pace.'), '0/s', 'must be above 0/s: write for example 500/s'],
    [
      nameField('Name.'),
      'Press 1',
      '"Press 1" is not a valid name (only a-z, 0-9, - and _; at most 63 characters; the first a letter or digit): write press-1',
    ],
  ])('say what to write instead (%#)', (field, input, message) => {
    expect(field.safeParse(input).error?.issues.map((issue) => issue.message)).toEqual([message]);
  });
});

describe('a tag that its driver refuses for what the device says', () => {
  it('is told of, though the device by itself is good', () => {
    const broken = { ...rtu, checkTag: () => failed(['unit'], 'unit 3 has no such table') };
    const result = loadConfig({
      file: 'millgate.yaml',
      drivers: [broken],
      hostname: 'gate-1',
      files: memoryFiles({
        'millgate.yaml': yaml(
          'channels: {line: {driver: modbus-rtu, port: /dev/ttyS0}}',
          'devices: {a: {channel: line, unit: 3, tags: {t: {address: "holding:1", type: int16}}}}',
        ),
      }),
    });
    expect(result).toMatchObject({ ok: false, problems: [{ line: 2, message: 'unit 3 has no such table' }] });
  });
});
