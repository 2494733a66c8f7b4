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

  it('is of one tag', async () => {
    const { exitCode, err } = await history(['press-1/*']);
    expect(exitCode).toBe(EXIT.usage);
    expect(err).toBe('millgate: press-1/* names 3 tags. Name one of them, such as press-1/oil-temp.\n');
  });
});
