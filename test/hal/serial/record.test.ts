import { describe, expect, it } from 'vitest';
import type { Driver } from '../../../hal/driver.ts';
import { SerialLineDriver } from '../../../hal/serial/driver.ts';
import type { SerialLineChannel } from '../../../hal/serial/options.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { DeviceRecord } from '../../../src/core/reading.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { Poller } from '../../../src/poll/poller.ts';
import { configured } from '../../double/configured.ts';
import { otherEnd } from '../../double/serial-line.ts';

const FILE = [
  'channels:',
  '  scales: {driver: serial-line, port: /dev/ttyACM0}',
  'devices:',
  "  gauge: {channel: scales, tags: {weight: {pattern: ',(?<value>[0-9.]+)kg', unit: kg}, state: {pattern: '^(?<value>ST|US)', type: text}}}",
  '',
].join('\n');

describe('a line that comes by itself', () => {
  it('is one record with all its values; when the port is pulled out, every value is bad; plugged in, it goes on', async () => {
    const [channel] = configured(FILE);
    const clock = new SimulatedClock();
    const end = otherEnd();
    const deps = { clock, log: silentLogger, random: seededRandom(1), simulated: false };
    const driver = new SerialLineDriver(channel!.options as SerialLineChannel, end.transport, deps);
    const records: DeviceRecord[] = [];
    const events = { onRecord: (record: DeviceRecord) => records.push(record), onHealth() {} };
    const poller = new Poller(channel!, driver as unknown as Driver, deps, events);
    const stop = new AbortController();
    const running = poller.run(stop.signal);
    const shown = () =>
      records.splice(0).map(({ fields }) => [...fields].map((field) => ('value' in field ? field.value : field.why)));

    await clock.advance(1000);
    end.say('ST,12.5kg\r\nUS,12.6kg\r\n');
    await clock.advance(1);
    expect(shown()).toEqual([
      [12.5, 'ST'],
      [12.6, 'US'],
    ]);

    end.unplug();
    await clock.advance(1);
    expect(shown()).toEqual([['not-connected', 'not-connected']]);
    await clock.advance(10_000);
    end.say('ST,1.5kg\r\n');
    await clock.advance(1);
    expect(shown()).toEqual([[1.5, 'ST']]);

    stop.abort();
    await clock.advance(10);
    await running;
    expect(clock.waiting).toBe(0);
  });
});
