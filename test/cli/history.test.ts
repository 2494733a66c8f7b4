import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { millgate, serve } from '../double/command-line.ts';
import { fakeGateway, SIX } from '../double/fake-gateway.ts';

async function history(args: readonly string[]) {
  const view = fakeGateway();
  const { socketPath } = await serve(view);
  const env = { MILLGATE_SOCKET: socketPath };
  const run = millgate(['history', ...args], { env, clock: new SimulatedClock(SIX) });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err(), asked: view.asked.history };
}

describe('history', () => {
  it('prints what is stored, page after page', async () => {
    const { exitCode, out, asked } = await history(['press-1/oil-temp', '--since', '2h']);
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toBe('2025-11-24T05:59:59.000Z  45.25 °C  good\n2025-11-24T06:00:00.000Z  –  bad timeout\n');
    expect(asked).toMatchObject([
      { tag: 'press-1/oil-temp', fromMs: SIX + 1 - 7_200_000, toMs: SIX + 1 },
      { afterSeq: 7 },
    ]);
  });

  it('prints one JSON object a line', async () => {
    const { out } = await history(['press-1/oil-temp', '--json']);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { tag: 'press-1/oil-temp', seq: 7, t: SIX - 1000, quality: 'good', value: 45.25 },
      { tag: 'press-1/oil-temp', seq: 8, t: SIX, quality: 'bad', why: 'timeout' },
    ]);
  });

  it('rolls up whole minutes', async () => {
    const { out } = await history(['press-1/oil-temp', '--since', '1d', '--every', '1m']);
    expect(out).toBe(
      '2025-11-24T06:00:00.000Z  min 45 °C  mean 45.1235 °C  max 46.5 °C  59 values  1 bad\n' +
        '2025-11-24T06:01:00.000Z  min –  mean –  max –  0 values  60 bad\n',
    );
    const json = await history(['press-1/oil-temp', '--every', '1h', '--json']);
    expect(JSON.parse(json.out.split('\n')[0]!)).toEqual({
      ...{ tag: 'press-1/oil-temp', t: SIX, count: 59, bad: 1, min: 45, max: 46.5, mean: 45.123_456_789 },
    });
  });

  it('refuses to roll up less than a minute, and says what it can', async () => {
    const { exitCode, err } = await history(['press-1/oil-temp', '--every', '90s']);
    expect(exitCode).toBe(EXIT.usage);
    expect(err).toBe('millgate: every=90s is not allowed. Give whole minutes, such as 1m, 15m or 1h.\n');
  });

  it('is of one tag', async () => {
    const { exitCode, err } = await history(['press-1/*']);
    expect(exitCode).toBe(EXIT.usage);
    expect(err).toBe('millgate: press-1/* names 3 tags. Name one of them, such as press-1/oil-temp.\n');
  });
});
