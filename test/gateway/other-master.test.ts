import { expect, it } from 'vitest';
import type { Driver, DriverType, Tag } from '../../hal/driver.ts';
import { LineTap } from '../../hal/transport.ts';
import { instantOf } from '../../src/core/clock.ts';
import type { EventBody } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { createLines } from '../../src/gateway/lines.ts';
import { configured } from '../double/configured.ts';

const FILE = `
gateway: {id: bench}
channels: {line-a: {driver: mock}}
devices: {press-1: {channel: line-a, every: 1s, tags: {oil: {address: "sine(min=1,max=2,period=60s)"}}}}
`;

it('another master on a line is an event when it shows, and again when it shows after a while', async () => {
  const clock = new SimulatedClock();
  let isHeard = false;
  const driver: Driver = {
    concurrency: 1,
    async connect() {},
    plan: (tags) => [tags],
    async read(tags: readonly Tag[]) {
      const at = instantOf(clock);
      return tags.map(() => ({ at, ok: true, value: 1, ...(isHeard && { doubt: 'other-master' as const }) }));
    },
    async close() {},
  };
  const events: EventBody[] = [];
  const lines = createLines({
    ...{ clock, log: silentLogger, random: seededRandom(1), simulate: false, onRecord() {} },
    recorder: { tapOf: () => new LineTap(), knows() {} },
    event: (body) => events.push(body),
    onFailed(cause) {
      throw cause;
    },
  });
  const [channel] = configured(FILE);
  const type: DriverType = { ...channel!.driver, create: () => driver };
  const line = lines.make({ ...channel!, driver: type }, undefined);
  lines.set([line]);
  lines.start(line);
  const told = async (heard: boolean, ms: number) => {
    isHeard = heard;
    await clock.advance(ms);
    return events.splice(0);
  };

  expect(await told(false, 5000)).toEqual([]);
  expect(await told(true, 60_000)).toMatchObject([{ kind: 'quality', what: 'other-master', channel: 'line-a' }]);
  expect(await told(false, 700_000)).toEqual([]);
  expect(await told(true, 5000)).toHaveLength(1);
  await Promise.all([lines.halt([line]), clock.advance(1000)]);
});
