import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLogger } from '../../src/core/log.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { waitsForDisk } from '../../src/service/disk-wait.ts';
import type { GatewayProgress, LineProgress } from '../../src/service/progress.ts';
import { keepWatch } from '../../src/service/watchdog.ts';
import { Bench } from '../double/processes.ts';

const line: LineProgress = { name: 'line-a', state: 'connected', busySinceMs: undefined, dueMs: Infinity };

/** A watch of 10 s over work that the test changes. */
function watched({ watchdogMs }: { watchdogMs: number | undefined } = { watchdogMs: 10_000 }) {
  const clock = new SimulatedClock();
  const told: string[] = [];
  const logged: string[] = [];
  const world = { work: { lines: [line], commitSinceMs: undefined } as GatewayProgress, disk: false };
  const end = keepWatch({
    clock,
    log: createLogger(clock, (text) => logged.push(text)),
    notifier: { tell: (text) => told.push(text), watchdogMs },
    progress: () => world.work,
    waitsForDisk: () => world.disk,
  });
  return { clock, told, logged, world, end };
}

describe('the watchdog', () => {
  it('is fed four times in its time, and told of the channels when they change', async () => {
    const { clock, told, world } = watched();
    await clock.advance(5000);
    expect(told).toEqual(['WATCHDOG=1\nSTATUS=1 of 1 channel connected', 'WATCHDOG=1']);
    world.work = { ...world.work, lines: [{ ...line, state: 'waiting' }] };
    await clock.advance(2500);
    expect(told.at(-1)).toBe('WATCHDOG=1\nSTATUS=0 of 1 channel connected; not connected: line-a');
  });

  it('is not fed when polling stands still: the reason is logged and systemd asked to start the gateway again', async () => {
    const { clock, told, logged, world } = watched();
    world.work = { ...world.work, lines: [{ ...line, dueMs: 0 }] };
    await clock.advance(30_000);
    expect(told.every((text) => text.startsWith('WATCHDOG=1'))).toBe(true);
    await clock.advance(2500);
    expect(told.at(-1)).toMatch(/^WATCHDOG=trigger\nSTATUS=line-a: nothing was asked/);
    expect(logged).toEqual([
      'the gateway does not get on: line-a: nothing was asked although it was due 33s ago. It is started again.',
    ]);
  });

  it('runs out within 11 s when the store’s thread is dead', async () => {
    const { clock, told, world } = watched();
    world.work = { ...world.work, commitSinceMs: 0 };
    await clock.advance(10_500);
    expect(told.at(-1)).toMatch(/^WATCHDOG=trigger/);
  });

  it('is fed for as long as the disk stalls, and no longer than the next commit', async () => {
    const { clock, told, world } = watched();
    world.disk = true;
    world.work = { ...world.work, commitSinceMs: 0 };
    await clock.advance(600_000);
    expect(told.filter((text) => text.includes('trigger'))).toEqual([]);
    world.disk = false;
    world.work = { ...world.work, commitSinceMs: 600_000 };
    await clock.advance(11_000);
    expect(told.at(-1)).toMatch(/^WATCHDOG=trigger/);
  });

  it('ends when told to, and is not kept where systemd keeps none', async () => {
    const one = watched();
    one.end();
    const none = watched({ watchdogMs: undefined });
    await Promise.all([one.clock.advance(60_000), none.clock.advance(60_000)]);
    expect([...one.told, ...none.told]).toEqual([]);
  });
});

describe('what a thread waits for', () => {
  it('is the disk in state D, whatever the thread is called', async () => {
    const bench = new Bench();
    const thread = (state: string) => `7 (a) S (b) ${state} 1 7 7 0 -1 4194560 1 0 0 0 0 0\n`;
    for (const id of ['7', '8']) mkdirSync(join(bench.folder, id));
    bench.write('7/stat', thread('S'));
    bench.write('8/stat', thread('R'));
    expect(waitsForDisk(bench.folder)).toBe(false);
    bench.write('8/stat', thread('D'));
    expect(waitsForDisk(bench.folder)).toBe(true);
    expect(waitsForDisk(join(bench.folder, 'missing'))).toBe(false);
    await bench.dispose();
  });
});
