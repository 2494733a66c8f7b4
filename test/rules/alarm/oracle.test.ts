import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { AlarmConfig } from '../../../src/core/alarm.ts';
import type { AlarmState } from '../../../src/core/event.ts';
import { chattering, measure, measuresAt, restoredMeasures } from '../../../src/rules/alarm/alarm-measures.ts';
import { type AlarmAction, transition } from '../../../src/rules/alarm/lifecycle.ts';
import { readOracle } from '../../double/oracle.ts';
import { type AlarmEvent, alarm, Bench } from './harness.ts';

const NO_MEASURES = restoredMeasures(undefined, [], { wallMs: 0, monoMs: 0 });

const LETTERS: Record<string, AlarmState> = {
  A: 'normal',
  B: 'unacked',
  C: 'acked',
  D: 'returned-unacked',
  E: 'latched-unacked',
  F: 'latched-acked',
  G: 'shelved',
  H: 'suppressed',
  I: 'out-of-service',
};
const letterOf = (state: unknown) => Object.keys(LETTERS).find((letter) => LETTERS[letter] === state);

function oracle<T>(file: string, schema: z.ZodType<T>): T {
  return schema.parse(readOracle(`alarms/${file}`));
}

const sequences = z.object({
  sequences: z.array(
    z.object({
      id: z.string(),
      desc: z.string(),
      config: z.object({
        type: z.literal('hi'),
        sp: z.number(),
        db: z.number(),
        on_delay: z.number(),
        off_delay: z.number(),
        latched: z.boolean(),
        ack_required: z.boolean(),
      }),
      inputs: z.array(
        z.object({
          t: z.number(),
          v: z.number().optional(),
          op: z.string().optional(),
          duration: z.number().optional(),
        }),
      ),
      expected: z.array(
        z.object({
          t: z.number(),
          from: z.string(),
          to: z.string(),
          condition_since: z.number().optional(),
          condition_gone_since: z.number().optional(),
        }),
      ),
      refused: z.array(z.object({ t: z.number() })).optional(),
      occurrences: z.number().optional(),
      end: z.number().optional(),
    }),
  ),
});
type Sequence = z.infer<typeof sequences>['sequences'][number];

function configOf({ config: { sp, db, on_delay, off_delay, latched, ack_required } }: Sequence): AlarmConfig {
  return alarm({
    condition: { kind: 'above', limit: sp },
    ...{ deadband: db, onDelayMs: on_delay * 1000, offDelayMs: off_delay * 1000, latch: latched, ack: ack_required },
  });
}

/** Plays a sequence, after each input what `then` does; gives the times of the orders that were refused. */
function play(bench: Bench, { inputs, end }: Sequence, then = (): void => {}): number[] {
  const refused: number[] = [];
  for (const [index, { t, v, op, duration }] of inputs.entries()) {
    if (index > 0) then();
    if (v !== undefined) bench.read(t, v);
    else if (op === 'end') bench.until(t);
    else if (op === 'ack') expect(bench.ack(t)).toBeUndefined();
    else if (op === 'shelve') expect(bench.order(t, { do: 'shelve', forMs: duration! * 1000 })).toBeUndefined();
    else if (bench.order(t, { do: 'reset' }) !== undefined) refused.push(t);
  }
  bench.until(end ?? inputs.at(-1)!.t + 100);
  return refused;
}

/**
 * Where the product's rules go beyond the oracle: silence settles nothing, so that an occurrence that was unacknowledged
 * when it was shelved (S12) is so afterwards, and a closed gate leaves standing what is unacknowledged or latched.
 */
const STRICTER: Record<string, string> = { 'S12 65 G→A': '65 G→D' };
const NOT_SUPPRESSED = ['B', 'D', 'E', 'F'];

describe('alarm oracles', () => {
  describe('sequences', () => {
    for (const sequence of oracle('sequences.json', sequences).sequences) {
      it(`${sequence.id}: ${sequence.desc}`, () => {
        const bench = new Bench(configOf(sequence));
        const refused = play(bench, sequence);
        const listed = sequence.expected.map(({ t, from, to }) => `${t} ${from}→${to}`);
        const expected = listed.map((step) => STRICTER[`${sequence.id} ${step}`] ?? step);
        expect(bench.seen.map(({ t, event }) => `${t} ${letterOf(event.was)}→${letterOf(event.state)}`)).toEqual(
          expected,
        );
        for (const [index, { condition_since, condition_gone_since }] of sequence.expected.entries()) {
          const since = condition_since ?? condition_gone_since;
          const start = new Date((bench.seen[index]!.event as { since?: number }).since ?? 0).getTime();
          if (since !== undefined) expect((start - Date.UTC(2025, 10, 24, 6)) / 1000).toBe(since);
        }
        expect(refused).toEqual(sequence.refused?.map(({ t }) => t) ?? []);
        if (sequence.occurrences !== undefined) expect(bench.state.kept.occurrence).toBe(sequence.occurrences);
      });

      it(`${sequence.id} with a power cut after each step: the same`, () => {
        const [straight, cut] = [new Bench(configOf(sequence)), new Bench(configOf(sequence))];
        play(straight, sequence);
        // A delay that runs begins anew with the power, which another test looks at.
        const refused = play(cut, sequence, () => cut.state.kept.pending ?? cut.powerCut());
        expect(cut.story).toEqual(straight.story);
        expect(refused).toEqual(sequence.refused?.map(({ t }) => t) ?? []);
      });
    }
  });

  describe('state machine', () => {
    it('has exactly the transitions of the standard', () => {
      const listed = oracle(
        'state_machine.json',
        z.object({ transitions: z.array(z.tuple([z.string(), z.string(), z.string()])) }),
      );
      for (const [from, action, to] of listed.transitions) {
        const letters = from === 'any' ? Object.keys(LETTERS).filter((letter) => letter !== 'I') : from.split('|');
        for (const letter of letters) {
          const stands = action.startsWith('suppress') && NOT_SUPPRESSED.includes(letter);
          expect(`${letter} ${action} ${move(letter, action)}`).toBe(`${letter} ${action} ${stands ? letter : to[0]}`);
        }
      }
    });
  });

  describe('boundary conventions', () => {
    const row = z.record(z.string(), z.union([z.string(), z.number()]));
    const { cases } = oracle('boundary.json', z.object({ cases: z.array(row) }));
    for (const { sp, db, v, state, on_delay, true_for, expect: expected } of cases) {
      it(
        on_delay === undefined
          ? `${v} at limit ${sp}, deadband ${db}, in ${state}: ${expected}`
          : `true for ${true_for} of ${on_delay}: ${expected}`,
        () => {
          if (on_delay !== undefined) {
            const delayed = new Bench(alarm({ onDelayMs: Number(on_delay) * 1000 }))
              .read(0, 81)
              .until(Number(true_for));
            delayed.read(Number(true_for) + 0.0001, 70);
            expect(delayed.story.length > 0).toBe(String(expected).startsWith('alarm'));
            return;
          }
          const bench = new Bench(alarm({ condition: { kind: 'above', limit: Number(sp) }, deadband: Number(db) }));
          if (state === 'C') expect(bench.read(0, Number(sp) + 1).ack(1)).toBeUndefined();
          bench.read(2, Number(v));
          const after = { 'no alarm (strict >)': 'A', 'stays active (strict <)': 'C', rtn: 'A' }[String(expected)];
          expect(letterOf(bench.state.kept.state)).toBe(after);
        },
      );
    }
  });

  describe('measures', () => {
    const constants = z.object({
      chattering: z.object({ transitions_to_alarm: z.number(), window_s: z.number() }),
      flood: z.object({ start: z.string(), end: z.string(), window_s: z.number() }),
    });

    it('chatters from the number of annunciations and in the window that the oracle names', () => {
      const { transitions_to_alarm: count, window_s } = oracle('constants.json', constants).chattering;
      const at = Array.from({ length: count }, (_, index) => (index * window_s * 1000) / (count - 1));
      const measures = at.reduce((before, atMs) => measure(before, raised('a'), atMs), NO_MEASURES);
      expect(chattering(measures, at.at(-1)!)).toEqual(['a']);
      expect(chattering(measures, at.at(-1)! + 1)).toEqual([]);
    });

    it('floods from above ten in ten minutes to below five', () => {
      const { start, end, window_s } = oracle('constants.json', constants).flood;
      const [above, below] = [start, end].map((text) => Number(/\d+/.exec(text)![0])) as [number, number];
      let measures = NO_MEASURES;
      for (let second = 0; second < above; second++) measures = measure(measures, raised(`a${second}`), second * 1000);
      expect(measures.flood).toBeUndefined();
      measures = measure(measures, raised('last'), above * 1000);
      expect(measures.flood).toEqual({ sinceMs: above * 1000 });
      const left = (leftInWindow: number) => (above - leftInWindow + window_s) * 1000;
      expect(measuresAt(measures, left(below)).flood).toBeDefined();
      expect(measuresAt(measures, left(below - 1)).flood).toBeUndefined();
    });
  });
});

function raised(id: string): AlarmEvent {
  return { kind: 'alarm', id, occurrence: 1, change: 'raised', state: 'unacked', priority: 'low', message: '' };
}

/** Carries out an action as the oracle words it. */
function move(letter: string, words: string): string | undefined {
  const active = /condition true/.test(words) || (letter === 'B' || letter === 'C' ? words === 'reset' : false);
  const traits = { active, latch: /\(latched\)/.test(words), ack: !/auto-ack/.test(words) };
  const names: [RegExp, AlarmAction][] = [
    [/^alarm/, 'alarm'],
    [/^ack/, 'ack'],
    [/^rtn/, 'return'],
    [/^reset/, 'reset'],
    [/^shelve/, 'shelve'],
    [/^unshelve/, 'unshelve'],
    [/^suppress/, 'suppress'],
    [/^unsuppress/, 'unsuppress'],
    [/^remove/, 'out-of-service'],
    [/^return-to-service/, 'in-service'],
  ];
  const made = transition(LETTERS[letter]!, names.find(([pattern]) => pattern.test(words))![1], traits);
  return made.ok ? letterOf(made.to) : letter;
}
