import { describe, expect, it } from 'vitest';
import { linesOf, load } from './double/files.ts';
import { edited, GOOD } from './double/good.ts';

/** The good file with more sections at its end, and what is wrong with them. */
const withSections = (...lines: string[]) => `${GOOD}${lines.join('\n')}\n`;
const wrong = (...lines: string[]) => linesOf({ 'millgate.yaml': withSections(...lines) });

function good(...lines: string[]) {
  const result = load({ 'millgate.yaml': withSections(...lines) });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config;
}

describe('alarms in the file', () => {
  it('come with the unit of their tag and their defaults', () => {
    const { alarms } = good('alarms: {hot: {tag: press-1/oil-temp, above: 75, onDelay: 5s}}');
    expect(alarms).toMatchObject([
      {
        id: 'hot',
        condition: { kind: 'above', limit: 75 },
        onDelayMs: 5000,
        priority: 'medium',
        latch: false,
        ack: true,
      },
    ]);
  });

  it.each([
    [
      '{tag: press-1/oil-temp, below: -30}',
      'alarms.hot.below: no value can be below the limit -30, because press-1/oil-temp has min: -20 (millgate.yaml:12:7)',
    ],
    [
      '{tag: press-1/oil-tmp, above: 75}',
      'alarms.hot.tag: there is no tag press-1/oil-tmp; did you mean press-1/oil-temp?',
    ],
    ['{tag: press-1/oil-temp, abov: 75}', 'alarms.hot.abov: unknown key; did you mean "above"?'],
    [
      '{tag: press-1/oil-temp, above: 75, set: {tag: press-1/parts, to: 1, back: 0}}',
      'alarms.hot.set.tag: press-1/parts is not writable: add writable: true to it',
    ],
  ])('%s is refused at its place', (entry, line) => {
    expect(wrong(`alarms: {hot: ${entry}}`)).toContainEqual(expect.stringContaining(line));
  });

  it('are not blamed for a tag that is itself broken', () => {
    const file = `${edited('type: int16', 'type: int17')}alarms: {hot: {tag: press-1/oil-temp, above: 75}}\n`;
    expect(linesOf({ 'millgate.yaml': file }).filter((line) => line.includes('alarms'))).toEqual([]);
  });
});

describe('charts in the file', () => {
  it('are checked against their tags', () => {
    expect(good('spc: {shaft: {tag: meter/power, chart: xbar-r, subgroup: 5}}').spc).toMatchObject([
      { id: 'shaft', chart: 'xbar-r', limits: { from: 'baseline', points: 25 } },
    ]);
    expect(wrong('spc: {shaft: {tag: meter/power, chart: xbar-r, subgroup: 1}}')).toEqual([
      'millgate.yaml:28:58 spc.shaft.subgroup: one reading has no range: write subgroup: 2 to 25, for example 5, or use chart: i-mr for individual readings',
    ]);
  });
});

describe('computed tags', () => {
  const withTags = (...tags: string[]) =>
    edited('tags: {open: {address: GPIO17}}', `tags: {open: {address: GPIO17}, ${tags.join(', ')}}`);
  const said = (...tags: string[]) => linesOf({ 'millgate.yaml': withTags(...tags) });

  it('come after those they are computed from, each with its unit', () => {
    const result = load({
      'millgate.yaml': withTags('c: {expr: "door/b * 2"}', 'b: {expr: "meter/power + 1", unit: kW}'),
    });
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    expect(result.config.derived.map(({ tag }) => [tag.tag.id, tag.unit])).toEqual([
      ['door/b', 'kW'],
      ['door/c', 'kW'],
    ]);
  });

  it.each([
    [
      ['a: {expr: "door/b + 1"}', 'b: {expr: "door/c"}', 'c: {expr: "door/a"}'],
      'is computed from itself (door/a → door/b → door/c → door/a): take door/a out of the formula of door/c',
    ],
    [
      ['a: {expr: "door/a + 1"}'],
      'is computed from itself (door/a → door/a): take door/a out of the formula of door/a',
    ],
    [
      ['a: {expr: "meter/powr * 2"}'],
      'millgate.yaml:21:47 devices.door.tags.a.expr: there is no tag meter/powr; did you mean meter/power? Put spaces around a - or / that stands between two tags',
    ],
    [
      ['a: {expr: "1 + 1"}'],
      'the formula names no tag, so it would never have a value: write for example press-1/power * 2',
    ],
    [['a: {expr: "meter/power +"}'], 'the formula ends too early: a tag, a number or "(" is missing'],
    [
      ['a: {expr: "meter/power", address: GPIO4}'],
      'millgate.yaml:21:62 devices.door.tags.a.address: a tag is either read (address) or computed (expr), not both: remove one of the two',
    ],
  ])('%s are refused', (tags, message) => {
    const lines = said(...tags);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(message);
  });

  it('can be watched by alarms', () => {
    const file = `${withTags('a: {expr: "meter/power * 2", max: 100}')}alarms: {much: {tag: door/a, above: 150}}\n`;
    expect(linesOf({ 'millgate.yaml': file })).toEqual([
      expect.stringContaining('alarms.much.above: the limit 150 can never be exceeded, because door/a has max: 100'),
    ]);
  });
});

it('a chart of a counter knows where the counter starts again, in the unit of its tag', () => {
  const config = load({
    'millgate.yaml': [
      'channels: {line: {driver: modbus-tcp, host: 10.0.0.5}}',
      'devices:',
      '  press: {channel: line, unit: 1, every: 1s, tags: {waste: {address: "holding:1", type: uint16, scale: 0.1, counter: true, wrap: 10000}}}',
      'spc: {waste: {tag: press/waste, chart: c, subgroup: {every: 10m}, limits: {baseline: 25}}}',
    ].join('\n'),
  });
  expect(config).toMatchObject({ config: { spc: [{ counters: [{ tag: 'press/waste', modulus: 1000 }] }] } });
});
