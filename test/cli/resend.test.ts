import { describe, expect, it } from 'vitest';
import type { GatewayView } from '../../src/api/view.ts';
import { EXIT } from '../../src/core/errors.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { millgate, serve } from '../double/command-line.ts';
import { fakeGateway, SIX } from '../double/fake-gateway.ts';

/** Runs `resend` beside a gateway that has what `replay` says, and tells what that was asked. */
async function run(args: readonly string[], answer?: Awaited<ReturnType<GatewayView['replay']>>) {
  const asked: unknown[] = [];
  const replay: GatewayView['replay'] = async (uplink, range, by) => {
    asked.push([uplink, range, by]);
    return answer ?? { count: range.to - range.from, stored: [{ from: range.from, to: range.to - 1 }] };
  };
  const { socketPath } = await serve(fakeGateway({ replay }));
  const env = { MILLGATE_SOCKET: socketPath, USER: 'ann' };
  const started = millgate(['resend', ...args], { env, clock: new SimulatedClock(SIX) });
  return { exitCode: await started.exitCode, out: started.out(), err: started.err(), asked };
}

describe('resend', () => {
  it('has a range of numbers sent again, both ends included, in the name of the user', async () => {
    const { exitCode, out, asked } = await run(['plant', '11-20']);
    expect([exitCode, out]).toEqual([EXIT.ok, '10 of readings 11–20 are sent to plant again.\n']);
    expect(asked).toEqual([['plant', { stream: 'readings', from: 11, to: 21 }, 'ann']]);
    expect((await run(['plant', '7', '--events'])).asked).toEqual([
      ['plant', { stream: 'events', from: 7, to: 8 }, 'ann'],
    ]);
  });

  it('has everything of a time sent again, up to the newest record', async () => {
    const { asked } = await run(['plant', '--since', '2h']);
    expect(asked).toEqual([['plant', { stream: 'readings', from: 7, to: expect.any(Number) }, 'ann']]);
  });

  it('says what is not there any more, and what was on its way anyway', async () => {
    const { out } = await run(['plant', '1-20'], { count: 5, stored: [{ from: 11, to: 20 }] });
    expect(out).toBe(
      [
        '5 of readings 1–20 are sent to plant again.',
        '5 more wait for it anyway.',
        '10 are not in the store; of these it has 11–20.',
        '',
      ].join('\n'),
    );
    const json = await run(['plant', '1-20', '--json'], { count: 0, stored: [] });
    expect(JSON.parse(json.out)).toEqual({
      uplink: 'plant',
      stream: 'readings',
      from: 1,
      to: 20,
      count: 0,
      stored: [],
    });
  });

  it.each([
    [['plant'], 'which records? Write numbers, like 188201-190000, or --since 2h, and not both.'],
    [
      ['plant', '1-2', '--since', '2h'],
      'which records? Write numbers, like 188201-190000, or --since 2h, and not both.',
    ],
    [
      ['plant', '20-11'],
      '20-11: not a range of sequence numbers. Write the first and the last one, like 188201-190000.',
    ],
    [['plant', 'all'], 'all: not a range of sequence numbers. Write the first and the last one, like 188201-190000.'],
    [
      ['plant', '--since', '1h', '--events'],
      '--since names readings. Events go by number: resend UPLINK 12-40 --events.',
    ],
    [['plnat', '1-2'], 'no uplink "plnat". Did you mean plant?'],
  ])('%j is refused with what to write', async (args, message) => {
    const { exitCode, err, asked } = await run(args);
    expect([exitCode, err, asked]).toEqual([EXIT.usage, `millgate: ${message}\n`, []]);
  });
});
