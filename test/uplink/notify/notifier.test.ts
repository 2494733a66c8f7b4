import { describe, expect, it } from 'vitest';
import type { NotifyConfig } from '../../../src/config/config.ts';
import { createAlarms, type EventBody, type GatewayEvent, type Priority } from '../../../src/core/event.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import type { NoticeText } from '../../../src/uplink/notify/notice-text.ts';
import { Notifier } from '../../../src/uplink/notify/notifier.ts';

const MINUTE = 60_000;

/** Alarms of the flood. */
const COUNT = 10_000;

const CONFIG: NotifyConfig = {
  ...{ name: 'shift', target: { kind: 'webhook', url: 'http://x/', token: undefined, tls: undefined } },
  ...{ priority: 'high', alarms: undefined, cleared: false, digestMs: 30_000 },
  ...{ repeatMs: undefined, quiet: undefined, perHour: 12, systemMs: 5 * MINUTE },
};

/** A journal, kept over restarts of the notifier. */
interface Disk {
  readonly events: GatewayEvent[];
  state: string | undefined;
}

/** A gateway with one notifier, and somebody who is told. */
async function plant(
  change: Partial<NotifyConfig> = {},
  disk: Disk = { events: [], state: undefined },
  clock = new SimulatedClock(),
) {
  const told: { text: NoticeText; atMs: number }[] = [];
  const audits: EventBody[] = [];
  const world = { isDown: false, takesMs: 0 };
  const notifier = new Notifier({
    ...{ config: { ...CONFIG, ...change }, clock, log: silentLogger, random: () => 1 },
    ...{ teller: { gateway: 'press-shop-1', location: undefined, timezone: 'Europe/London' } },
    async send(text) {
      if (world.takesMs > 0) await clock.sleep(world.takesMs);
      if (world.isDown) throw new Error('mail:587 does not answer');
      told.push({ text, atMs: clock.wallMs() });
      return undefined;
    },
    store: {
      status: async () => ({ next: { events: disk.events.length + 1, readings: 1 } }) as never,
      peekEvents: async (from, limit) => {
        const events = disk.events.slice(from - 1, from - 1 + limit);
        return { from, events, next: from + events.length };
      },
    },
    alarms: createAlarms((body) => audits.push(body)),
    event: (body) => audits.push(body),
    stored: disk.state,
    save: (json) => {
      disk.state = json;
    },
  });
  const stop = new AbortController();
  const ended = notifier.run(stop.signal);
  await clock.advance(1);
  const commit = (bodies: readonly EventBody[]): void => {
    const from = disk.events.length + 1;
    const at = { wallMs: clock.wallMs(), monoMs: clock.monoMs(), clockKnown: true };
    const events = bodies.map((body) => ({ ...at, body }));
    disk.events.push(...events);
    notifier.committed({ readings: { from: 1, to: 1 }, events: { from, to: from + events.length } }, { events });
  };
  const change_ = (
    id: string,
    what: 'raised' | 'acked' | 'cleared' | 'returned',
    priority: Priority = 'high',
    occurrence = 1,
  ) => {
    const state = { raised: 'unacked', acked: 'acked', cleared: 'normal', returned: 'returned-unacked' } as const;
    const body = {
      kind: 'alarm',
      id,
      occurrence,
      change: what,
      state: state[what],
      priority,
      message: `${id} is hot`,
    } as const;
    commit([body]);
  };
  const end = async () => {
    stop.abort();
    await ended;
  };
  return { clock, told, audits, world, notifier, commit, alarm: change_, end, disk };
}

const bodies = (told: { text: NoticeText }[]) => told.map(({ text }) => text.body);

describe('a notifier', () => {
  it('gathers what comes within the digest into one message, the most urgent first', async () => {
    const { alarm, clock, told } = await plant();
    alarm('oil', 'raised');
    await clock.advance(10_000);
    alarm('fire', 'raised', 'critical');
    alarm('draught', 'raised', 'low');
    await clock.advance(25_000);
    expect(told.length).toBe(1);
    expect(told[0]!.text.subject).toBe('[press-shop-1] 2 alarms: critical: fire is hot');
    expect(told[0]!.text.body).toMatch(/critical {2}fire: .*\nhigh {6}oil: /);
    await clock.advance(10 * MINUTE);
    expect(told.length).toBe(1);
  });

  it('tells of ten thousand alarms in a bounded number of messages, and counts every one', async () => {
    const { alarm, clock, told, notifier } = await plant({ perHour: 6 });
    for (let number = 0; number < COUNT; number++) {
      alarm(`a${number}`, 'raised', number % 1000 === 0 ? 'critical' : 'high');
      if (number % 50 === 0) await clock.advance(5000);
    }
    await clock.advance(120 * MINUTE);
    expect(told.length).toBeLessThanOrEqual(13);
    const counts = told.map(({ text }) => (JSON.parse(text.json) as { count: number }).count);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(COUNT);
    expect(Math.max(...told.map(({ text }) => text.body.length))).toBeLessThan(5000);
    expect(bodies(told).join('')).toContain('a0: ');
    expect(notifier.status()).toMatchObject({ waiting: 0, reason: undefined });
  });

  it('keeps what could not be told over an outage and a restart', async () => {
    const first = await plant();
    first.world.isDown = true;
    first.alarm('oil', 'raised');
    await first.clock.advance(20 * MINUTE);
    expect(first.notifier.status()).toMatchObject({ waiting: 1, reason: 'mail:587 does not answer' });
    expect(first.audits).toMatchObject([{ what: 'system-alarm', id: 'notify/shift', change: 'raised' }]);
    await first.end();
    const second = await plant({}, first.disk, first.clock);
    await second.clock.advance(MINUTE);
    expect(bodies(second.told)[0]).toContain('oil is hot');
  });

  it('reads in the journal what was committed and not noted before a power cut', async () => {
    const { disk, clock, alarm } = await plant();
    const before = disk.state;
    alarm('oil', 'raised');
    const second = await plant({}, { events: disk.events, state: before }, clock);
    await second.clock.advance(MINUTE);
    expect(bodies(second.told)[0]).toContain('oil is hot');
  });

  it('that is new tells nothing of the past', async () => {
    const { disk, alarm, clock } = await plant();
    alarm('oil', 'raised');
    const other = await plant({ name: 'new' }, { events: disk.events, state: undefined }, clock);
    await other.clock.advance(5 * MINUTE);
    expect(other.told).toEqual([]);
  });

  it('that the file has again after a week tells nothing of that week', async () => {
    const { disk, alarm, clock, end } = await plant();
    await end();
    alarm('oil', 'raised');
    await clock.advance(7 * 24 * 60 * MINUTE);
    alarm('water', 'raised');
    const again = await plant({}, disk, clock);
    await clock.advance(5 * MINUTE);
    expect(bodies(again.told)).toEqual([expect.stringContaining('water is hot')]);
    expect(bodies(again.told)[0]).not.toContain('oil');
  });

  it('gives up after a day, and says so in the journal', async () => {
    const { alarm, clock, world, audits, notifier } = await plant();
    world.isDown = true;
    alarm('oil', 'raised');
    await clock.advance(25 * 60 * MINUTE);
    expect(audits).toContainEqual(expect.objectContaining({ what: 'notify-given-up', notifier: 'shift', count: 1 }));
    expect(notifier.status().waiting).toBe(0);
  });

  it('tells again what nobody acknowledged, and stops when somebody does', async () => {
    const { alarm, clock, told } = await plant({ repeatMs: 30 * MINUTE });
    alarm('oil', 'raised');
    await clock.advance(32 * MINUTE);
    expect(bodies(told)).toMatchObject([expect.anything(), expect.stringContaining('still not acknowledged')]);
    alarm('oil', 'acked');
    await clock.advance(120 * MINUTE);
    expect(told.length).toBe(2);
  });

  it('does not call an alarm unacknowledged that was acknowledged before it was told', async () => {
    const { alarm, clock, told } = await plant({ repeatMs: 30 * MINUTE });
    alarm('oil', 'raised');
    await clock.advance(10_000);
    alarm('oil', 'acked');
    await clock.advance(120 * MINUTE);
    expect(told.length).toBe(1);
  });

  it('knows what became of an alarm while its message was under way', async () => {
    const { alarm, clock, told, world } = await plant({ repeatMs: 30 * MINUTE, cleared: true });
    world.takesMs = 20_000;
    alarm('oil', 'raised');
    alarm('water', 'raised');
    await clock.advance(40_000);
    alarm('oil', 'acked');
    alarm('water', 'cleared');
    await clock.advance(5 * MINUTE);
    expect(bodies(told)).toMatchObject([
      expect.stringContaining('oil is hot'),
      expect.stringContaining('water is hot (over)'),
    ]);
    await clock.advance(120 * MINUTE);
    expect(told.length).toBe(2);
  });

  it('drops a repetition that waits for the end of quiet hours when somebody acknowledges meanwhile', async () => {
    const clock = new SimulatedClock();
    const midnight = Math.ceil(clock.wallMs() / 86_400_000) * 86_400_000;
    await clock.advance(midnight - clock.wallMs() - 130 * MINUTE);
    const quiet = { fromMin: 22 * 60, toMin: 6 * 60, except: undefined };
    const { alarm, told } = await plant({ quiet, repeatMs: 30 * MINUTE, cleared: true }, undefined, clock);
    alarm('oil', 'raised');
    await clock.advance(60 * MINUTE);
    alarm('oil', 'acked');
    await clock.advance(12 * 60 * MINUTE);
    expect(told.length).toBe(1);
    alarm('oil', 'cleared');
    await clock.advance(MINUTE);
    expect(bodies(told)[1]).toContain('oil is hot (over)');
  });

  it('goes on asking for what is gone and was not acknowledged', async () => {
    const { alarm, clock, told } = await plant({ repeatMs: 30 * MINUTE });
    alarm('oil', 'raised');
    alarm('oil', 'returned');
    await clock.advance(32 * MINUTE);
    expect(told.length).toBe(2);
    alarm('oil', 'acked');
    await clock.advance(120 * MINUTE);
    expect(told.length).toBe(2);
  });

  it('tells when an alarm is over, where that is wanted', async () => {
    const { alarm, clock, told } = await plant({ cleared: true });
    alarm('oil', 'raised');
    await clock.advance(MINUTE);
    alarm('oil', 'cleared');
    await clock.advance(MINUTE);
    expect(bodies(told)[1]).toContain('oil is hot (over)');
  });

  it('is quiet from 22:00 to 06:00 of the plant, but for what is critical', async () => {
    const clock = new SimulatedClock();
    const { alarm, told } = await plant(
      { quiet: { fromMin: 22 * 60, toMin: 6 * 60, except: 'critical' } },
      undefined,
      clock,
    );
    const midnight = Math.ceil(clock.wallMs() / 86_400_000) * 86_400_000;
    await clock.advance(midnight - clock.wallMs() - 60 * MINUTE);
    alarm('oil', 'raised');
    alarm('fire', 'raised', 'critical');
    await clock.advance(30 * MINUTE);
    expect(bodies(told).map((body) => [body.includes('oil is'), body.includes('fire is')])).toEqual([[false, true]]);
    await clock.advance(8 * 60 * MINUTE);
    expect(bodies(told).map((body) => body.includes('oil is'))).toEqual([false, true]);
  });

  it('tells of the alarms that are meant and of no others', async () => {
    const { alarm, clock, told } = await plant({ alarms: ['oil-*'] });
    alarm('oil-hot', 'raised');
    alarm('water-hot', 'raised');
    await clock.advance(MINUTE);
    expect(bodies(told)[0]).not.toContain('water');
  });
});

describe('trouble of the gateway itself', () => {
  const system = (id: string, change: 'raised' | 'cleared'): EventBody => ({
    ...({ kind: 'lifecycle', what: 'system-alarm' } as const),
    ...{ id, change, message: `${id} ${change}` },
  });
  const AWAY = 'uplink/plant/not-connected';

  it('is told once it has lasted, and a link that flaps is never', async () => {
    const { commit, clock, told } = await plant();
    for (let minute = 0; minute < 60; minute++) {
      commit([system(AWAY, minute % 2 === 0 ? 'raised' : 'cleared')]);
      await clock.advance(MINUTE);
    }
    expect(told).toHaveLength(0);
    commit([system(AWAY, 'raised')]);
    await clock.advance(4 * MINUTE);
    expect(told).toHaveLength(0);
    await clock.advance(2 * MINUTE);
    expect(bodies(told)).toEqual([expect.stringMatching(`high      system:${AWAY}: ${AWAY} raised`)]);
    await clock.advance(600 * MINUTE);
    expect(told).toHaveLength(1);
  });

  it('includes channels and lost data, which is told once within hours', async () => {
    const { commit, clock, told } = await plant({ cleared: true });
    const channel = (what: string): EventBody => ({ kind: 'quality', what, channel: 'plc', message: `plc: ${what}` });
    const gap: EventBody = {
      kind: 'gap',
      stream: 'readings',
      from: 1,
      to: 50,
      count: 50,
      cause: 'evicted',
      uplink: 'plant',
    };
    commit([channel('not-connected')]);
    await clock.advance(6 * MINUTE);
    for (let count = 0; count < 500; count++) commit([gap]);
    await clock.advance(MINUTE);
    for (let count = 0; count < 500; count++) commit([gap]);
    commit([channel('connected')]);
    await clock.advance(2 * MINUTE);
    expect(bodies(told).map((body) => body.match(/system:\S+/g))).toEqual([
      ['system:line/plc/not-connected:'],
      ['system:gap/plant:'],
      ['system:line/plc/not-connected:'],
    ]);
    expect(bodies(told)[1]).toContain('50 records for plant are lost: evicted');
    expect(bodies(told)[2]).toContain('(over)');
  });

  it.each<[string, Partial<NotifyConfig>, string]>([
    ['where the file says no', { systemMs: undefined }, AWAY],
    ['where only other alarms are named', { alarms: ['oil-*'] }, AWAY],
    ['where only critical ones are', { priority: 'critical' }, AWAY],
    ['by a notifier whose own trouble it is', {}, 'notify/shift'],
  ])('is not told %s', async (_what, change, id) => {
    const { commit, clock, told } = await plant(change);
    commit([system(id, 'raised')]);
    await clock.advance(20 * MINUTE);
    expect(told).toHaveLength(0);
  });

  it('starts anew with the gateway', async () => {
    const { commit, clock, told } = await plant();
    commit([system(AWAY, 'raised')]);
    await clock.advance(MINUTE);
    commit([{ kind: 'lifecycle', what: 'started', message: 'started' }]);
    await clock.advance(20 * MINUTE);
    expect(told).toHaveLength(0);
  });
});
