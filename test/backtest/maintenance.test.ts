import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { millgate, temporaryFolder } from '../double/command-line.ts';

const SIX = Date.UTC(2025, 10, 24, 6);
const HOUR = 3_600_000;

async function backtest(section: string, rows: readonly string[]) {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  const tags = '{running: {address: "true", type: bool}, vibration: {address: "1", type: float64, unit: mm/s}}';
  writeFileSync(
    file,
    `channels: {sim: {driver: mock}}\ndevices: {press-1: {channel: sim, tags: ${tags}}}\nstore: {path: ${folder}/store}\nmaintenance: ${section}\n`,
  );
  const csv = join(folder, 'readings.csv');
  writeFileSync(csv, `t,tag,value\n${rows.join('\n')}\n`);
  const run = millgate(['backtest', '--json', '--config', file, '--csv', csv]);
  expect([await run.exitCode, run.err()]).toEqual([EXIT.ok, '']);
  return JSON.parse(run.out()) as { events: Record<string, unknown>[]; maintenance: Record<string, object> };
}

describe('backtest of maintenance', () => {
  it('gives events and the report by name, with every key of the contract', async () => {
    const rows = Array.from({ length: 30 }, (_, hour) => [
      `${SIX + hour * HOUR},press-1/running,true`,
      `${SIX + hour * HOUR},press-1/vibration,${1 + hour / 5}`,
    ]).flat();
    const { events, maintenance } = await backtest(
      '{oil: {runtime: press-1/running, every: 20h}, bearing: {tag: press-1/vibration, limit: 7.1, zones: {group: 2, mount: flexible}, trend: 20h, warn: 5h, while: press-1/running}}',
      rows,
    );
    expect(Object.keys(maintenance)).toEqual(['oil', 'bearing']);
    expect(Object.keys(maintenance.bearing!)).toEqual([
      ...['id', 'kind', 'value', 'zone', 'limit', 'slopePerDay', 'slopeLow', 'slopeHigh', 'reachesAt', 'earliest'],
      ...['latest', 'dueAt', 'used', 'every', 'state', 'samples', 'why'],
    ]);
    expect(Object.keys(maintenance.oil!).sort()).toEqual(Object.keys(maintenance.bearing!).sort());
    expect(maintenance.oil).toMatchObject({ used: 29 * HOUR, state: 'overdue', dueAt: SIX + 20 * HOUR });
    expect(maintenance.bearing).toMatchObject({ samples: 20, zone: 'C', state: 'due' });
    const own = events.filter(({ kind }) => kind === 'maintenance');
    expect(own.filter(({ id }) => id === 'oil')).toMatchObject([
      { change: 'due', t: SIX + 20 * HOUR, used: 20 * HOUR },
      { change: 'overdue', t: SIX + 21 * HOUR },
    ]);
    expect(own.flatMap(({ id, change }) => (id === 'bearing' ? [change] : []))).toContain('due');
  });
});
