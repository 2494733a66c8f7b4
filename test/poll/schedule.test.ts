import { describe, expect, it } from 'vitest';
import type { Tag } from '../../hal/driver.ts';
import { OFFLINE_AFTER_MS, OFFLINE_AFTER_SCANS } from '../../src/poll/health.ts';
import { type JobEnd, Schedule } from '../../src/poll/schedule.ts';

function tag(device: string, name: string): Tag {
  return { id: `${device}/${name}`, device, name, address: undefined };
}

/** One request a device, whatever the tags. */
const onePlan = (tags: readonly Tag[]) => [tags];

interface Served {
  readonly device: string;
  readonly startMs: number;
  readonly tags: number;
}

/**
 * Serves a schedule on a line where each request takes `costMs(device)`, until `untilMs`. Only one request at a time,
 * as on a bus.
 */
function serve(
  schedule: Schedule,
  untilMs: number,
  costMs: (device: string, nowMs: number) => number,
  end: (device: string, nowMs: number) => JobEnd = () => 'answered',
  startMs = 0,
): Served[] {
  const served: Served[] = [];
  let nowMs = startMs;
  while (nowMs < untilMs) {
    const job = schedule.take(nowMs);
    if (!job) {
      nowMs = Math.max(nowMs + 0.001, Math.min(untilMs, schedule.nextDueMs()));
      continue;
    }
    const startedMs = nowMs;
    nowMs += costMs(job.device, nowMs);
    served.push({ device: job.device, startMs: startedMs, tags: job.tags.length });
    schedule.done(job, end(job.device, startedMs), startedMs, nowMs);
  }
  return served;
}

describe('the schedule of a line', () => {
  it('keeps ticks at multiples of the period, however long a scan takes', () => {
    const schedule = new Schedule([{ device: 'd', everyMs: 100, tags: [tag('d', 'a')] }], onePlan, 0);
    const served = serve(schedule, 10_000, (_, nowMs) => 5 + (nowMs % 60));
    expect(served.map(({ startMs }) => startMs)).toEqual(Array.from({ length: 100 }, (_, tick) => tick * 100));
    expect(schedule.counts).toEqual({ scans: 100, skipped: 0 });
  });

  it('skips the ticks that passed during a stall and counts them, without a burst afterwards', () => {
    const schedule = new Schedule([{ device: 'd', everyMs: 100, tags: [tag('d', 'a')] }], onePlan, 0);
    const served = serve(schedule, 1000, (_, nowMs) => (nowMs === 200 ? 350 : 5));
    expect(served.map(({ startMs }) => startMs)).toEqual([0, 100, 200, 550, 600, 700, 800, 900]);
    expect(schedule.counts.skipped).toBe(2);
  });

  it('does not count as skipped what passed without a connection, or while the device was offline', () => {
    const schedule = new Schedule([{ device: 'd', everyMs: 100, tags: [tag('d', 'a')] }], onePlan, 0);
    serve(schedule, 1000, () => 5);
    schedule.reset(1000);
    schedule.connected(45_000);
    serve(
      schedule,
      50_000,
      () => 5,
      () => 'answered',
      45_000,
    );
    expect(schedule.counts.skipped).toBe(0);
    const isSilent = (_: string, nowMs: number) => (nowMs < 120_000 ? 'silent' : 'answered');
    serve(schedule, 200_000, () => 5, isSilent, 50_000);
    expect(schedule.health('d').state).toBe('online');
    expect(schedule.counts.skipped).toBe(0);
  });

  it('reads tags of one device that fall due together in one scan', () => {
    const schedule = new Schedule(
      [
        { device: 'd', everyMs: 200, tags: [tag('d', 'fast')] },
        { device: 'd', everyMs: 1000, tags: [tag('d', 'slow-1'), tag('d', 'slow-2')] },
      ],
      onePlan,
      0,
    );
    const served = serve(schedule, 2000, () => 1);
    expect(served.filter(({ tags }) => tags === 3).map(({ startMs }) => startMs)).toEqual([0, 1000]);
    expect(served).toHaveLength(10);
  });

  it('asks by earliest deadline, so a short period is not held up by a long list', () => {
    const schedule = new Schedule(
      [
        ...Array.from({ length: 10 }, (_, i) => ({
          device: `slow-${i}`,
          everyMs: 10_000,
          tags: [tag(`slow-${i}`, 'a')],
        })),
        { device: 'fast', everyMs: 100, tags: [tag('fast', 'a')] },
      ],
      onePlan,
      0,
    );
    const fast = serve(schedule, 2000, () => 50).filter(({ device }) => device === 'fast');
    expect(fast.length).toBeGreaterThanOrEqual(19);
  });

  it('takes back-to-back devices in turn', () => {
    const devices = ['a', 'b', 'c'];
    const schedule = new Schedule(
      devices.map((device) => ({ device, everyMs: 0, tags: [tag(device, 'x')] })),
      onePlan,
      0,
    );
    const served = serve(schedule, 3000, () => 10);
    expect(served.slice(0, 6).map(({ device }) => device)).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
    expect(served).toHaveLength(300);
  });

  it('does not starve a device that was silent once on a line that is always busy', () => {
    const schedule = new Schedule(
      ['a', 'b'].map((device) => ({ device, everyMs: 0, tags: [tag(device, 'x')] })),
      onePlan,
      0,
    );
    const glitch = (device: string, nowMs: number): JobEnd => (device === 'b' && nowMs < 100 ? 'silent' : 'answered');
    const b = serve(schedule, 10_000, () => 10, glitch).filter(
      ({ device, startMs }) => device === 'b' && startMs > 1000,
    );
    expect(b.length).toBeGreaterThan(400);
  });
});

describe('silent devices', () => {
  const period = 1000;
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ device: `d${i}`, everyMs: period, tags: [tag(`d${i}`, 'a')] }));

  it('are offline only after scans and time', () => {
    const schedule = new Schedule([{ device: 'd', everyMs: 100, tags: [tag('d', 'a')] }], onePlan, 0);
    const states: string[] = [];
    for (let tick = 0; tick < 40 && schedule.health('d').state !== 'offline'; tick++) {
      const job = schedule.take(tick * 100)!;
      schedule.done(job, 'silent', tick * 100, tick * 100 + 10);
      states.push(schedule.health('d').state);
    }
    expect(states.length).toBeGreaterThan(OFFLINE_AFTER_SCANS);
    expect(states.length * 100).toBeGreaterThanOrEqual(OFFLINE_AFTER_MS);
    expect(states.slice(0, -1).every((state) => state === 'degraded')).toBe(true);
  });

  it('31 of 32 silent: the living one keeps its period, the dead cost at most 5 % of the line', () => {
    const schedule = new Schedule(many(32), onePlan, 0);
    const alive = (device: string): JobEnd => (device === 'd17' ? 'answered' : 'silent');
    const cost = (device: string) => (device === 'd17' ? 20 : 300);
    const settleMs = 60_000;
    serve(schedule, settleMs, cost, alive);
    const served = serve(schedule, settleMs + 600_000, cost, alive, settleMs);
    const living = served.filter(({ device }) => device === 'd17').map(({ startMs }) => startMs);
    expect(living).toHaveLength(600);
    const worst = Math.max(...living.slice(1).map((startMs, i) => startMs - living[i]!));
    expect(worst).toBeLessThanOrEqual(period + 300);
    const deadMs = served.filter(({ device }) => device !== 'd17').length * 300;
    expect(deadMs / 600_000).toBeLessThanOrEqual(0.05);
  });

  it('while the others are dying, the living one loses at most the round in which each was asked once', () => {
    const schedule = new Schedule(many(32), onePlan, 0);
    const dyingFromMs = 5000;
    const end = (device: string, nowMs: number): JobEnd =>
      device !== 'd17' && nowMs >= dyingFromMs ? 'silent' : 'answered';
    const cost = (device: string, nowMs: number) => (end(device, nowMs) === 'silent' ? 300 : 20);
    const living = serve(schedule, 60_000, cost, end)
      .filter(({ device }) => device === 'd17')
      .map(({ startMs }) => startMs);
    const found = living.findIndex((startMs) => startMs >= dyingFromMs);
    expect(living[found]! - dyingFromMs).toBeLessThanOrEqual(31 * 300 + 20);
    const after = living.slice(found);
    const worst = Math.max(...after.slice(1).map((startMs, i) => startMs - after[i]!));
    expect(worst).toBeLessThanOrEqual(period + 300);
  });

  it('all are back within 10 s of their return', () => {
    const schedule = new Schedule(many(32), onePlan, 0);
    const backAtMs = 120_000;
    const end = (device: string, nowMs: number): JobEnd =>
      device === 'd17' || nowMs >= backAtMs ? 'answered' : 'silent';
    const cost = (device: string, nowMs: number) => (end(device, nowMs) === 'silent' ? 300 : 20);
    const served = serve(schedule, backAtMs + 10_000, cost, end);
    const back = new Set(served.filter(({ startMs }) => startMs >= backAtMs).map(({ device }) => device));
    expect(back.size).toBe(32);
  });

  it('are probed again after the line itself was lost and found', () => {
    const schedule = new Schedule(many(2), onePlan, 0);
    serve(
      schedule,
      20_000,
      () => 300,
      () => 'silent',
    );
    expect(schedule.health('d0').state).toBe('offline');
    const probe = schedule.take(60_000);
    expect(probe?.probe).toBe(true);
    schedule.reset(60_000);
    expect(schedule.take(60_000)?.probe).toBe(true);
  });

  it('are not waited for while another is being probed: only the end of that probe brings the next', () => {
    const schedule = new Schedule(many(2), onePlan, 0);
    serve(
      schedule,
      20_000,
      () => 300,
      () => 'silent',
    );
    expect(schedule.take(60_000)?.probe).toBe(true);
    expect(schedule.take(60_000)).toBeUndefined();
    expect(schedule.nextDueMs()).toBe(Number.POSITIVE_INFINITY);
  });

  it('one of many that returns alone is found, though the others stay silent', () => {
    const schedule = new Schedule(many(8), onePlan, 0);
    const backAtMs = 60_000;
    const end = (device: string, nowMs: number): JobEnd =>
      device === 'd6' && nowMs >= backAtMs ? 'answered' : 'silent';
    const served = serve(schedule, backAtMs + 60_000, () => 300, end);
    const found = served.find(({ device, startMs }) => device === 'd6' && startMs >= backAtMs)!;
    expect(found.startMs - backAtMs, '8 turns of 300 ms at 5 % of the line').toBeLessThanOrEqual((8 * 300) / 0.05);
  });

  it('are probed with the cheapest tag, and with the next where that one cannot be asked for', () => {
    const tags = [tag('d', 'dear'), tag('d', 'cheap'), tag('d', 'middling')];
    const costs: Record<string, number> = { dear: 9, cheap: 1, middling: 5 };
    const schedule = new Schedule([{ device: 'd', everyMs: 100, tags }], onePlan, 0, ({ name }) => costs[name]!);
    serve(
      schedule,
      3000,
      () => 10,
      () => 'silent',
    );
    expect(schedule.health('d').state).toBe('offline');
    const first = schedule.take(60_000)!;
    expect(first.tags.map(({ name }) => name)).toEqual(['cheap']);
    schedule.done(first, 'not-asked', 60_000, 60_000);
    expect(schedule.take(60_000), 'no spinning').toBeUndefined();
    expect(schedule.take(61_000)!.tags.map(({ name }) => name)).toEqual(['middling']);
  });
});

describe('a silent device that is back', () => {
  it('is asked again within 8 s, though every fourth probe takes a whole second, at 5 % of the line', () => {
    const schedule = new Schedule(
      [
        { device: 'gone', everyMs: 1000, tags: [tag('gone', 'a')] },
        { device: 'there', everyMs: 1000, tags: [tag('there', 'a')] },
      ],
      onePlan,
      0,
    );
    let probes = 0;
    const cost = (device: string) => (device === 'there' ? 20 : ++probes % 4 === 0 ? 1000 : 100);
    const served = serve(schedule, 600_000, cost, (device) => (device === 'there' ? 'answered' : 'silent'));
    const asked = served.filter(({ device, startMs }) => device === 'gone' && startMs > 60_000);
    const gaps = asked.slice(1).map(({ startMs }, index) => startMs - asked[index]!.startMs);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(9100);
    expect(((asked.length / 4) * 1300) / 540_000).toBeLessThan(0.055);
  });
});

describe('a scan that the loss of the line cut short', () => {
  it('is made soon after the line is back, behind the others, whatever its period is', () => {
    const hourly = { device: 'hourly', everyMs: 3_600_000, tags: [tag('hourly', 'a')] };
    const fast = { device: 'fast', everyMs: 100, tags: [tag('fast', 'a')] };
    const schedule = new Schedule([hourly, fast], onePlan, 0);
    const cut = [schedule.take(0), schedule.take(0)].find((job) => job?.device === 'hourly');
    expect(cut).toBeDefined();
    schedule.reset(50);
    const served = serve(schedule, 3000, () => 5, undefined, 50);
    expect(served.find(({ device }) => device === 'hourly')?.startMs).toBeCloseTo(1050, 0);
    expect(served[0]!.device).toBe('fast');
  });
});

describe('what is not silence', () => {
  it('a request that was not made leaves the health as it was, and is not repeated at once', () => {
    const schedule = new Schedule([{ device: 'd', everyMs: 0, tags: [tag('d', 'a')] }], onePlan, 0);
    const served = serve(
      schedule,
      10_000,
      () => 0,
      () => 'not-asked',
    );
    expect(schedule.health('d').state).toBe('online');
    expect(served.length).toBeLessThanOrEqual(100);
  });
});

describe('a gateway without a path (exception 0A)', () => {
  const units = ['a', 'b', 'c'].map((device) => ({ device, everyMs: 100, tags: [tag(device, 'x')] }));

  it('rests for all units behind it, longer each time, and goes on when it has one again', () => {
    const schedule = new Schedule(units, onePlan, 0);
    const end = (_device: string, nowMs: number): JobEnd => (nowMs < 8000 ? 'path' : 'answered');
    const served = serve(schedule, 15_000, () => 10, end);
    const starts = served.filter(({ startMs }) => startMs < 8000).map(({ startMs }) => startMs);
    const rests = starts.slice(1).map((startMs, index) => startMs - starts[index]! - 10);
    expect(rests.map((restMs) => Math.round(restMs))).toEqual([500, 1000, 2000, 4000]);
    const after = served.filter(({ startMs }) => startMs >= 9000);
    expect(new Set(after.map(({ device }) => device)).size).toBe(3);
    expect(schedule.pathFailures).toBe(0);
  });

  it('an exception 0B rests that unit only', () => {
    const schedule = new Schedule(units, onePlan, 0);
    const served = serve(
      schedule,
      20_000,
      () => 10,
      (device) => (device === 'b' ? 'silent' : 'answered'),
    );
    expect(served.filter(({ device }) => device === 'a')).toHaveLength(200);
    expect(schedule.health('b').state).toBe('offline');
  });
});
