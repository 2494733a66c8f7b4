import { describe, expect, it } from 'vitest';
import { alarmStatus } from '../../../src/rules/alarm/describe.ts';
import { alarm, Bench, EPOCH_MS } from './harness.ts';

const HOUR_MS = 3_600_000;
const above = { kind: 'above', limit: 80 } as const;
const running = 'press-1/running';

describe('an alarm', () => {
  it('tells every transition as one event with value, limit and message', () => {
    const bench = new Bench(alarm({ message: 'Oil at {value} {unit}, limit {limit}' })).read(0, 75).read(1, 81.5);
    expect(bench.seen).toEqual([
      {
        t: 1,
        event: {
          kind: 'alarm',
          id: 'oil-hot',
          occurrence: 1,
          change: 'raised',
          state: 'unacked',
          was: 'normal',
          priority: 'high',
          tag: 'press-1/oil-temp',
          value: 81.5,
          limit: 80,
          message: 'Oil at 81.5 °C, limit 80',
          since: EPOCH_MS + 1000,
        },
      },
    ]);
  });

  it('says in its own message what is, so that it is true of every change', () => {
    const bench = new Bench(alarm()).read(0, 81).read(1, 70);
    expect(bench.seen.map(({ event }) => event.message)).toEqual([
      'press-1/oil-temp at 81 °C (alarm above 80 °C)',
      'press-1/oil-temp at 70 °C (alarm above 80 °C)',
    ]);
  });

  it('names values by their labels, and with their decimals, while the event keeps the number', () => {
    const condition = { kind: 'equals', value: 2 } as const;
    const labels = { 1: 'running', 2: 'jammed' };
    const [seen] = new Bench(alarm({ condition, unit: undefined, deadband: 0, shown: { labels } })).read(0, 2).seen;
    expect(seen?.event).toMatchObject({ value: 2, message: 'press-1/oil-temp at jammed (alarm at jammed)' });
    const [hot] = new Bench(alarm({ shown: { decimals: 1 } })).read(0, 81).seen;
    expect(hot?.event).toMatchObject({ value: 81, message: 'press-1/oil-temp at 81.0 °C (alarm above 80 °C)' });
  });

  it('needs no acknowledgement where none is asked for', () => {
    expect(new Bench(alarm({ ack: false })).read(0, 81).read(1, 70).story).toEqual([
      '0 raised unacked',
      '1 cleared normal',
    ]);
  });

  it('evaluates an uncertain reading like a good one, and says so', () => {
    const [seen] = new Bench(alarm()).doubtful(0, 200, 'out-of-range').seen;
    expect(seen?.event).toMatchObject({ change: 'raised', value: 200, quality: 'uncertain', why: 'out-of-range' });
  });

  it('is frozen by a bad reading, which is no return to normal', () => {
    expect(new Bench(alarm()).read(0, 81).bad(1).until(100).story).toEqual(['0 raised unacked']);
  });

  it('begins its on-delay anew after a bad reading', () => {
    const bench = new Bench(alarm({ onDelayMs: 5000 })).read(0, 81).bad(3).read(4, 81).until(100);
    expect(bench.story).toEqual(['9 raised unacked']);
  });

  it('begins its off-delay anew after a bad reading', () => {
    const bench = new Bench(alarm({ offDelayMs: 5000 }))
      .read(0, 81)
      .read(1, 70)
      .bad(3)
      .until(50)
      .read(60, 70)
      .until(99);
    expect(bench.story).toEqual(['0 raised unacked', '65 returned returned-unacked']);
  });

  it('does not evaluate a reading that is older than the last one, or repeats it', () => {
    const bench = new Bench(alarm()).read(10, 75).late(11, 9, 90).late(12, 10, 90);
    expect(bench.story).toEqual([]);
  });

  it('commits nothing while nothing changes', () => {
    const bench = new Bench(alarm());
    for (let second = 0; second < 100; second++) bench.read(second, 60 + (second % 7));
    expect(bench.commits).toBe(0);
  });
});

describe('operators', () => {
  it('acknowledge the occurrence they saw, and no newer one', () => {
    const bench = new Bench(alarm()).read(0, 81).read(1, 70).read(2, 81);
    expect(bench.order(3, { do: 'ack', occurrence: 1 })).toBe(
      'oil-hot is at occurrence 2, not 1: look at it again, then acknowledge it',
    );
    expect(bench.state.kept.state).toBe('unacked');
    expect(bench.order(4, { do: 'ack', occurrence: 2 }, 'fan was off')).toBeUndefined();
    expect(bench.seen.at(-1)?.event).toMatchObject({ change: 'acked', by: 'anna', comment: 'fan was off' });
  });

  it('are refused an acknowledgement of what needs none, without an event', () => {
    const bench = new Bench(alarm()).read(0, 70);
    expect(bench.order(1, { do: 'ack', occurrence: 0 })).toBe('oil-hot is normal: there is nothing to acknowledge');
    expect(bench.seen).toEqual([]);
  });

  it('shelve for a time that is bounded, and may order a new one', () => {
    const bench = new Bench(alarm()).read(0, 81);
    expect(bench.order(1, { do: 'shelve', forMs: 9 * HOUR_MS })).toMatch(/at most 480 minutes/);
    expect(bench.order(1, { do: 'shelve', forMs: 0 })).toMatch(/more than 0/);
    expect(bench.order(2, { do: 'shelve', forMs: 10_000 })).toBeUndefined();
    expect(bench.order(8, { do: 'shelve', forMs: 10_000 })).toBeUndefined();
    expect(bench.until(100).story.slice(1)).toEqual(['2 shelved shelved', '8 shelved shelved', '18 unshelved unacked']);
    expect(bench.seen[2]?.event.until).toBe(EPOCH_MS + 18_000);
  });

  it('unshelve before the time; what is true then is annunciated as a new occurrence', () => {
    const bench = new Bench(alarm()).read(0, 81);
    bench.order(1, { do: 'shelve', forMs: 60_000 });
    expect(bench.order(2, { do: 'unshelve' })).toBeUndefined();
    expect(bench.until(100).story).toEqual(['0 raised unacked', '1 shelved shelved', '2 unshelved unacked']);
    expect(bench.seen.at(-1)?.event.occurrence).toBe(2);
  });

  it('take an alarm out of service until they put it back', () => {
    const bench = new Bench(alarm()).read(0, 81);
    bench.order(1, { do: 'out-of-service' });
    expect(bench.order(2, { do: 'shelve', forMs: 1000 })).toMatch(/out-of-service, and so silent already/);
    bench.read(3, 70).read(4, 90).order(5, { do: 'in-service' });
    expect(bench.story.slice(1)).toEqual(['1 out-of-service out-of-service', '5 in-service unacked']);
  });

  it('reset an unacknowledged latched alarm only where no acknowledgement is asked for', () => {
    const strict = new Bench(alarm({ latch: true })).read(0, 81).read(1, 70);
    expect(strict.order(2, { do: 'reset' })).toBe('oil-hot is not acknowledged: acknowledge it first, then reset it');
    const free = new Bench(alarm({ latch: true, ack: false })).read(0, 81).read(1, 70);
    expect(free.order(2, { do: 'reset' })).toBeUndefined();
    expect(free.story).toEqual(['0 raised unacked', '1 returned latched-unacked', '2 reset normal']);
  });
});

describe('a gate', () => {
  const gate = { tag: running, equals: undefined };
  const gated = alarm({ while: gate });
  const lamp = { tag: 'door/lamp', to: true, back: false };

  it('lets nothing new be raised while it is closed, and annunciates what is true when it opens', () => {
    const bench = new Bench(gated).read(0, false, running).read(1, 81).read(2, true, running);
    expect(bench.story).toEqual(['2 raised unacked']);
    expect(bench.state.kept.occurrence).toBe(1);
  });

  it('makes no event of its edges while the alarm is normal', () => {
    const bench = new Bench(gated).read(0, 70);
    for (let second = 1; second < 1000; second++) bench.read(second, second % 2 === 0, running);
    expect(bench.story).toEqual([]);
  });

  it('leaves a latched and unacknowledged trip alarm standing, with its output, until it is dealt with', () => {
    const bench = new Bench(alarm({ latch: true, while: gate, set: lamp })).read(0, true, running).read(1, 81);
    bench.read(2, false, running).read(3, 70).read(4, true, running).read(5, false, running);
    expect(bench.story).toEqual(['1 raised unacked', '3 returned latched-unacked']);
    expect(bench.sets.map(({ to }) => to)).toEqual([false, true]);
    bench.ack(6);
    expect(bench.order(7, { do: 'reset' })).toBeUndefined();
    expect(bench.story.slice(2)).toEqual(['6 acked latched-acked', '7 reset normal']);
    expect(bench.sets.at(-1)).toMatchObject({ t: 7, to: false });
  });

  it('leaves a latching alarm standing that is acknowledged and still active', () => {
    const bench = new Bench(alarm({ latch: true, while: gate, set: lamp })).read(0, true, running).read(1, 81);
    bench.ack(2);
    bench.read(3, false, running).read(4, 70);
    expect(bench.story.slice(1)).toEqual(['2 acked acked', '4 returned latched-acked']);
    expect(bench.sets.map(({ to }) => to)).toEqual([false, true]);
  });

  it('suppresses an occurrence that nobody has to deal with any more', () => {
    const before = new Bench(gated).read(0, true, running).read(1, 81);
    before.ack(2);
    expect(before.read(3, false, running).read(4, true, running).story.slice(2)).toEqual([
      '3 suppressed suppressed',
      '4 unsuppressed unacked',
    ]);
    const after = new Bench(gated).read(0, true, running).read(1, 81).read(2, false, running);
    after.ack(3);
    expect(after.read(4, 70).read(5, true, running).story.slice(1)).toEqual([
      '3 acked acked',
      '3 suppressed suppressed',
      '5 unsuppressed normal',
    ]);
  });

  it('begins the on-delay when it opens, so that a machine has time to start', () => {
    const bench = new Bench(alarm({ onDelayMs: 5000, while: gate })).read(0, false, running).read(1, 81);
    bench.read(20, true, running).read(23, 70).read(30, 81).until(34);
    expect(bench.story).toEqual([]);
    expect(bench.until(40).story).toEqual(['35 raised unacked']);
  });

  it('is open until it is known, and stays as it was while it reads bad', () => {
    const bench = new Bench(gated).bad(0, 'timeout', running).read(1, 81).read(2, 70);
    bench.ack(3);
    bench.read(4, false, running).bad(5, 'timeout', running).read(6, 81);
    expect(bench.story).toEqual(['1 raised unacked', '2 returned returned-unacked', '3 acked normal']);
  });

  it('may ask for a value of its tag', () => {
    const bench = new Bench(alarm({ while: { tag: 'press-1/mode', equals: 3 } })).read(0, 2, 'press-1/mode');
    bench.read(1, 81).read(2, 3n, 'press-1/mode');
    expect(bench.story).toEqual(['2 raised unacked']);
  });

  it('is shown in the list: a normal alarm behind it is suppressed', () => {
    const bench = new Bench(gated).read(0, false, running);
    expect(alarmStatus(bench.config, bench.state).state).toBe('suppressed');
    expect(alarmStatus(bench.config, bench.read(1, true, running).state).state).toBe('normal');
  });
});

describe('silence', () => {
  const latching = alarm({ latch: true });
  const orders = [
    ['shelve', { do: 'shelve', forMs: 60_000 }, { do: 'unshelve' }],
    ['out of service', { do: 'out-of-service' }, { do: 'in-service' }],
  ] as const;
  for (const [name, away, back] of orders) {
    it(`${name} and back: what had to be acknowledged or reset still has to be`, () => {
      const left = (bench: Bench) => {
        const t = bench.seen.at(-1)!.t + 1;
        expect([bench.order(t, away), bench.order(t + 2, back)]).toEqual([undefined, undefined]);
        return bench.seen.at(-1)!.event.state;
      };
      expect(left(new Bench(alarm()).read(0, 81).read(1, 70))).toBe('returned-unacked');
      expect(left(new Bench(latching).read(0, 81).read(1, 70))).toBe('latched-unacked');
      const acked = new Bench(latching).read(0, 81).read(1, 70);
      acked.ack(2);
      expect(left(acked)).toBe('latched-acked');
    });

    it(`${name}, return of the condition, and back: as if it had returned before everybody's eyes`, () => {
      const left = (bench: Bench) => {
        bench.order(5, away);
        bench.read(6, 70).restart().order(1, back);
        return bench.seen.at(-1)!.event;
      };
      expect(left(new Bench(alarm()).read(0, 81))).toMatchObject({ state: 'returned-unacked', occurrence: 1 });
      expect(left(new Bench(latching).read(0, 81))).toMatchObject({ state: 'latched-unacked', occurrence: 1 });
      expect(left(new Bench(alarm({ ack: false })).read(0, 81)).state).toBe('normal');
      const acked = new Bench(latching).read(0, 81);
      acked.ack(1);
      expect(left(acked).state).toBe('latched-acked');
    });
  }

  it('shelved, then out of service, then back: what was owed before the first is owed still', () => {
    const bench = new Bench(latching).read(0, 81).read(1, 70);
    bench.order(2, { do: 'shelve', forMs: 60_000 });
    bench.order(3, { do: 'shelve', forMs: 60_000 });
    bench.order(4, { do: 'out-of-service' });
    bench.order(5, { do: 'in-service' });
    expect(bench.seen.at(-1)!.event).toMatchObject({ state: 'latched-unacked', occurrence: 1 });
  });

  it('behind a closed gate annunciates nothing when it ends, and forgets nothing', () => {
    const bench = new Bench(alarm({ while: { tag: running, equals: undefined } })).read(0, 81);
    bench.order(1, { do: 'shelve', forMs: 10_000 });
    bench.read(2, false, running).until(20);
    expect(bench.story.slice(2)).toEqual(['11 unshelved returned-unacked']);
    expect(bench.read(21, true, running).story.slice(3)).toEqual(['21 raised unacked']);
  });
});

describe('an output', () => {
  const lamp = alarm({ latch: true, set: { tag: 'door/lamp', to: true, back: false } });

  it('is on while the alarm is active or latched, and goes back when it is reset', () => {
    const bench = new Bench(lamp).read(0, 70).read(1, 81).read(2, 70);
    bench.ack(3);
    bench.order(4, { do: 'reset' });
    expect(bench.sets.map(({ t, to }) => `${t} ${to}`)).toEqual(['0 false', '1 true', '4 false']);
  });

  it('is told again after a restart, as nobody knows what became of it', () => {
    const bench = new Bench(lamp).read(0, 81).restart().until(1);
    expect(bench.sets.map(({ to }) => to)).toEqual([false, true, true]);
  });
});

describe('a restart', () => {
  it('brings back every state without an event and without a new occurrence', () => {
    const bench = new Bench(alarm()).read(0, 81).restart(60).until(1).read(2, 82).read(3, 83);
    expect(bench.story).toEqual(['0 raised unacked']);
    expect(bench.state.kept).toMatchObject({ state: 'unacked', occurrence: 1 });
  });

  it('begins a delay that ran from zero', () => {
    const bench = new Bench(alarm({ onDelayMs: 5000 })).read(0, 81).until(4).restart(60).until(4.9);
    expect(bench.story).toEqual([]);
    expect(bench.until(5).story).toEqual(['5 raised unacked']);
  });

  it('ends shelving when its wall time is over, also when that was while the power was off', () => {
    const shelved = () => {
      const bench = new Bench(alarm()).read(0, 81);
      bench.order(0, { do: 'shelve', forMs: 100_000 });
      return bench.until(10);
    };
    expect(shelved().restart(30).until(200).story.at(-1)).toBe('60 unshelved unacked');
    expect(shelved().restart(500).until(1).story.at(-1)).toMatch(/unshelved unacked/);
  });

  it('shelves no longer than was ordered, though the wall clock fell back by years', () => {
    const bench = new Bench(alarm()).read(0, 81);
    bench.order(0, { do: 'shelve', forMs: 100_000 });
    expect(
      bench
        .restart(-50 * 365 * 86_400)
        .until(1000)
        .story.at(-1),
    ).toBe('100 unshelved unacked');
  });

  it('opens a gate that is no longer configured', () => {
    const gated = alarm({ while: { tag: running, equals: undefined } });
    const bench = new Bench(gated).read(0, false, running).restart(0, alarm()).until(1);
    expect(bench.read(2, 81).story).toEqual(['2 raised unacked']);
  });

  it('starts afresh from a state that cannot be read', () => {
    const bench = new Bench(alarm({ condition: above })).read(0, 81);
    bench.state = { ...bench.state, kept: { ...bench.state.kept, occurrence: -1 } };
    expect(bench.restart().state.kept).toMatchObject({ state: 'normal', occurrence: 0 });
  });
});

describe('what is said of an alarm', () => {
  it('stays what it was raised for when the value is back, and when the tag cannot be read', () => {
    const bench = new Bench(alarm()).read(0, 50).read(1, 85);
    const said = () => alarmStatus(bench.config, bench.state);
    expect(said()).toMatchObject({ value: 85, sinceMs: EPOCH_MS + 1000 });
    const { message } = said();
    bench.read(2, 44);
    expect(said()).toMatchObject({ state: 'returned-unacked', message, value: 44, sinceMs: EPOCH_MS + 1000 });
    bench.read(3, 90).bad(4);
    expect(said()).toMatchObject({ state: 'unacked', message: expect.stringContaining('90'), value: undefined });
  });
});
