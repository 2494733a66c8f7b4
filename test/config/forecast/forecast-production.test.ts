/** What `check` says will be counted of a machine, and of what it warns. */
import { expect, it } from 'vitest';
import { machineDoubts, machineForecast } from '../../../src/config/forecast/forecast-production.ts';
import { machineConfig } from '../../rules/production/machine.ts';

it('says in plain words what will be counted', () => {
  const { says } = machineForecast(machineConfig({ reasonOf: [{ alarm: 'oil-hot', code: '10' }] }));
  expect(says).toEqual([
    'Parts are what press-1/parts counts; good are those that press-1/rejects does not count as rejects.',
    'It runs while press-1/running is on; off for 5m is a stop, and for less a micro-stop.',
    'At best a part takes 2s: at most 13950 in the shift early.',
    'Shift early, every day: 06:00 to 14:00 (Europe/London), with a break from 09:30 to 09:45, 7h 45m of work.',
    'Why it stands is said by press-1/code, alarm oil-hot and people; there are 3 reasons.',
    'Energy is what press-1/kwh counts; what it costs is not said. What is used outside of shifts is base load.',
    'Where nothing is read for 30s, the time has no data.',
  ]);
});

it('says it of a machine with nothing but a counter, and warns of what its figures lack', () => {
  const bare = { second: undefined, running: undefined, reason: undefined, energy: undefined, silenceMs: undefined };
  const machine = machineConfig({ ...bare, idealCycle: { by: 'nobody' }, reasons: {}, targetPerSecond: 0.5 });
  const { says } = machineForecast(machine);
  expect(says).toContain(
    'It runs while press-1/parts counts; 5m without a part is a stop, and a shorter pause a micro-stop.',
  );
  expect(says).toContain(
    'How long a part takes at best is not said: performance and OEE stay unknown. The target is 1800 parts an hour.',
  );
  const parts = { tag: { id: 'press-1/parts' }, everyMs: 180_000, counter: false } as never;
  const doubts = machineDoubts(machine, new Map([['press-1/parts', parts]]));
  expect(doubts.map(({ why }) => why.split(':')[0])).toEqual([
    'press-1/parts is read every 3m, and a stop is one after 5m',
    'press-1/parts is not marked as a counter, so that it is not known where it goes on with 0',
    'has no reasons',
    'has no ideal cycle',
  ]);
});
