import { z } from 'zod';
import type { ReadResult, Tag } from '../../hal/driver.ts';
import { type I2cAddress, type I2cChannel, i2cDeviceShape } from '../../hal/i2c/options.ts';
import { createI2c, i2c } from '../../hal/i2c/types.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { type FakeBus, type FakeDevice, fakeBus } from './i2c-bus.ts';

const CHANNEL: I2cChannel = { bus: 1, timeoutMs: 100, retries: 1 };

/** A tag of a device, by the words of a configuration file. */
export function i2cTag(
  device: string,
  deviceOptions: Record<string, unknown>,
  name: string,
  options: Record<string, unknown> = {},
): Tag<I2cAddress> {
  const parsed = z.strictObject(i2cDeviceShape()).parse(deviceOptions);
  const checked = i2c.checkTag({ id: `${device}/${name}`, device, name, options, deviceOptions: parsed }, CHANNEL);
  if (!checked.ok) throw new Error(checked.problems.map(({ message }) => message).join('; '));
  return { id: `${device}/${name}`, device, name, address: checked.value };
}

/** Lets a simulated clock run until a promise is settled; at most `limitMs`. */
export async function settled<T>(clock: SimulatedClock, promise: Promise<T>, limitMs = 60_000): Promise<T> {
  let isOver = false;
  const ending = promise.finally(() => {
    isOver = true;
  });
  ending.catch(() => {});
  const endMs = clock.monoMs() + limitMs;
  for (;;) {
    await clock.advance(0);
    if (isOver) return ending;
    const dueMs = clock.nextDueMs;
    if (dueMs === undefined || dueMs > endMs) throw new Error('nothing more happens, and the promise is not settled');
    await clock.advance(dueMs - clock.monoMs());
  }
}

/** A bench: a driver on a fake bus with a simulated clock. */
export async function i2cBench(devicesOf: (clock: SimulatedClock) => Record<number, FakeDevice>) {
  const clock = new SimulatedClock();
  const bus: FakeBus = fakeBus(clock, devicesOf(clock));
  const driver = createI2c(CHANNEL, bus.open, { clock, log: silentLogger, random: seededRandom(1) });
  const { signal } = new AbortController();
  await driver.connect(signal);
  const read = (tags: readonly Tag<I2cAddress>[]): Promise<readonly ReadResult[]> =>
    settled(clock, driver.read(tags, signal));
  return { clock, bus, driver, signal, read };
}

/** The value of a result, or why there is none. */
export function said(result: ReadResult | undefined): unknown {
  return result?.ok ? result.value : result?.why;
}
