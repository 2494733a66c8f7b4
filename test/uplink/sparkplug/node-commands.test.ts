import { describe, expect, it } from 'vitest';
import type { EventBody } from '../../../src/core/event.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { NodeCommands } from '../../../src/uplink/sparkplug/node-commands.ts';
import { PayloadEncoder } from '../../../src/uplink/sparkplug/payload.ts';
import { Aliases } from '../../../src/uplink/sparkplug/roster.ts';

/** A node whose machine takes so long for each write. */
function node(takesMs = 0) {
  const clock = new SimulatedClock();
  const written: number[] = [];
  const refused: string[] = [];
  const commands = new NodeCommands({
    ...{ clock, log: silentLogger, aliases: new Aliases(), typeOf: () => undefined },
    writable: () => new Set(['oven/setpoint']),
    async write(_tag, value) {
      await clock.sleep(takesMs);
      written.push(Number(value));
    },
    event: (body: EventBody) => void refused.push(String(body.why)),
  });
  const send = (value: number, timestampMs?: number): void => {
    const metrics = [{ name: 'setpoint', value: { as: 'double', value } as const }];
    const payload = Buffer.from(
      new PayloadEncoder().encode(timestampMs === undefined ? { metrics } : { metrics, timestampMs }),
    );
    commands.device('oven', 'spBv1.0/leeds/DCMD/gw/oven', payload, false);
  };
  return { clock, send, written, refused };
}

describe('a command of a Sparkplug host', () => {
  it.each([
    ['that does not say when it was sent', undefined, 'does not say when'],
    ['of more than a minute ago', -61_000, '61 s ago'],
    ['of more than a minute ahead', 61_000, '61 s ahead'],
  ])('%s is not carried out', async (_what, offsetMs, why) => {
    const { clock, send, written, refused } = node();
    send(42, offsetMs === undefined ? undefined : clock.wallMs() + offsetMs);
    await clock.advance(1000);
    expect(written).toEqual([]);
    expect(refused).toEqual([expect.stringContaining(why)]);
  });

  it('is not carried out late because those before it took long', async () => {
    const { clock, send, written, refused } = node(25_000);
    for (let value = 1; value <= 5; value++) send(value, clock.wallMs());
    await clock.advance(200_000);
    expect(written).toEqual([1, 2, 3]);
    expect(refused).toHaveLength(2);
  });
});
