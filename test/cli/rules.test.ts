import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { millgate, serve } from '../double/command-line.ts';
import { fakeGateway, SIX } from '../double/fake-gateway.ts';

async function run(...args: string[]) {
  const view = fakeGateway();
  const { socketPath } = await serve(view);
  const env = { MILLGATE_SOCKET: socketPath, USER: 'ann' };
  const started = millgate(args, { env, clock: new SimulatedClock(SIX) });
  return { exitCode: await started.exitCode, out: started.out(), err: started.err(), orders: view.orders };
}

describe('alarms', () => {
  it('lists what stands, and how many are normal', async () => {
    const { exitCode, out } = await run('alarms');
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toBe(
      [
        'ALARM    STATE    PRIORITY  SINCE  MESSAGE',
        'oil-hot  unacked  high         1m  Oil at 81.5 °C [no. 3, first out]',
        '1 more are normal (--all shows them).',
        '',
      ].join('\n'),
    );
    expect((await run('alarms', '--all')).out).toContain('oil-low  normal');
    expect(JSON.parse((await run('alarms', '--json')).out)).toMatchObject({
      alarms: [{ id: 'oil-hot' }, { id: 'oil-low' }],
    });
  });

  it('acknowledges the occurrence that was seen, in the name of the user', async () => {
    const { exitCode, out, orders } = await run('alarms', 'ack', 'oil-hot');
    expect([exitCode, out]).toEqual([EXIT.ok, 'oil-hot: unacked\n']);
    expect(orders).toEqual([{ id: 'oil-hot', order: { do: 'ack', occurrence: 3 }, orderer: { by: 'ann' } }]);
    const older = await run('alarms', 'ack', 'oil-hot', '--occurrence', '2');
    expect(older.orders).toMatchObject([{ order: { occurrence: 2 } }]);
  });

  it('shelves for a time, with a remark', async () => {
    const { orders } = await run('alarms', 'shelve', 'oil-hot', '--for', '2h', '--comment', 'sensor ordered');
    expect(orders).toEqual([
      { id: 'oil-hot', order: { do: 'shelve', forMs: 7_200_000 }, orderer: { by: 'ann', comment: 'sensor ordered' } },
    ]);
  });

  it.each([
    [
      ['snooze', 'oil-hot'],
      EXIT.usage,
      'no order "snooze". Orders: ack, shelve, unshelve, reset, out-of-service, in-service.',
    ],
    [['ack'], EXIT.usage, 'which alarm? Write millgate alarms ack ID.'],
    [['ack', 'oil-hto'], EXIT.usage, 'no alarm "oil-hto". Did you mean oil-hot?'],
    [['shelve', 'oil-hot', '--for', 'long'], EXIT.usage, '--for long: not a duration. Write 30s, 5m, 2h or 7d.'],
    [['reset', 'oil-hot'], EXIT.failed, 'oil-hot is still active. Mend the cause first, then reset it.'],
  ])('alarms %j is refused with what to do', async (args, exitCode, message) => {
    const refused = await run('alarms', ...args);
    expect([refused.exitCode, refused.err, refused.orders]).toEqual([exitCode, `millgate: ${message}\n`, []]);
  });
});

describe('events', () => {
  it('prints the journal, page after page', async () => {
    const { exitCode, out } = await run('events', '--since', '1h');
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toBe('2025-11-24T06:00:00.000Z  alarm       oil-hot raised  Oil at 81.5 °C\n'.repeat(2));
  });

  it('prints each as it is published, and only the kind that is wanted', async () => {
    const lines = (await run('events', '--json')).out.trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ seq: 1 }, { seq: 2 }]);
    expect((await run('events', '--kind', 'spc')).out).toBe('');
  });

  it('refuses a kind that there is not, as an empty journal would say that nothing happened', async () => {
    const { exitCode, out, err } = await run('events', '--kind', 'alarms');
    expect([exitCode, out]).toEqual([EXIT.usage, '']);
    expect(err).toContain('Allowed choices are alarm, spc, gap, quality, lifecycle, audit');
  });
});

describe('spc', () => {
  it('draws the chart and says how the process stands and what it can do', async () => {
    const { exitCode, out } = await run('spc', 'shaft');
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toBe(
      [
        'shaft: i-mr of gauge/diameter, mm, limits 1',
        ' UCL 10.03|-X',
        'Out of control: N1 at point 27.',
        'Capability (provisional), 95 %: Cpk 1.2 (1–1.4).',
        'only 2 readings.',
        '',
      ].join('\n'),
    );
    expect(JSON.parse((await run('spc', 'shaft', '--json')).out)).toMatchObject({ id: 'shaft', limits: 1 });
  });

  it('begins a new baseline in the name of the user', async () => {
    const { out, orders } = await run('spc', 'shaft', 'rebase', '--comment', 'new tool');
    expect(out).toBe('shaft: a new baseline of 25 points begins.\n');
    expect(orders).toMatchObject([{ id: 'shaft', orderer: { by: 'ann', comment: 'new tool' } }]);
  });

  it('lists every chart with its state', async () => {
    const { exitCode, out } = await run('spc');
    expect([exitCode, out.split('\n').slice(0, 2)]).toEqual([
      EXIT.ok,
      [expect.stringMatching(/^NAME +CHART +TAG +STATE$/), expect.stringMatching(/^shaft +i-mr +gauge\/diameter +Out/)],
    ]);
    expect(JSON.parse((await run('spc', '--json')).out)).toMatchObject([{ id: 'shaft', points: [] }]);
  });

  it('takes points out of the baseline in the name of the user', async () => {
    const { exitCode, orders } = await run('spc', 'shaft', 'exclude', '4', '17');
    expect([exitCode, orders]).toMatchObject([EXIT.ok, [{ id: 'shaft', orderer: { by: 'ann', comment: '4,17' } }]]);
  });

  it.each([[['exclude']], [['exclude', '0']], [['exclude', 'x']], [['rebase', '4']], [['forget']]])(
    'spc shaft %j is refused before anything is changed',
    async (args) => {
      const { exitCode, orders } = await run('spc', 'shaft', ...args);
      expect([exitCode, orders]).toEqual([EXIT.usage, []]);
    },
  );

  it('names the chart that was most likely meant', async () => {
    const { exitCode, err } = await run('spc', 'shfat');
    expect([exitCode, err]).toEqual([EXIT.usage, 'millgate: no control chart "shfat". Did you mean shaft?\n']);
  });
});
