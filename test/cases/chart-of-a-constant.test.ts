/** A good process on a coarse display gives one value for hours: that is no finding, and makes no limits. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { seededRandom } from '../../src/core/random.ts';
import { millgate, temporaryFolder } from '../double/command-line.ts';

const CHARTS = {
  single: '{tag: gauge/d, chart: i-mr, limits: {baseline: 20}, rules: nelson}',
  group: '{tag: gauge/d, chart: xbar-r, subgroup: 5, limits: {baseline: 20}, rules: nelson}',
  ewma: '{tag: gauge/d, chart: ewma, limits: {baseline: 20}}',
  net: '{tag: gauge/net, chart: i-mr, limits: {baseline: 20}, rules: nelson}',
  netGroup: '{tag: gauge/net, chart: xbar-r, subgroup: 5, limits: {baseline: 20}, rules: nelson}',
};

/** Findings of charts over readings of the gauge, one set a second. */
async function findings(readings: readonly Readonly<Record<string, number>>[]) {
  const folder = temporaryFolder();
  const [file, csv] = [join(folder, 'millgate.yaml'), join(folder, 'readings.csv')];
  const tags =
    'd: {address: "1", type: float64}, gross: {address: "2", type: float64}, tare: {address: "3", type: float64}';
  const charts = Object.entries(CHARTS).map(([name, text]) => `  ${name.toLowerCase()}: ${text}`);
  writeFileSync(
    file,
    `channels: {sim: {driver: mock}}\ndevices: {gauge: {channel: sim, every: 1s, tags: {${tags}, net: {expr: "gauge/gross - gauge/tare"}}}}\n` +
      `spc:\n${charts.join('\n')}\nstore: {path: ${join(folder, 'store')}}\n`,
  );
  const lines = readings.flatMap((values, second) =>
    Object.entries(values).map(([tag, value]) => `${1_764_000_000_000 + 1000 * second},gauge/${tag},${value}`),
  );
  writeFileSync(csv, `t,tag,value\n${lines.join('\n')}\n`);
  const run = millgate(['backtest', '--json', '--config', file, '--csv', csv]);
  expect(await run.exitCode, run.err()).toBe(EXIT.ok);
  const { events } = JSON.parse(run.out()) as { events: Record<string, unknown>[] };
  return events.filter(({ kind, rule }) => kind === 'spc' && rule !== undefined);
}

describe('control charts of a value that does not vary', () => {
  it('find nothing in 10.1 throughout, which no binary fraction is', async () => {
    expect(await findings(Array.from({ length: 400 }, () => ({ d: 10.1 })))).toEqual([]);
  });

  it('find nothing in differences of the last bit of a double', async () => {
    const tares = [1.3, 2.7, 5.9, 20.2];
    const random = seededRandom(3);
    const readings = Array.from({ length: 400 }, () => {
      const tare = tares[Math.floor(random() * tares.length)]!;
      return { gross: Math.round((10.1 + tare) * 10) / 10, tare };
    });
    expect(new Set(readings.map(({ gross, tare }) => gross - tare)).size).toBeGreaterThan(1);
    expect(await findings(readings)).toEqual([]);
  });

  it('take their limits from the spread that sets in, not from a baseline without any', async () => {
    const random = seededRandom(3);
    const spread = () => Math.round((10.1 + 0.02 * (random() + random() + random() - 1.5) * 2) * 1000) / 1000;
    const readings = Array.from({ length: 600 }, (_, index) => ({ d: index < 200 ? 10.1 : spread() }));
    for (const { lcl, ucl } of (await findings(readings)).filter(({ id }) => id === 'single'))
      expect(Number(ucl) - Number(lcl)).toBeGreaterThan(0.05);
  });
});
