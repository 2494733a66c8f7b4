import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AlarmCondition, AlarmConfig } from '../../../src/core/alarm.ts';
import { alarm, Bench } from './harness.ts';

/**
 * Transitions by their letters (ISA-18.2 clause 10); shelving anew is G→G, by an operator's order. From silence an alarm
 * comes back to what was owed before (D, E, F), and a gate suppresses only what is dealt with (C).
 */
const LEGAL = new Set(
  'AB BC BD BA CA DA DB BE CF EF FA EA EB FB AG BG CG DG EG FG GG GA GB GD GE GF CH HA HB AI BI CI DI EI FI GI HI IA IB ID IE IF'.split(
    ' ',
  ),
);
const LETTER: Record<string, string> = {
  normal: 'A',
  unacked: 'B',
  acked: 'C',
  'returned-unacked': 'D',
  'latched-unacked': 'E',
  'latched-acked': 'F',
  shelved: 'G',
  suppressed: 'H',
  'out-of-service': 'I',
};
const GATE = 'press-1/running';

type Input =
  | { do: 'read'; value: number }
  | { do: 'bad' | 'wait' | 'unshelve' | 'reset' | 'out-of-service' | 'in-service' | 'restart' }
  | { do: 'gate'; on: boolean }
  | { do: 'ack'; back: number }
  | { do: 'shelve'; forMs: number };

const reads = fc.record({ do: fc.constant('read' as const), value: fc.integer({ min: 74, max: 86 }) });
const input: fc.Arbitrary<Input> = fc.oneof(
  { arbitrary: reads, weight: 8 },
  fc.record({ do: fc.constantFrom('bad' as const, 'wait', 'unshelve', 'reset', 'out-of-service', 'in-service') }),
  fc.record({ do: fc.constant('gate' as const), on: fc.boolean() }),
  fc.record({ do: fc.constant('ack' as const), back: fc.constantFrom(0, 0, 1) }),
  fc.record({ do: fc.constant('shelve' as const), forMs: fc.integer({ min: 1, max: 20_000 }) }),
);
const timed = (of: fc.Arbitrary<Input>) =>
  fc.array(fc.tuple(fc.integer({ min: 1, max: 4000 }), of), { minLength: 1, maxLength: 60 });

const conditions: AlarmCondition[] = [
  { kind: 'above', limit: 80 },
  { kind: 'below', limit: 78 },
  { kind: 'outside', low: 76, high: 84 },
  { kind: 'equals', value: 80 },
  { kind: 'rateAbove', limit: 4, perMs: 5000 },
  { kind: 'stale', afterMs: 3000 },
  { kind: 'changed' },
  { kind: 'instrument', device: 'press-1', tags: ['press-1/oil-temp'] },
];
const delay = fc.constantFrom(0, 0, 1500, 5000);
const anyAlarm: fc.Arbitrary<AlarmConfig> = fc
  .record({
    condition: fc.constantFrom(...conditions),
    onDelayMs: delay,
    offDelayMs: delay,
    latch: fc.boolean(),
    ack: fc.boolean(),
    gated: fc.boolean(),
  })
  .map(({ gated, ...over }) =>
    alarm({ ...over, deadband: 1, while: gated ? { tag: GATE, equals: undefined } : undefined }),
  );

/** Gives one input at second `t`; returns why it was refused. */
function give(bench: Bench, t: number, one: Input): string | undefined {
  switch (one.do) {
    case 'read':
      bench.read(t, one.value);
      return undefined;
    case 'bad':
      bench.bad(t);
      return undefined;
    case 'wait':
      bench.until(t);
      return undefined;
    case 'gate':
      if (bench.config.while) bench.read(t, one.on, GATE);
      return undefined;
    case 'restart':
      bench.restart();
      return undefined;
    case 'ack':
      bench.until(t);
      return bench.order(t, { do: 'ack', occurrence: bench.state.kept.occurrence - one.back });
    case 'shelve':
      return bench.order(t, one);
    default:
      return bench.order(t, { do: one.do });
  }
}

/** What must be true after every input, whatever came before. */
function checkInvariants(
  bench: Bench,
  seenBefore: number,
  commitsBefore: number,
  before: { state: string; occurrence: number },
): void {
  let { state, occurrence } = before;
  for (const { event } of bench.seen.slice(seenBefore)) {
    expect(event.was).toBe(state);
    expect(LEGAL).toContain(`${LETTER[event.was as string]}${LETTER[event.state]}`);
    expect(event.occurrence).toBe(occurrence + (event.state === 'unacked' ? 1 : 0));
    ({ state, occurrence } = event);
  }
  const { kept } = bench.state;
  expect([kept.state, kept.occurrence]).toEqual([state, occurrence]);
  if (bench.seen.length > seenBefore) expect(bench.commits).toBeGreaterThan(commitsBefore);
  if (kept.state === 'unacked' || kept.state === 'acked') expect(kept.active).toBe(true);
  if (['normal', 'returned-unacked', 'latched-unacked', 'latched-acked'].includes(kept.state) && !kept.gated)
    expect(kept.active).toBe(false);
  expect(kept.before !== undefined).toBe(kept.state === 'shelved' || kept.state === 'out-of-service');
  expect(kept.shelf !== undefined).toBe(kept.state === 'shelved');
  expect(JSON.parse(JSON.stringify(kept))).toEqual(kept);
  expect(JSON.stringify(kept).length).toBeLessThan(300);
}

describe('whatever comes in', () => {
  it('an alarm moves only as the standard allows, counts every annunciation once, and keeps a small state', () => {
    fc.assert(
      fc.property(anyAlarm, timed(input), (config, inputs) => {
        const bench = new Bench(config);
        let ms = 0;
        for (const [gapMs, one] of inputs) {
          ms += gapMs;
          bench.until((ms - 0.5) / 1000);
          const [seen, commits] = [bench.seen.length, bench.commits];
          const { state, occurrence } = bench.state.kept;
          const refused = give(bench, ms / 1000, one);
          if (refused !== undefined)
            expect(bench.seen.slice(seen).every(({ event }) => event.by === undefined)).toBe(true);
          checkInvariants(bench, seen, commits, { state, occurrence });
        }
      }),
      { numRuns: 400 },
    );
  });

  it('a restart brings no event of its own, and loses no state', () => {
    fc.assert(
      fc.property(anyAlarm, timed(input), (config, inputs) => {
        const bench = new Bench(config);
        let ms = 0;
        for (const [gapMs, one] of inputs) {
          ms += gapMs;
          give(bench, ms / 1000, one);
        }
        const before = bench.state.kept;
        const seen = bench.seen.length;
        bench.restart().until(0);
        expect(bench.seen.length).toBe(seen);
        const { pending: _before, ...kept } = before;
        const { pending: _after, ...now } = bench.state.kept;
        expect(JSON.parse(JSON.stringify(now))).toEqual(JSON.parse(JSON.stringify(kept)));
      }),
      { numRuns: 300 },
    );
  });

  it('an alarm without delays goes on after a restart as if there had been none', () => {
    const steady = fc.constantFrom(...conditions.filter(({ kind }) => kind !== 'stale' && kind !== 'rateAbove'));
    fc.assert(
      fc.property(
        steady,
        fc.boolean(),
        fc.boolean(),
        timed(input),
        fc.nat(59),
        (condition, latch, ack, inputs, cut) => {
          const config = alarm({ condition, latch, ack, while: { tag: GATE, equals: undefined } });
          const [straight, cutShort] = [new Bench(config), new Bench(config)];
          let [ms, restartedAtMs] = [0, 0];
          for (const [index, [gapMs, one]] of inputs.entries()) {
            if (index === cut) {
              cutShort.restart();
              restartedAtMs = ms;
            }
            ms += gapMs;
            give(straight, ms / 1000, one);
            give(cutShort, (ms - restartedAtMs) / 1000, one);
          }
          const told = ({ seen }: Bench) =>
            seen.map(({ event: { change, state, occurrence } }) => ({ change, state, occurrence }));
          expect(told(cutShort)).toEqual(told(straight));
        },
      ),
      { numRuns: 300 },
    );
  });
});
