import { describe, expect, it } from 'vitest';
import { DRIVERS } from '../../../hal/registry.ts';
import { changedTags, changes, changeText, touchedChannels } from '../../../src/config/apply/changes.ts';
import type { Config } from '../../../src/config/config.ts';
import { formatProblem } from '../../../src/config/file/problems.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { BUILT_IN, memoryFiles } from '../double/files.ts';

const FILE = `gateway: {id: press-shop}
channels:
  line-a: {driver: modbus-rtu, port: /dev/ttyUSB0, baud: 9600, timeout: 300ms}
  plc: {driver: modbus-tcp, host: 192.168.1.20}
devices:
  press-1:
    channel: line-a
    unit: 3
    tags:
      oil-temp: {address: "holding:100", type: int16, scale: 1, unit: "°C"}
      pressure: {address: "holding:110", type: float32, unit: bar}
      double: {expr: "press-1/pressure * 2"}
      running: {address: "coil:1", type: bool, every: 10s}
  oven: {channel: plc, unit: 1, tags: {temp: {address: "holding:5", type: int16, unit: "°C"}}}
alarms:
  oil-hot: {tag: press-1/oil-temp, above: 75, priority: high}
spc:
  heat: {tag: oven/temp, chart: i-mr, limits: {baseline: 25}}
maintenance:
  oil: {runtime: press-1/running, every: 2000h}
store: {path: /var/lib/millgate}
uplinks:
  plant: {type: mqtt, url: "mqtt://broker:1883"}
`;

function load(text: string): Config {
  const loaded = loadConfig({
    file: 'millgate.yaml',
    drivers: DRIVERS,
    hostname: 'gate-1',
    timezone: 'UTC',
    files: memoryFiles({ 'millgate.yaml': text }),
    profiles: BUILT_IN,
  });
  if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded.config;
}

/** The file, and the file with some words exchanged. */
function both(...exchanges: readonly [string, string][]): [Config, Config] {
  const text = exchanges.reduce((done, [from, to]) => {
    expect(done).toContain(from);
    return done.replace(from, to);
  }, FILE);
  return [load(FILE), load(text)];
}

const words = (...exchanges: readonly [string, string][]) => changes(...both(...exchanges)).map(changeText);

describe('the differences of two configurations', () => {
  it('are none where nothing but comments and layout differs', () => {
    expect(words(['spc:', '# charts\nspc:'])).toEqual([]);
  });

  it.each<[string, [string, string], string[]]>([
    ['a channel', ['baud: 9600', 'baud: 19200'], ['channel line-a: baud 9600 → 19200; restarts']],
    ['a timeout', ['300ms', '1s'], ['channel line-a: timeout 300ms → 1s; restarts']],
    [
      'another driver',
      ['plc: {driver: modbus-tcp, host: 192.168.1.20}', 'plc: {driver: modbus-rtu, port: /dev/ttyUSB1}'],
      [expect.stringContaining('channel plc: driver modbus-tcp → modbus-rtu') as unknown as string],
    ],
    [
      'a unit',
      ['unit: 3', 'unit: 4'],
      ['channel line-a: devices or tags on it; restarts', 'device press-1: unit 3 → 4'],
    ],
    [
      'a tag',
      ['scale: 1,', 'scale: 0.1,'],
      ['channel line-a: devices or tags on it; restarts', 'tag press-1/oil-temp: scale 1 → 0.1'],
    ],
    [
      'what no line needs',
      ['float32, unit: bar', 'float32, deadband: 2, unit: bar'],
      ['tag press-1/pressure: deadband none → 2'],
    ],
    ['a formula', ['pressure * 2', 'pressure * 3'], ['computed tag press-1/double: another expr']],
    ['a limit', ['above: 75', 'above: 80'], ['alarm oil-hot: above 75 → 80']],
    ['a condition', ['above: 75', 'below: 5'], ['alarm oil-hot: above 75 → below 5']],
    ['a chart', ['baseline: 25', 'baseline: 30'], ['chart heat: limits {baseline: 25} → {baseline: 30}']],
    [
      'the points of a chart',
      ['chart: i-mr, limits', 'chart: i-mr, subgroup: {every: 10m}, limits'],
      ['chart heat: subgroup 1 → {every: 10m}; its baseline begins anew'],
    ],
    [
      'an uplink',
      ['broker:1883', 'other:1883'],
      ['uplink plant: url mqtt://broker:1883 → mqtt://other:1883; connects again'],
    ],
    [
      'the name',
      ['id: press-shop', 'id: hall-2'],
      [
        'gateway: id press-shop → hall-2; all uplinks connect again',
        'uplink plant: clientId millgate-press-shop → millgate-hall-2, topic millgate/press-shop → millgate/hall-2; connects again',
      ],
    ],
    ['how often is committed', ['store: {', 'store: {commitEvery: 5s, '], ['store: commitEvery 1s → 5s']],
    [
      'the store',
      ['path: /var/lib/millgate', 'path: /data'],
      [
        expect.stringMatching(
          /^store: path \/var\/lib\/millgate → \/data; is fixed while the gateway runs: .*stop/,
        ) as unknown as string,
      ],
    ],
  ])('name %s', (_what, exchange, lines) => {
    expect(words(exchange)).toEqual(lines);
  });

  it('say of maintenance what the file says of it, and not what it knows of its tag', () => {
    expect(words(['every: 10s', 'every: 5s']).filter((line) => line.includes('oil:'))).toEqual([]);
    expect(words(['every: 2000h', 'every: 1000h']).filter((line) => line.includes('oil:'))).toHaveLength(1);
  });

  it('say what was added and removed', () => {
    const added = '  press-2: {channel: plc, unit: 9, tags: {oil: {address: "holding:1", type: int16}}}\n';
    expect(words(['alarms:', `${added}alarms:`])).toEqual([
      'channel plc: devices or tags on it; restarts',
      'device press-2 added (1 tag)',
    ]);
    const [less, more] = both(['alarms:', `${added}alarms:`]);
    expect(changes(more, less).map(changeText)).toContain('device press-2 removed (1 tag)');
  });
});

describe('what a change touches', () => {
  it('is no line where only rules, labels or reporting differ', () => {
    const [before, after] = both(
      ['above: 75', 'above: 80'],
      ['unit: bar', 'unit: bar, description: main pump, deadband: 1'],
    );
    expect([...touchedChannels(before, after)]).toEqual([]);
    expect([...changedTags(before, after)]).toEqual([]);
  });

  it('is the line of a tag that came, and of no other', () => {
    const [before, after] = both(['      double', '      level: {address: "holding:120", type: int16}\n      double']);
    expect([...touchedChannels(before, after)]).toEqual(['line-a']);
    expect([...changedTags(before, after)]).toEqual(['press-1/level']);
  });

  it('is every tag whose values mean something else', () => {
    const [before, after] = both(['unit: 3', 'unit: 4'], ['pressure * 2', 'pressure * 3']);
    expect([...changedTags(before, after)]).toEqual([
      ...['press-1/oil-temp', 'press-1/pressure', 'press-1/running', 'press-1/double'],
    ]);
  });
});
