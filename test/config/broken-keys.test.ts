import { describe, expect, it } from 'vitest';
import { linesOf } from './double/files.ts';
import { edited } from './double/good.ts';

/** What is broken, the piece of the good file, what stands there instead, and every line that `check` then prints. */
type Case = readonly [title: string, from: string, to: string, lines: readonly string[]];

const KEYS: readonly Case[] = [
  [
    'a mistyped key',
    '        type: int16',
    '        typ: int16',
    ['millgate.yaml:14:9 devices.press-1.tags.oil-temp.typ: unknown key; did you mean "type"?'],
  ],
  ['a mistyped section', 'uplinks:', 'uplink:', ['millgate.yaml:23:1 uplink: unknown key; did you mean "uplinks"?']],
  [
    'a section nobody knows',
    'store: {',
    'zebra: 1\nstore: {',
    [
      'millgate.yaml:27:1 zebra: unknown key; sections: gateway, channels, devices, alarms, spc, production, maintenance, parts, inventory, store, uplinks, notify, api, commands, serve, fleet',
    ],
  ],
  [
    'a key of another driver',
    '        type: int16',
    '        type: int16\n        bias: pull-up',
    [
      'millgate.yaml:15:9 devices.press-1.tags.oil-temp.bias: bias is for gpio tags, and press-1 is on channel "line-a" (modbus-rtu): remove bias',
    ],
  ],
  [
    'a key of Modbus on a GPIO tag',
    '{address: GPIO17}',
    '{address: GPIO17, order: CDAB}',
    [
      'millgate.yaml:21:36 devices.door.tags.open.order: order is for modbus tags, and door is on channel "pins" (gpio): remove order',
    ],
  ],
  [
    'a channel key of another driver',
    '{driver: gpio}',
    '{driver: gpio, baud: 9600}',
    ['millgate.yaml:5:24 channels.pins.baud: baud is for modbus-rtu channels, and this one is gpio: remove baud'],
  ],
  [
    'another way of writing a key',
    'baud: 19200',
    'stop-bits: 1',
    ['millgate.yaml:3:52 channels.line-a.stop-bits: unknown key; did you mean "stopBits"?'],
  ],
  [
    'a mistyped device key',
    '    unit: 3',
    '    unti: 3',
    ['millgate.yaml:9:5 devices.press-1.unti: unknown key; did you mean "unit"?'],
  ],
  [
    'a key that is not there',
    '    unit: 3\n',
    '',
    ['millgate.yaml:7:3 devices.press-1.unit: is missing: write for example unit: 3'],
  ],
  [
    'a tag without an address',
    '        address: "holding:100"\n',
    '',
    ['millgate.yaml:12:7 devices.press-1.tags.oil-temp.address: is missing: write for example address: "holding:100"'],
  ],
  [
    'a nested mistyped key',
    'counter: true',
    'writable: {mni: 3}',
    ['millgate.yaml:18:58 devices.press-1.tags.parts.writable.mni: unknown key; did you mean "min"?'],
  ],
  [
    'a mistyped gateway key',
    'location: acme/leeds',
    'loction: acme/leeds',
    ['millgate.yaml:1:29 gateway.loction: unknown key; did you mean "location"?'],
  ],
];

const NAMES_AND_REFERENCES: readonly Case[] = [
  [
    'a channel that is not there',
    'channel: line-a',
    'channel: lina-a',
    ['millgate.yaml:8:14 devices.press-1.channel: there is no channel "lina-a"; did you mean "line-a"?'],
  ],
  [
    'a channel far from every name',
    'channel: line-a',
    'channel: hydraulics',
    [
      'millgate.yaml:8:14 devices.press-1.channel: there is no channel "hydraulics"; the channels are: line-a, plc, pins',
    ],
  ],
  [
    'a driver that is not there',
    'driver: gpio',
    'driver: gpoi',
    ['millgate.yaml:5:18 channels.pins.driver: there is no driver "gpoi"; did you mean "gpio"?'],
  ],
  [
    'a device with a slash',
    '  press-1:',
    '  press/1:',
    [
      'millgate.yaml:7:3 devices."press/1": "press/1" is not a valid name (only a-z, 0-9, - and _; at most 63 characters; the first a letter or digit): write press-1',
    ],
  ],
  [
    'a name with capitals and spaces',
    '      parts:',
    '      "Good Parts":',
    [
      'millgate.yaml:18:7 devices.press-1.tags."Good Parts": "Good Parts" is not a valid name (only a-z, 0-9, - and _; at most 63 characters; the first a letter or digit): write good-parts',
    ],
  ],
  [
    'a device twice',
    '  door:',
    '  press-1:',
    ['millgate.yaml:19:3 devices.press-1: is given twice, first at millgate.yaml:7:3: keep one'],
  ],
  [
    'a tag twice',
    '      parts:',
    '      oil-temp:',
    ['millgate.yaml:18:7 devices.press-1.tags.oil-temp: is given twice, first at millgate.yaml:12:7: keep one'],
  ],
  [
    'a device without a channel',
    '    channel: line-a\n',
    '',
    ['millgate.yaml:7:3 devices.press-1.channel: is missing: write channel: and its name: line-a, plc or pins'],
  ],
  [
    'a profile that is not there',
    '    unit: 3',
    '    unit: 3\n    profile: eastron-sdm12',
    [
      'millgate.yaml:10:14 devices.press-1.profile: there is no profile "eastron-sdm12" (looked for in profiles/ beside this file, and among those that come with Millgate: millgate profiles lists them)',
    ],
  ],
  [
    'two channels on one serial port',
    '{driver: gpio}',
    '{driver: modbus-rtu, port: /dev/ttyUSB0}',
    [
      'millgate.yaml:5:36 channels.pins.port: channel "line-a" (millgate.yaml:3:3) already uses /dev/ttyUSB0: one serial line is one channel; put all its devices on "line-a"',
      'millgate.yaml:19:3 devices.door.unit: is missing: write for example unit: 3',
      'millgate.yaml:21:12 devices.door.tags.open.type: is missing: write for example type: int16',
    ],
  ],
  [
    'two channels at one endpoint',
    '/dev/ttyUSB0, baud: 19200}',
    '/dev/ttyUSB0}\n  plc-2: {driver: modbus-tcp, host: 192.168.1.20}',
    [
      'millgate.yaml:4:3 channels.plc-2: warning: no device is on this channel',
      'millgate.yaml:5:35 channels.plc.host: warning: channel "plc-2" (millgate.yaml:4:3) already uses this address (192.168.1.20:502), and many devices accept only one connection: put all its devices on "plc-2"',
    ],
  ],
];

const YAML: readonly Case[] = [
  ['a tab', '    unit: 3', '\tunit: 3', ['millgate.yaml:9:1: a tab is used for indentation: use spaces']],
  [
    'a bracket left open',
    '    unit: 3',
    '    unit: [3',
    ['millgate.yaml:9:11: this [ is not closed: add ] at the end of this line'],
  ],
  [
    'a quote left open',
    '"holding:100"',
    '"holding:100',
    ['millgate.yaml:13:18: this quote is not closed: write another " at the end of the text'],
  ],
  [
    'two colons',
    '    unit: 3',
    '    unit: a: 3',
    [
      'millgate.yaml:9:11: two keys stand on one line: write the second on its own line, indented; if the ": " belongs to a text, put the text in quotes',
    ],
  ],
  [
    'an alias without an anchor',
    '    unit: 3',
    '    unit: *three',
    [
      'millgate.yaml:9:11 devices.press-1.unit: a word after * stands for a value marked & with the same word further up, and there is none: write the value itself, or put the text in quotes if it begins with a *',
    ],
  ],
  [
    'a value with an exclamation mark',
    '    unit: 3',
    '    unit: !three 3',
    ['millgate.yaml:9:11: a value begins with "!", which YAML keeps for itself: put the value in quotes'],
  ],
  [
    'a value that begins with @',
    '    unit: 3',
    '    unit: @three',
    [
      'millgate.yaml:9:11: the value begins with a character that YAML keeps for itself, such as @, % or a backquote: put the value in quotes',
    ],
  ],
  [
    'indentation that does not fit',
    '    unit: 3',
    '   unit: 3',
    [
      'millgate.yaml:9:1: this line is not indented like those it belongs to: begin all keys of one block in the same column',
    ],
  ],
  [
    'a second document',
    'uplinks:',
    '---\nuplinks:',
    ['millgate.yaml:23:1: a second document begins here: remove the line "---"'],
  ],
  [
    'a list as a key',
    '    unit: 3',
    '    ? [unit]\n    : 3',
    [
      'millgate.yaml:7:3 devices.press-1.unit: is missing: write for example unit: 3',
      'millgate.yaml:9:7 devices.press-1: a key must be a plain word: write key: value',
    ],
  ],
  [
    'a section that is a list',
    'uplinks:\n',
    'uplinks: [mqtt]\nx:\n',
    [
      'millgate.yaml:23:1 uplinks: "uplinks" cannot be a list: remove the dashes or [ ], and write for example uplinks: {plant: {type: mqtt, url: "mqtt://broker:1883"}}',
      'millgate.yaml:24:1 x: unknown key; sections: gateway, channels, devices, alarms, spc, production, maintenance, parts, inventory, store, uplinks, notify, api, commands, serve, fleet',
    ],
  ],
];

describe('a file broken in its keys', () => {
  it.each(KEYS)('%s', (_title, from, to, lines) => {
    expect(linesOf({ 'millgate.yaml': edited(from, to) })).toEqual(lines);
  });
});

describe('a file broken in its names and references', () => {
  it.each(NAMES_AND_REFERENCES)('%s', (_title, from, to, lines) => {
    expect(linesOf({ 'millgate.yaml': edited(from, to) })).toEqual(lines);
  });
});

describe('a file broken in its YAML', () => {
  it.each(YAML)('%s', (_title, from, to, lines) => {
    expect(linesOf({ 'millgate.yaml': edited(from, to) })).toEqual(lines);
  });
});
