import { z } from 'zod';
import type { Driver, ReadResult, Tag } from '../../../hal/driver.ts';
import { mock } from '../../../hal/mock/mock.ts';
import type { MockAddress, MockChannel } from '../../../hal/mock/options.ts';
import { type ModbusAddress, PLAIN } from '../../../hal/modbus/map/address.ts';
import type { Checked } from '../../../src/core/checked.ts';

/** The value of a check that must pass. */
export function must<T>(checked: Checked<T>): T {
  if (checked.ok) return checked.value;
  throw new Error(checked.problems.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'));
}

/** A mock channel from what a technician writes. */
export function mockChannel(written: Record<string, unknown> = {}): MockChannel {
  return must(mock.checkChannel(z.strictObject(mock.channelShape()).parse(written)));
}

/** A mock tag from what a technician writes. */
export function mockTag(
  id: string,
  written: Record<string, unknown>,
  deviceWritten: Record<string, unknown> = {},
): Tag<MockAddress> {
  const [device, name] = id.split('/') as [string, string];
  const options = z.strictObject(mock.tagShape()).parse(written);
  const deviceOptions = z.strictObject(mock.deviceShape()).parse(deviceWritten);
  return {
    id,
    device,
    name,
    address: must(mock.checkTag({ id, device, name, options, deviceOptions }, mockChannel())),
  };
}

/** A Modbus address with the usual defaults. */
export function register(given: Partial<ModbusAddress>): ModbusAddress {
  return {
    unit: 1,
    table: 'holding',
    start: 0,
    count: 1,
    type: 'uint16',
    order: 'ABCD',
    ...PLAIN,
    ...given,
  };
}

/** The values read, or the reasons why there is none. */
export function told(results: readonly ReadResult[]): unknown[] {
  return results.map((result) => (result.ok ? result.value : result.why));
}

/** A signal that is never aborted. */
export const never = new AbortController().signal;

/** Connects, or fails the test. */
export async function connected<D extends Driver>(driver: D): Promise<D> {
  await driver.connect(never);
  return driver;
}
