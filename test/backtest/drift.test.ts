/** A machine that gets slower and hungrier, and starts too often, is found from its counters alone: no limit is known beforehand. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import type { MaintenanceReport } from '../../src/core/rules/maintenance.ts';
import { millgate, temporaryFolder } from '../double/command-line.ts';

const START = Date.UTC(2026, 8, 7);
const MIN = 60_000;
const DAYS = 24;

type Found = Omit<MaintenanceReport, 'kind'> &
  Record<'change' | 'evidence' | 'otherCauses' | 'clears' | 'message', string>;

/** Every five minutes: it stands for an hour in six; from the second week on it gets slower by 1.5 % a day, and hungrier. */
function rows(): string {
  const lines = ['t,tag,value'];
  let [parts, energy] = [5000, 800_000];
  for (let minute = 0; minute <= DAYS * 1440; minute += 5) {
    const wornDays = Math.max(0, minute / 1440 - 8);
    const running = Math.floor(minute / 60) % 6 !== 5;
    if (running) {
      const made = (5 * 12) / (1 + 0.015 * wornDays);
      parts += made;
      energy += made * 30 * (1 + 0.02 * wornDays);
    }
    const t = START + minute * MIN;
    lines.push(`${t},press-1/parts,${Math.floor(parts)}`, `${t},press-1/energy,${Math.floor(energy)}`);
    lines.push(`${t},press-1/running,${running ? 1 : 0}`);
  }
  return `${lines.join('\n')}\n`;
}

it('says so with its evidence, what else it can be and what clears it', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  writeFileSync(
    file,
    `channels: {sim: {driver: mock}}
devices:
  press-1:
    channel: sim
    every: 1s
    tags:
      running: {address: "toggle(period=4m)", type: bool}
      parts: {address: "counter(rate=12/m)", counter: true}
      energy: {address: "counter(rate=30/m)", counter: true}
      cycle-time: {expr: "600 / rate(press-1/parts, 10m)", unit: s}
      energy-a-part: {expr: "rate(press-1/energy, 10m) / rate(press-1/parts, 10m)", unit: Wh}
maintenance:
  slow-cycle: {tag: press-1/cycle-time, limit: {ratio: 1.15, baseline: 5d}, trend: 7d, while: press-1/running}
  hungry: {tag: press-1/energy-a-part, limit: {ratio: 1.2, baseline: 5d}, trend: 7d, while: press-1/running}
  contactor: {cycles: press-1/running, every: 90, warn: 10}
store: {path: ${join(folder, 'store')}}
`,
  );
  writeFileSync(join(folder, 'readings.csv'), rows());
  const run = millgate(['backtest', '--json', '--config', file, '--csv', join(folder, 'readings.csv')]);
  expect(await run.exitCode, run.err()).toBe(EXIT.ok);
  const { events, maintenance } = JSON.parse(run.out()) as {
    events: (Found & { kind: string; t: number })[];
    maintenance: Record<string, MaintenanceReport>;
  };
  const firstOf = (id: string, change: string) =>
    events.find((event) => event.kind === 'maintenance' && event.id === id && event.change === change);
  const dayOf = (event: { t: number } | undefined) => ((event?.t ?? Number.NaN) - START) / (1440 * MIN);
  for (const id of ['slow-cycle', 'hungry']) {
    const due = firstOf(id, 'due');
    const overdue = firstOf(id, 'overdue');
    // It reaches its limit ten days after it began; it is said before, and not before it began.
    expect(dayOf(due), id).toBeGreaterThan(8);
    expect(dayOf(overdue), id).toBeGreaterThan(dayOf(due) + 1);
    expect(dayOf(overdue), id).toBeLessThan(20);
    expect(due!.evidence).toMatch(/^\d+ means of 1h within 7d: slope 0\.\d+/);
    expect(due!.samples).toBeGreaterThan(20);
    expect(due!.otherCauses).toContain('load');
    expect(due!.clears).toContain(`millgate maintenance done ${id}`);
  }
  expect(maintenance['slow-cycle']!.limit).toBeCloseTo(5 * 1.15, 1);
  expect(firstOf('contactor', 'due')!.evidence).toContain('80 starts');
  expect(firstOf('contactor', 'overdue')).toBeDefined();
});
