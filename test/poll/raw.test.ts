import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { createProber } from '../../src/gateway/view.ts';
import { Poller } from '../../src/poll/poller.ts';
import { until } from '../double/command-line.ts';
import { configured } from '../double/configured.ts';
import { serveMeter } from '../double/meter.ts';

const { signal } = new AbortController();
const BLOCK = { unit: 3, table: 'input', start: 120, count: 2 } as const;

/** A channel that polls a meter's voltage without a pause. */
async function polling(port: number) {
  const [channel] = configured(`channels: {plc: {driver: modbus-tcp, host: 127.0.0.1, port: ${port}, timeout: 200ms}}
devices: {meter: {channel: plc, unit: 3, every: 10ms, tags: {voltage: {address: "input:100", type: float32, order: CDAB}}}}`);
  const deps = { clock: systemClock, log: silentLogger, random: seededRandom(1) };
  const driver = channel!.driver.create(channel!.options, deps);
  let records = 0;
  const events = { onRecord: () => void records++, onHealth() {} };
  const poller = new Poller(channel!, driver, { ...deps, simulated: false }, events);
  const stop = new AbortController();
  const running = poller.run(stop.signal);
  return {
    probe: createProber(() => [{ poller, driver }], stop.signal),
    poller,
    records: () => records,
    async stop() {
      stop.abort();
      await running;
    },
  };
}

describe('reading what no tag names while the channel polls', () => {
  it('goes between its requests, which go on', async () => {
    const server = await serveMeter();
    const gateway = await polling(server.port);
    await until(() => gateway.records() > 2);
    expect(await gateway.probe('plc', BLOCK, signal)).toEqual({ ok: true, items: [0, 0] });
    expect(await gateway.probe('plc', { ...BLOCK, start: 118 }, signal)).toMatchObject({ why: 'illegal-address' });
    const before = gateway.records();
    await until(() => gateway.records() > before + 2);
    await gateway.stop();
    await server.close();
  });

  it('says what there is when the channel is not there, and why when it is not connected', async () => {
    const server = await serveMeter();
    await server.close();
    const gateway = await polling(server.port);
    await expect(gateway.probe('line-z', BLOCK, signal)).rejects.toMatchObject({
      message: 'there is no channel "line-z". There is: plc.',
      code: 2,
    });
    await until(() => gateway.poller.state.state === 'waiting');
    await expect(gateway.probe('plc', BLOCK, signal)).rejects.toMatchObject({ code: 69 });
    await gateway.stop();
  });
});
