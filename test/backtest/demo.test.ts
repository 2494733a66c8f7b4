import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pressBuilds } from '../../hal/mock/plant.ts';
import { newPress, PRESS_STEP_MS, stepPress } from '../../hal/mock/press.ts';
import { EXIT } from '../../src/core/errors.ts';
import { millgate, temporaryFolder } from '../double/command-line.ts';

const DEMO = resolve(import.meta.dirname, '../../config/demo.yaml');
const SIX = Date.UTC(2025, 10, 24, 6);
const STEPS_A_SECOND = 1000 / PRESS_STEP_MS;

/** What the demo's gateway reads of press 1 in twelve minutes, once a second. */
function demoRecord(): { file: string; faultMs: number } {
  const build = pressBuilds(7)[1];
  let press = newPress(build);
  let faultMs = 0;
  const lines = ['t,tag,value'];
  for (let second = 1; second <= 720; second++) {
    for (let step = 0; step < STEPS_A_SECOND; step++) press = stepPress(press, build);
    const t = SIX + second * 1000;
    if (faultMs === 0 && press.mode === 'fault') faultMs = t;
    lines.push(
      `${t},press-1/vibration,${Math.fround(press.vibrationMmS)}`,
      `${t},press-1/fault,${press.mode === 'fault'}`,
      `${t},press-1/running,${press.mode === 'running'}`,
    );
  }
  const file = join(temporaryFolder(), 'demo.csv');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return { file, faultMs };
}

describe('backtest on what the demo records', () => {
  it('shows the wear of press 1 minutes before it trips', async () => {
    const { file, faultMs } = demoRecord();
    const run = millgate(['backtest', '--config', DEMO, '--csv', file, '--json']);
    expect(await run.exitCode).toBe(EXIT.ok);
    const { events, maintenance } = JSON.parse(run.out()) as {
      events: { t: number; id: string; change: string }[];
      maintenance: Record<string, { used: number; state: string }>;
    };
    const firstOf = (id: string) => events.find((event) => event.id === id && event.change === 'raised')!.t;
    expect(firstOf('press-1-fault')).toBe(faultMs);
    expect(faultMs - firstOf('press-1-bearing-wears')).toBeGreaterThan(120_000);
    expect(faultMs - firstOf('press-1-bearing-fails')).toBeGreaterThan(30_000);
    const due = events.find(({ id, change }) => id === 'press-1-bearing' && change === 'due')!.t;
    expect(faultMs - due).toBeGreaterThan(60_000);
    expect(maintenance['press-1-oil']!.used).toBeGreaterThan(300_000);
    expect(firstOf('press-1-bearing-wears')).toBeLessThan(firstOf('press-1-bearing-fails'));
  });
});
