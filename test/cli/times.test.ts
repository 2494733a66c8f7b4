/** Times that a person reads are in the zone of the gateway, those for programs in UTC. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sinceOption } from '../../src/cli/terminal/duration.ts';
import { formatTime } from '../../src/cli/terminal/format.ts';
import { EXIT } from '../../src/core/errors.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { millgate, serve, temporaryFolder } from '../double/command-line.ts';
import { fakeGateway, OIL_HOT, SIX } from '../double/fake-gateway.ts';

describe('the time of a person', () => {
  it.each([
    ['UTC', '2025-11-24T06:00:00.000Z'],
    ['Europe/London', '2025-11-24T06:00:00.000Z'],
    ['Europe/Berlin', '2025-11-24T07:00:00.000+01:00'],
    ['America/St_Johns', '2025-11-24T02:30:00.000-03:30'],
    ['Asia/Kathmandu', '2025-11-24T11:45:00.000+05:45'],
  ])('in %s is %s', (timezone, text) => {
    expect(formatTime(SIX, { timezone })).toBe(text);
  });

  it('tells the two hours apart that have one name when summer ends', () => {
    const end = Date.UTC(2025, 9, 26, 1);
    const zone = { timezone: 'Europe/Berlin' };
    expect([formatTime(end - 1_800_000, zone, 'clock'), formatTime(end + 1_800_000, zone, 'clock')]).toEqual([
      '02:30+02:00',
      '02:30+01:00',
    ]);
  });
});

describe('--since', () => {
  const clock = new SimulatedClock(SIX);
  const since = (text: string, timezone = 'Europe/Berlin') =>
    new Date(sinceOption(text, { clock, timezone })).toISOString();

  it.each([
    ['2h', '2025-11-24T04:00:00.001Z'],
    ['6:40', '2025-11-24T05:40:00.000Z'],
    ['06:40:30', '2025-11-24T05:40:30.000Z'],
    ['21:40', '2025-11-23T20:40:00.000Z'],
    ['2025-11-20', '2025-11-19T23:00:00.000Z'],
    ['2025-07-01 12:00', '2025-07-01T10:00:00.000Z'],
    ['2025-11-24T05:00:00Z', '2025-11-24T05:00:00.000Z'],
    ['2025-11-24T05:00+05:45', '2025-11-23T23:15:00.000Z'],
  ])('%s is how far back, or a time in the zone of the plant: %s', (text, expected) => {
    expect(since(text)).toBe(expected);
  });

  it.each(['yesterday', '25:00', '21', '', 'T', '-2h', '2025-11'])('%j is refused, exit 2', (text) => {
    expect(() => since(text)).toThrow(expect.objectContaining({ code: EXIT.usage }));
  });
});

describe('a gateway in Berlin', () => {
  const view = () =>
    fakeGateway({
      alarms: () => ({
        alarms: [{ ...OIL_HOT, state: 'shelved', shelvedUntilMs: SIX + 1_860_000 }],
        floodForMs: undefined,
      }),
    });

  async function berlin(...args: string[]): Promise<string> {
    const folder = temporaryFolder();
    const file = join(folder, 'millgate.yaml');
    writeFileSync(
      file,
      'gateway: {timezone: Europe/Berlin}\nchannels: {sim: {driver: mock}}\n' +
        'devices: {press-1: {channel: sim, tags: {oil: {address: "constant(value=1)"}}}}\n',
    );
    const { socketPath } = await serve(view());
    const env = { MILLGATE_SOCKET: socketPath, MILLGATE_CONFIG: file };
    const run = millgate(args, { env, clock: new SimulatedClock(SIX) });
    await run.exitCode;
    return run.out() + run.err();
  }

  it.each([
    [['history', 'press-1/oil-temp'], '2025-11-24T06:59:59.000+01:00  45.25 °C'],
    [['events'], '2025-11-24T07:00:00.000+01:00  alarm'],
    [['alarms'], 'shelved until 07:31+01:00'],
    [['status'], '2025-11-24T07:00:00.000+01:00'],
  ])('%j shows its own clock', async (args, text) => {
    const out = await berlin(...args);
    expect(out).toContain(text);
    expect(out).not.toMatch(/\d\dZ|\d{3}Z/);
  });

  it('gives programs UTC milliseconds', async () => {
    expect(await berlin('alarms', '--json')).toContain(`"shelvedUntilMs": ${SIX + 1_860_000}`);
  });
});
