import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { alarmShape, checkAlarm, conflictingOutputs, type TagFacts } from '../../../src/config/sections/alarms.ts';

const facts = (over: Partial<TagFacts> = {}): TagFacts => {
  return {
    form: 'number',
    unit: '°C',
    min: -20,
    max: 150,
    everyMs: 1000,
    writable: undefined,
    counter: false,
    from: new Set(),
    ...over,
  };
};
const writable = { min: undefined, max: undefined };
const tags = new Map([
  ['press-1/oil-temp', facts()],
  ['press-1/running', facts({ form: 'bool', min: undefined, max: undefined })],
  ['press-1/mode', facts({ min: undefined, max: undefined })],
  ['gauge/code', facts({ form: 'text', min: undefined, max: undefined })],
  ['door/lamp', facts({ form: 'bool', min: undefined, max: undefined, writable })],
  ['press-1/setpoint', facts({ min: undefined, max: undefined, writable: { min: 0, max: 120 } })],
  ['press-1/lit', facts({ form: 'bool', min: undefined, max: undefined, from: new Set(['door/lamp']) })],
]);
/** Checks an entry on oil-temp as the file would have it. */
function check(entry: Record<string, unknown>) {
  const options = z.strictObject(alarmShape).parse({ tag: 'press-1/oil-temp', ...entry });
  return checkAlarm('oil-hot', options, { tags });
}

/** Every problem as `path: message`. */
function problems(entry: Record<string, unknown>): string[] {
  const checked = check(entry);
  return checked.ok ? [] : checked.problems.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('an alarm of the file', () => {
  it('is completed with its defaults', () => {
    const entry = {
      above: 75,
      deadband: 3,
      onDelay: '5s',
      while: 'press-1/running',
      set: { tag: 'door/lamp', to: 'on' },
    };
    expect(check(entry)).toMatchObject({
      ok: true,
      value: {
        id: 'oil-hot',
        condition: { kind: 'above', limit: 75 },
        ...{ unit: '°C', deadband: 3, onDelayMs: 5000, offDelayMs: 0, priority: 'medium', latch: false, ack: true },
        while: { tag: 'press-1/running', equals: undefined },
        set: { tag: 'door/lamp', to: true, back: false },
        maxShelveMs: 28_800_000,
      },
    });
  });

  it('may have a gate with a value', () => {
    const checked = check({ above: 75, while: 'press-1/mode == 3' });
    expect(checked.ok && checked.value.while).toEqual({ tag: 'press-1/mode', equals: 3 });
  });

  const refused: [Record<string, unknown>, RegExp][] = [
    [{}, /^: the condition is missing: write above, below/],
    [{ above: 75, below: 5 }, /^below: an alarm has one condition, and this one has above and below/],
    [{ tag: 'pres-1/oil-temp', above: 75 }, /^tag: there is no tag pres-1\/oil-temp; did you mean press-1\/oil-temp\?/],
    [{ above: 150 }, /^above: the limit 150 can never be exceeded, because .* has max: 150: write a lower limit/],
    [{ below: -20 }, /^below: no value can be below the limit -20/],
    [{ below: 200 }, /^below: this alarm would always be active/],
    [{ above: -30 }, /^above: this alarm would always be active/],
    [{ outside: [-20, 90] }, /^outside\.0: no value can be below the limit -20, .*: write above: 90/],
    [{ outside: [90, 10] }, /^outside: the first limit \(90\) must be below the second/],
    [{ outside: [10, 20], deadband: 5 }, /^deadband: with a deadband of \d+ this alarm could never clear/],
    [{ above: 75, deadband: 170 }, /^deadband: with a deadband of 170 .* less than 95 \(limit 75 minus min -20\)/],
    [{ above: 75, deadband: 95 }, /^deadband: with a deadband of 95 this alarm could never clear: .* less than 95/],
    [{ equals: 151 }, /^equals: .* can never be 151, because it goes from -20 to 150/],
    [{ rateAbove: { per: '1m', limit: 170 } }, /^rateAbove\.limit: a change of more than 170 is not possible/],
    [{ rateAbove: { per: '500ms', limit: 5 } }, /^rateAbove\.per: must not be shorter than the period of/],
    [{ stale: '1s' }, /^stale: 1s would raise the alarm between every two readings/],
    [{ stale: '30s', deadband: 1 }, /^deadband: a deadband has no meaning with stale/],
    [{ changed: true, onDelay: '1s' }, /^onDelay: with onDelay this alarm could never come/],
    [{ tag: 'gauge/code', above: 3 }, /^above: gauge\/code is a text and cannot have a limit: use equals or changed/],
    [{ tag: 'press-1/running', below: 1 }, /^below: press-1\/running is on or off/],
    [{ tag: 'press-1/running', equals: 5 }, /^equals: press-1\/running is on or off: write on or off instead of 5/],
    [{ above: 75, while: 'gauge/code' }, /^while: gauge\/code is a text, .*: write its value too/],
    [{ above: 75, while: 'running' }, /^while: expected a tag/],
    [
      { above: 75, set: { tag: 'press-1/mode', to: 1, back: 0 } },
      /^set\.tag: press-1\/mode is not writable: add writable: true/,
    ],
    [{ above: 75, message: '{valeu} {unit}' }, /^message: there is no \{valeu\}; did you mean \{value\}\?/],
    [
      { above: 75, while: 'door/lamp', set: { tag: 'door/lamp', to: 'on' } },
      /^set\.tag: this alarm would open and close its own gate, door\/lamp/,
    ],
    [{ above: 75, while: 'press-1/lit', set: { tag: 'door/lamp', to: 'on' } }, /^set\.tag: .* open and close its own/],
    [{ tag: 'press-1/lit', equals: 'on', set: { tag: 'door/lamp', to: 'on' } }, /^set\.tag: .* come and go by itself/],
    [{ above: 75, set: { tag: 'press-1/setpoint', to: 130, back: 0 } }, /^set\.to: 130 may not be written/],
    [{ above: 75, set: { tag: 'press-1/setpoint', to: 100 } }, /^set: "back" is missing/],
  ];
  for (const [entry, expected] of refused) {
    it(`is refused: ${JSON.stringify(entry)}`, () => {
      const [first, ...others] = problems(entry);
      expect(first).toMatch(expected);
      expect(others).toEqual([]);
    });
  }

  it('may not set an output to another value than another alarm does', () => {
    const lamp = (to: string) => {
      const checked = check({ above: 75, set: { tag: 'door/lamp', to } });
      return checked.ok ? [checked.value] : [];
    };
    expect(conflictingOutputs([...lamp('on'), ...lamp('on')])).toEqual([]);
    expect(conflictingOutputs([...lamp('on'), ...lamp('off')])[0]?.message).toMatch(/write the same values here/);
  });
});
