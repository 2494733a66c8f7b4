import { describe, expect, it } from 'vitest';
import { displayWidth } from '../../src/cli/terminal/table.ts';
import { EXIT } from '../../src/core/errors.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { millgate, serve, until } from '../double/command-line.ts';
import { fakeGateway, SIX } from '../double/fake-gateway.ts';
import { Terminal } from '../double/terminal.ts';

async function run(...args: string[]) {
  return runOn(fakeGateway(), ...args);
}

async function runOn(view: ReturnType<typeof fakeGateway>, ...args: string[]) {
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
        'ALARM    STATE    PRIORITY  SINCE  MESSAGE         REMARK',
        'oil-hot  unacked  high         1m  Oil at 81.5 °C  no. 3, first out',
        'first out: the first of the alarms of its device. no. N: how often it came.',
        '1 more is normal (--all shows it).',
        '',
      ].join('\n'),
    );
    expect((await run('alarms', '--all')).out).toContain('oil-low  normal');
    expect(JSON.parse((await run('alarms', '--json')).out)).toMatchObject({
      alarms: [{ id: 'oil-hot' }, { id: 'oil-low' }],
    });
  });

  it('says the value now beside the message of one that went again', async () => {
    const [oilHot] = fakeGateway().alarms().alarms;
    const gone = { ...oilHot!, state: 'returned-unacked' as const, active: false, value: 44.2 };
    const { out } = await runOn(fakeGateway({ alarms: () => ({ alarms: [gone], floodForMs: undefined }) }), 'alarms');
    expect(out).toMatch(/Oil at 81\.5 °C {2}now 44\.2, no\. 3/);
  });

  it('lists the most urgent first, of those the newest, and what is normal last', async () => {
    const [first, oilLow] = fakeGateway().alarms().alarms;
    const oilHot = { ...first!, firstOut: false };
    const list = (['low', 'high', 'critical', 'high', 'medium'] as const).map((priority, index) => ({
      ...oilHot!,
      id: `a${index}`,
      priority,
      sinceMs: SIX - 60_000 + 1000 * index,
    }));
    const alarms = () => ({ alarms: [{ ...oilLow!, priority: 'critical' as const }, ...list], floodForMs: undefined });
    const { socketPath } = await serve(fakeGateway({ alarms }));
    const started = millgate(['alarms', '--all'], {
      env: { MILLGATE_SOCKET: socketPath },
      clock: new SimulatedClock(SIX),
    });
    await started.exitCode;
    const ids = started
      .out()
      .trim()
      .split('\n')
      .slice(1, -1)
      .map((line) => line.split(' ')[0]);
    expect(ids).toEqual(['a2', 'a3', 'a1', 'a4', 'a0', 'oil-low']);
  });

  it('cuts the message before its remarks in a narrow terminal', async () => {
    const [oilHot] = fakeGateway().alarms().alarms;
    const alarm = { ...oilHot!, chattering: true, message: 'Oil of the main press is far too hot '.repeat(3) };
    const alarms = () => ({ alarms: [alarm], floodForMs: undefined });
    const { socketPath } = await serve(fakeGateway({ alarms }));
    const terminal = new Terminal(80, 24);
    const started = millgate(['alarms'], { terminal, env: { MILLGATE_SOCKET: socketPath } });
    await started.exitCode;
    expect(terminal.lines[1]).toMatch(/… {2}no\. 3, first out, chatters$/);
    expect(displayWidth(terminal.lines[1]!)).toBeLessThanOrEqual(80);
  });

  it('keeps the list on the screen with --watch, and says so when the gateway stops', async () => {
    const terminal = new Terminal();
    const clock = new SimulatedClock(SIX);
    const view = fakeGateway();
    const { api, socketPath } = await serve(view);
    const started = millgate(['alarms', '--watch'], { terminal, clock, env: { MILLGATE_SOCKET: socketPath } });
    await until(() => terminal.lines.some((line) => line.startsWith('oil-hot')));
    await api.close();
    await until(() => {
      clock.advance(500);
      return terminal.lines[0]?.includes('no gateway answers') ?? false;
    });
    started.interrupt();
    expect(await started.exitCode).toBe(EXIT.ok);
    expect(terminal).toMatchObject({ isOnAlternatePage: false, isCursorShown: true });
  });

  it('prints each change as it comes with --watch in a pipe', async () => {
    const journal = [{ seq: 7, t: SIX, kind: 'alarm', id: 'oil-hot', change: 'raised', message: 'Oil hot' }];
    const events = async ({ afterSeq = 0 }: { afterSeq?: number | undefined }) => ({
      events: journal.filter(({ seq }) => seq > afterSeq),
      next: undefined,
    });
    const clock = new SimulatedClock(SIX);
    const { socketPath } = await serve(fakeGateway({ events }));
    const started = millgate(['alarms', '--watch', '--json'], { clock, env: { MILLGATE_SOCKET: socketPath } });
    await until(() => started.out().includes('oil-hot'));
    journal.push({ seq: 8, t: SIX, kind: 'spc', id: 'shaft', change: '', message: '' });
    journal.push({ seq: 9, t: SIX, kind: 'alarm', id: 'oil-hot', change: 'acked', message: '' });
    await until(() => {
      clock.advance(500);
      return started.out().includes('"acked"');
    });
    started.interrupt();
    await started.exitCode;
    const lines = started
      .out()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([
      { id: 'oil-hot', state: 'unacked' },
      { seq: 9, change: 'acked' },
    ]);
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

  it('says of an order until when it holds, who gave it and what he noted', async () => {
    const order = { t: SIX, kind: 'alarm', id: 'oil-hot', message: 'Oil at 81.5 °C', by: 'ann' };
    const journal = [
      { ...order, seq: 1, change: 'acked', comment: 'cooler cleaned' },
      { ...order, seq: 2, change: 'shelved', until: SIX + 1_800_000 },
    ];
    const view = fakeGateway({ events: async () => ({ events: journal, next: undefined }) });
    const lines = (await runOn(view, 'events')).out.trim().split('\n');
    expect(lines).toEqual([
      expect.stringMatching(/Oil at 81\.5 °C \(by ann: cooler cleaned\)$/),
      expect.stringMatching(/Oil at 81\.5 °C \(until 06:30Z, by ann\)$/),
    ]);
  });

  it('says on standard error that there is nothing so late, and how to look further back', async () => {
    const view = fakeGateway({ events: async () => ({ events: [], next: undefined }) });
    const { exitCode, out, err } = await runOn(view, 'events', '--since', '30s');
    expect([exitCode, out, err]).toEqual([EXIT.ok, '', 'Nothing in the last 30s. Look further back: --since 1d\n']);
  });

  it('refuses a kind that there is not, as an empty journal would say that nothing happened', async () => {
    const { exitCode, out, err } = await run('events', '--kind', 'alarms');
    expect([exitCode, out]).toEqual([EXIT.usage, '']);
    expect(err).toContain('Allowed choices are alarm, spc, maintenance, gap, quality, lifecycle, audit');
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
        'o point, X a rule holds, ^ v off the picture, ? missing, - limits, . centre',
        'Out of control: N1 at point 27.',
        'Capability (provisional), 95 %: Cpk 1.2 (1–1.4).',
        'only 2 readings.',
        '',
      ].join('\n'),
    );
    expect(JSON.parse((await run('spc', 'shaft', '--json')).out)).toMatchObject({ id: 'shaft', limits: 1 });
  });

  it('a last point in control does not hide the points before it that signalled', async () => {
    const chart = fakeGateway().chart('shaft')!;
    const point = (number: number, rules: string[]) => ({ point: number, value: 10, rules });
    const points = [point(1, ['N1']), point(2, ['N6']), point(3, [])];
    const view = fakeGateway({ chart: () => ({ ...chart, signals: [], points }) });
    const { out } = await runOn(view, 'spc', 'shaft');
    expect(out).toContain('The last point is in control; a rule held at 2 of the last 3 points (last: N6 at point 2).');
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

describe('maintenance', () => {
  it('lists what is due when, and says that it was done', async () => {
    const { exitCode, out } = await run('maintenance');
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toMatch(/^NAME +STATE +NOW +OF +ZONE +DUE +REMARK\noil-change +due +2000h +2000h +– +2025-11-24/);
    expect(JSON.parse((await run('maintenance', '--json')).out)).toMatchObject([{ id: 'oil-change', state: 'due' }]);
    const done = await run('maintenance', 'done', 'oil-change', '--comment', '12 l');
    expect([done.exitCode, done.orders]).toMatchObject([EXIT.ok, [{ orderer: { by: 'ann', comment: '12 l' } }]]);
  });

  it.each([['done'], ['undo', 'oil-change']])('refuses %s', async (...args) => {
    expect((await run('maintenance', ...args)).exitCode).toBe(EXIT.usage);
  });
});
