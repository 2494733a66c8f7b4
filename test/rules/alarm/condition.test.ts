import { describe, expect, it } from 'vitest';
import { alarm, Bench } from './harness.ts';

describe('limits', () => {
  it('below is above, mirrored', () => {
    const bench = new Bench(alarm({ condition: { kind: 'below', limit: 5 }, deadband: 1 }));
    bench.read(0, 5).read(1, 4.9).read(2, 6).read(3, 6.001);
    expect(bench.story).toEqual(['1 raised unacked', '3 returned returned-unacked']);
  });

  it('without a deadband an active alarm goes on its limit', () => {
    expect(new Bench(alarm({ deadband: 0 })).read(0, 80.1).read(1, 80).story.at(-1)).toBe(
      '1 returned returned-unacked',
    );
  });

  it('outside goes only when the value is inside by the deadband', () => {
    const bench = new Bench(alarm({ condition: { kind: 'outside', low: 10, high: 20 }, deadband: 2 }));
    bench.read(0, 10).read(1, 9).read(2, 12).read(3, 18).read(4, 17.9).read(5, 20.1);
    expect(bench.story).toEqual(['1 raised unacked', '4 returned returned-unacked', '5 raised unacked']);
  });

  it('are not moved by the rounding of doubles: 0.7 and a deadband of 0.1 end at 0.8', () => {
    const bench = new Bench(alarm({ condition: { kind: 'below', limit: 0.7 }, deadband: 0.1 }))
      .read(0, 0.6)
      .read(1, 0.8);
    expect(bench.story).toEqual(['0 raised unacked']);
  });

  it('compare 64-bit integers exactly', () => {
    const limit = 2 ** 53;
    const bench = new Bench(alarm({ condition: { kind: 'above', limit }, deadband: 0 }));
    bench.read(0, BigInt(limit)).read(1, BigInt(limit) + 1n);
    expect(bench.story).toEqual(['1 raised unacked']);
  });

  it('equals holds at exactly the value, of any kind', () => {
    for (const [value, other] of [
      [true, false],
      ['E17', 'E1'],
      [7, 7.5],
    ] as const) {
      const bench = new Bench(alarm({ condition: { kind: 'equals', value }, deadband: 0 }));
      expect(bench.read(0, other).read(1, value).read(2, other).story).toEqual([
        '1 raised unacked',
        '2 returned returned-unacked',
      ]);
    }
  });
});

describe('rateAbove', () => {
  const rate = (over = {}) =>
    new Bench(alarm({ condition: { kind: 'rateAbove', limit: 5, perMs: 60_000 }, deadband: 1, ...over }));

  it('holds when the value moved by more than the limit within the period, up or down', () => {
    for (const slope of [0.1, -0.1]) {
      const bench = rate();
      for (let second = 0; second <= 120; second++) bench.read(second, 50 + slope * second);
      expect(bench.story).toEqual(['51 raised unacked']);
    }
  });

  it('never extrapolates: noise between neighbours is no rate', () => {
    const bench = rate();
    for (let second = 0; second <= 300; second++) bench.read(second, 50 + (second % 2) * 4.9);
    expect(bench.story).toEqual([]);
  });

  it('measures slow readings too, scaled down to the period', () => {
    const bench = rate().read(0, 50).read(120, 59).read(240, 71);
    expect(bench.story).toEqual(['240 raised unacked']);
  });

  it('goes when the value moves slower than the limit less the deadband, and not sooner', () => {
    const bench = rate();
    for (let second = 0; second <= 60; second++) bench.read(second, 50 + 0.1 * second);
    for (let second = 61; second <= 120; second++) bench.read(second, 56 + 0.075 * (second - 60));
    expect(bench.state.kept.state).toBe('unacked');
    for (let second = 121; second <= 200; second++) bench.read(second, 60.5);
    expect(bench.story.at(-1)).toMatch(/returned/);
  });

  it('stays active after a restart until a whole period was seen', () => {
    const bench = rate();
    for (let second = 0; second <= 60; second++) bench.read(second, 50 + second);
    bench.restart();
    for (let second = 1; second <= 60; second++) bench.read(second, 120);
    expect(bench.story).toHaveLength(1);
    expect(bench.read(62, 120).story.at(-1)).toBe('62 returned returned-unacked');
  });

  it('remembers a bounded number of samples, however fast they come', () => {
    const bench = rate();
    for (let index = 0; index < 5000; index++) bench.read(index / 20, index % 3);
    expect(bench.state.now.samples.length).toBeLessThanOrEqual(62);
  });
});

describe('stale', () => {
  const stale = (over = {}) =>
    new Bench(alarm({ condition: { kind: 'stale', afterMs: 30_000 }, deadband: 0, ...over }));

  it('holds by timer when no usable reading came, and goes with the next', () => {
    const bench = stale().until(0).read(10, 50).until(60).read(61, 50);
    expect(bench.story).toEqual(['40 raised unacked', '61 returned returned-unacked']);
  });

  it('counts from the start when nothing ever comes', () => {
    expect(stale().until(100).story).toEqual(['30 raised unacked']);
  });

  it('takes neither a bad reading nor a repeated value for a sign of life', () => {
    const bench = stale().read(0, 50).bad(10).doubtful(20, 50, 'last-usable').until(60);
    expect(bench.story).toEqual(['30 raised unacked']);
  });

  it('adds its on-delay', () => {
    expect(stale({ onDelayMs: 5000 }).read(0, 50).until(60).story).toEqual(['35 raised unacked']);
  });

  it('takes a short sign of life for none when it has an off-delay', () => {
    const bench = stale({ offDelayMs: 40_000 }).read(0, 50).read(35, 50).until(200);
    expect(bench.story).toEqual(['30 raised unacked']);
  });
});

describe('changed', () => {
  const changed = (over = {}) => new Bench(alarm({ condition: { kind: 'changed' }, deadband: 0, ack: false, ...over }));

  it('takes the first value for the baseline, and each change for an occurrence', () => {
    const bench = changed().read(0, 1).read(1, 1).read(2, 2).read(3, 3);
    expect(bench.story).toEqual(['2 raised unacked', '2 cleared normal', '3 raised unacked', '3 cleared normal']);
  });

  it('stays for its off-delay after the last change', () => {
    const bench = changed({ offDelayMs: 10_000 }).read(0, 'a').read(1, 'b').read(5, 'c').until(60);
    expect(bench.story).toEqual(['1 raised unacked', '15 cleared normal']);
  });

  it('sees a change behind bad readings and behind a restart', () => {
    const bench = changed().read(0, 1).bad(1).read(2, 1).restart().read(1, 2);
    expect(bench.story[0]).toBe('1 raised unacked');
    expect(changed().read(0, 1).bad(1).read(2, 2).story[0]).toBe('2 raised unacked');
  });
});

describe('instrument', () => {
  const instrument = () =>
    new Bench(
      alarm({
        condition: { kind: 'instrument', device: 'press-1', tags: ['press-1/oil-temp'] },
        deadband: 0,
        ack: false,
      }),
    );

  it('holds while the tag reads bad, and names the cause', () => {
    const bench = instrument().read(0, 50).bad(1).bad(2, 'garbled').read(3, 50);
    expect(bench.story).toEqual(['1 raised unacked', '3 cleared normal']);
    expect(bench.seen[0]?.event.message).toBe('press-1 cannot be read (no answer before the deadline): oil-temp');
    expect(bench.seen[0]?.event).not.toHaveProperty('value');
  });

  it('has not failed before the first read, nor when taken out of service by hand', () => {
    expect(instrument().bad(0, 'waiting').bad(1, 'out-of-service').story).toEqual([]);
  });
});
