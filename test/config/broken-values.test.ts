import { describe, expect, it } from 'vitest';
import { linesOf } from './double/files.ts';
import { edited } from './double/good.ts';

/** What is broken, the piece of the good file, what stands there instead, and every line that `check` then prints. */
type Case = readonly [title: string, from: string, to: string, lines: readonly string[]];

const VALUES: readonly Case[] = [
  [
    'a unit id out of range, said once and not of every tag',
    'unit: 3',
    'unit: 300',
    ['millgate.yaml:9:11 devices.press-1.unit: must be at most 247; got 300'],
  ],
  [
    'a decimal comma in braces',
    'counter: true',
    'scale: 1,5',
    [
      'millgate.yaml:18:56 devices.press-1.tags.parts.5: unknown key; a decimal number has a point, not a comma: write scale: 1.5',
    ],
  ],
  [
    'a number where a duration belongs',
    'every: 1s',
    'every: 300',
    ['millgate.yaml:10:12 devices.press-1.every: expected a duration such as 250ms or 5s; got 300: write 300ms'],
  ],
  [
    'a duration with a space',
    'every: 1s',
    'every: 1 sec',
    ['millgate.yaml:10:12 devices.press-1.every: expected a duration such as 250ms or 5s; got "1 sec": write 1s'],
  ],
  [
    'a duration out of range',
    'commitEvery: 1s',
    'commitEvery: 1m',
    ['millgate.yaml:27:47 store.commitEvery: must be at most 10s; got "1m"'],
  ],
  [
    'a commit too often',
    'commitEvery: 1s',
    'commitEvery: 5ms',
    ['millgate.yaml:27:47 store.commitEvery: must be at least 10ms; got "5ms"'],
  ],
  [
    'a size without a unit',
    'path: /var/lib/millgate',
    'maxSize: 500',
    ['millgate.yaml:27:18 store.maxSize: expected a size such as 500MB or 2GB; got 500: write 500MB'],
  ],
  [
    'a size too small',
    'path: /var/lib/millgate',
    'maxSize: 1MB',
    ['millgate.yaml:27:18 store.maxSize: must be at least 16MB; got "1MB"'],
  ],
  [
    'a rate without a unit',
    '    type: mqtt',
    '    type: mqtt\n    backfillRate: 500',
    ['millgate.yaml:26:19 uplinks.plant.backfillRate: expected a rate such as 500/s; got 500: write 500/s'],
  ],
  [
    'a decimal comma',
    'deadband: 0.2',
    'deadband: 0,2',
    ['millgate.yaml:15:19 devices.press-1.tags.oil-temp.deadband: expected a number; got "0,2": write 0.2'],
  ],
  [
    'a number in quotes',
    'deadband: 0.2',
    'deadband: "0.2"',
    [
      'millgate.yaml:15:19 devices.press-1.tags.oil-temp.deadband: expected a number; got "0.2": write 0.2 without quotes',
    ],
  ],
  [
    'a number with its unit',
    'deadband: 0.2',
    'deadband: 0.2 °C',
    ['millgate.yaml:15:19 devices.press-1.tags.oil-temp.deadband: expected a number; got "0.2 °C": write 0.2 alone'],
  ],
  [
    'a negative deadband',
    'deadband: 0.2',
    'deadband: -1',
    ['millgate.yaml:15:19 devices.press-1.tags.oil-temp.deadband: must be at least 0; got -1'],
  ],
  [
    'yes for true',
    'counter: true',
    'counter: yes',
    ['millgate.yaml:18:56 devices.press-1.tags.parts.counter: expected true or false; got "yes": write true'],
  ],
  [
    'a mistyped type',
    'type: uint32',
    'type: unit32',
    [
      'millgate.yaml:18:39 devices.press-1.tags.parts.type: expected bool, int16, uint16, int32, uint32 or float32; got "unit32"; did you mean "uint32"?',
    ],
  ],
  [
    'a type of another language',
    'type: uint32',
    'type: double',
    [
      'millgate.yaml:18:39 devices.press-1.tags.parts.type: expected bool, int16, uint16, int32, uint32 or float32; got "double"',
    ],
  ],
  [
    'text where a number belongs',
    'baud: 19200',
    'baud: fast',
    ['millgate.yaml:3:58 channels.line-a.baud: expected a number; got "fast"'],
  ],
  [
    'a fraction where a whole number belongs',
    'unit: 3',
    'unit: 3.5',
    ['millgate.yaml:9:11 devices.press-1.unit: expected a whole number; got 3.5'],
  ],
  [
    'a number beyond its range',
    'unit: 3',
    'unit: 300',
    ['millgate.yaml:9:11 devices.press-1.unit: must be at most 247; got 300'],
  ],
  [
    'a number beyond every range',
    'unit: 3',
    'unit: 99999999999999999999',
    ['millgate.yaml:9:11 devices.press-1.unit: expected a number; got 99999999999999999999: the number is too large'],
  ],
  [
    'a list where text belongs',
    'type: uint32',
    'type: [uint32]',
    [
      'millgate.yaml:18:33 devices.press-1.tags.parts.type: expected bool, int16, uint16, int32, uint32 or float32; got a list',
    ],
  ],
  [
    'a key without a value',
    '        type: int16',
    '        type:',
    [
      'millgate.yaml:14:9 devices.press-1.tags.oil-temp.type: has no value: write bool, int16, uint16, int32, uint32 or float32',
    ],
  ],
  [
    'not a number',
    'deadband: 0.2',
    'deadband: .nan',
    ['millgate.yaml:15:19 devices.press-1.tags.oil-temp.deadband: expected a number; got .nan'],
  ],
  [
    'a scale of nothing',
    'deadband: 0.2',
    'scale: 0',
    [
      'millgate.yaml:15:16 devices.press-1.tags.oil-temp.scale: a scale of 0 would make every value the same: write another factor, or remove scale',
      'millgate.yaml:16:20 devices.press-1.tags.oil-temp.heartbeat: warning: has no effect without a deadband, as every reading is sent: write a deadband too, or remove heartbeat',
    ],
  ],
  [
    'a number for text',
    'path: /var/lib/millgate',
    'path: 7',
    ['millgate.yaml:27:15 store.path: expected text; got 7: quote it: "7"'],
  ],
  [
    'a limit of a wrong type',
    'counter: true',
    'writable: 3',
    [
      'millgate.yaml:18:57 devices.press-1.tags.parts.writable: expected true, false, or limits such as {min: 0, max: 120}; got 3',
    ],
  ],
  [
    'a list entry of a wrong type',
    'counter: true',
    'invalid: [0x8000, lots]',
    ['millgate.yaml:18:65 devices.press-1.tags.parts.invalid, entry 2: expected a number; got "lots"'],
  ],
  [
    'not a time zone',
    'location: acme/leeds',
    'timezone: Europe/Londn',
    ['millgate.yaml:1:39 gateway.timezone: "Europe/Londn" is not a time zone; did you mean "Europe/London"?'],
  ],
  [
    'no ISA-95 path',
    'location: acme/leeds',
    'location: "acme/+/x"',
    [
      'millgate.yaml:1:39 gateway.location: expected an ISA-95 path such as acme/leeds/press-shop, without + # or quotes; got "acme/+/x"',
    ],
  ],
];

const ADDRESSES: readonly Case[] = [
  [
    'an unquoted Modicon address',
    'address: "40002"',
    'address: 40002',
    [
      'millgate.yaml:18:24 devices.press-1.tags.parts.address: put the Modicon number in quotes, because leading zeros of a number are lost: write address: "40002"',
    ],
  ],
  [
    'an unquoted address with zeros',
    'address: "40002"',
    'address: 00001',
    [
      'millgate.yaml:18:24 devices.press-1.tags.parts.address: put the Modicon number in quotes, because leading zeros of a number are lost: write address: "00001"',
    ],
  ],
  [
    'an address of no table',
    'address: "holding:100"',
    'address: "holdin:100"',
    [
      'millgate.yaml:13:18 devices.press-1.tags.oil-temp.address: "holdin:100" is no address: write for example holding:100 or "40101"',
    ],
  ],
  [
    'one address twice',
    'address: "40002", type: uint32',
    'address: "40101", type: int16',
    [
      'millgate.yaml:18:24 devices.press-1.tags.parts.address: warning: reads the same as tag "oil-temp" (millgate.yaml:12:7): correct the address, or remove one of the two',
    ],
  ],
];

const CONTRADICTIONS: readonly Case[] = [
  [
    'a range upside down',
    '        min: -20',
    '        min: 20\n        max: 10',
    [
      'millgate.yaml:18:14 devices.press-1.tags.oil-temp.max: max (10) must be above min (20): exchange the two if they were mixed up',
    ],
  ],
  [
    'a heartbeat faster than the scan',
    'heartbeat: 60s',
    'heartbeat: 100ms',
    [
      'millgate.yaml:16:20 devices.press-1.tags.oil-temp.heartbeat: heartbeat must not be shorter than the period of the tag (every: 1s): write 1s or more',
    ],
  ],
  [
    'a period below a millisecond',
    'every: 1s',
    'every: 200us',
    [
      'millgate.yaml:10:12 devices.press-1.every: is too short: write at least 1ms, or 0s to read again without a pause',
    ],
  ],
  [
    'a period for a tag that reports itself',
    '{address: GPIO17}',
    '{address: GPIO17, every: 1s}',
    [
      'millgate.yaml:21:43 devices.door.tags.open.every: warning: has no effect, because this tag is reported when it changes and is not polled: remove every',
    ],
  ],
  [
    'what the driver refuses in a channel',
    'baud: 19200',
    'baud: 1200, parity: odd',
    ['millgate.yaml:3:72 channels.line-a.parity: odd does not go with 1200 baud'],
  ],
  [
    'limits upside down',
    'counter: true',
    'writable: {min: 5, max: 1}',
    [
      'millgate.yaml:18:71 devices.press-1.tags.parts.writable.max: max (1) must not be below min (5): exchange the two if they were mixed up',
    ],
  ],
];

describe('a file broken in its values', () => {
  it.each(VALUES)('%s', (_title, from, to, lines) => {
    expect(linesOf({ 'millgate.yaml': edited(from, to) })).toEqual(lines);
  });
});

describe('a file broken in its addresses', () => {
  it.each(ADDRESSES)('%s', (_title, from, to, lines) => {
    expect(linesOf({ 'millgate.yaml': edited(from, to) })).toEqual(lines);
  });
});

describe('a file broken in its contradictions', () => {
  it.each(CONTRADICTIONS)('%s', (_title, from, to, lines) => {
    expect(linesOf({ 'millgate.yaml': edited(from, to) })).toEqual(lines);
  });
});
