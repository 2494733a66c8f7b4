import { describe, expect, it } from 'vitest';
import { DRIVERS } from '../../../hal/registry.ts';
import { forecastRules } from '../../../src/config/forecast/forecast-rules.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { memoryFiles, yaml } from '../double/files.ts';

/** What is doubted of rules over an oven, its mode (0…3) and a door that reports when it changes. */
function doubts(...rules: string[]): string[] {
  const text = yaml(
    'channels: {sim: {driver: mock}, pins: {driver: gpio}}',
    'devices:',
    '  oven: {channel: sim, every: 1m, tags: {temp: {address: "1", min: 0, max: 300}, mode: {address: "1", min: 0, max: 3}}}',
    '  door: {channel: pins, tags: {open: {address: GPIO17}}}',
    ...rules,
  );
  const files = memoryFiles({ 'millgate.yaml': text });
  const loaded = loadConfig({ file: 'millgate.yaml', drivers: DRIVERS, hostname: 'bench', files });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return forecastRules(loaded.config).doubts.map(({ rule, why, remedy }) => `${rule} ${why}: ${remedy}`);
}

describe('rules that may never say what they are meant to say', () => {
  it.each([
    [
      'alarms: {hot: {tag: oven/temp, above: 210, while: "oven/mode == 5"}}',
      'alarms.hot is suppressed for ever: it works only while oven/mode == 5, which goes over 0…3',
    ],
    [
      'alarms: {shut: {tag: door/open, stale: 30s}}',
      'alarms.shut comes whenever nothing happens for 30s: door/open reports only when it changes',
    ],
    [
      'spc: {heat: {tag: oven/temp, chart: i-mr, limits: {baseline: 25}, spec: {lsl: 400, usl: 500}}}',
      'spc.heat no value can meet its spec',
    ],
  ])('%s', (rule, expected) => {
    expect(doubts(rule)).toContainEqual(expect.stringContaining(expected));
  });

  it('a chart whose baseline takes weeks', () => {
    expect(
      doubts('spc: {heat: {tag: oven/temp, chart: xbar-r, subgroup: 25, limits: {baseline: 500}}}'),
    ).toContainEqual(
      expect.stringContaining('spc.heat has no limits for 8d 16h: its baseline is 500 points, one each 25m'),
    );
  });

  it('a chart that takes every poll of a register for a reading; one with a trigger or a period is sound', () => {
    const heat = (subgroup: string) => doubts(`spc: {heat: {tag: oven/temp, chart: i-mr${subgroup}}}`);
    expect(heat('')).toEqual([expect.stringMatching(/^spc\.heat takes every poll of oven\/temp .*trigger: TAG/)]);
    expect(heat(', subgroup: {trigger: oven/mode}')).toEqual([]);
    expect(heat(', subgroup: {every: 10m}')).toEqual([]);
  });

  it('are none of those that are sound', () => {
    expect(
      doubts('alarms: {hot: {tag: oven/temp, above: 210, while: "oven/mode == 2"}, dead: {tag: oven/temp, stale: 5m}}'),
    ).toEqual([]);
  });
});
