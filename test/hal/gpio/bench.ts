import { z } from 'zod';
import type { ReadResult, Tag } from '../../../hal/driver.ts';
import { chardevPort } from '../../../hal/gpio/chardev.ts';
import { GpioDriver } from '../../../hal/gpio/driver.ts';
import { gpio } from '../../../hal/gpio/gpio.ts';
import type { GpioAddress, GpioChannel } from '../../../hal/gpio/options.ts';
import type { GpioPort } from '../../../hal/gpio/port.ts';
import { sysfsPort } from '../../../hal/gpio/sysfs.ts';
import type { Checked } from '../../../src/core/checked.ts';
import type { Logger } from '../../../src/core/log.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { type ChipDouble, gpioKernelDouble, type Wires } from '../../double/gpio-kernel.ts';
import { gpioSysfsDouble } from '../../double/gpio-sysfs.ts';

/** A Pi's header chip with names, and a second chip without. */
export const CHIPS: readonly ChipDouble[] = [
  { label: 'pinctrl-bcm2711', lines: 28, names: Array.from({ length: 28 }, (_, offset) => `GPIO${offset}`) },
  { label: 'expander', lines: 8 },
];

/** One machine with lines, and the port to them. */
export interface World {
  readonly clock: SimulatedClock;
  readonly wires: Wires;
  readonly port: GpioPort;
  remove(): void;
}

/** Where the kernel's clock stands when the gateway's begins: they never agree. */
const UPTIME_MS = 86_400_000;

/** The same machine by each backend; for sysfs the chips begin at 512, as on kernels since 6.6. */
export const WORLDS: Record<GpioPort['backend'], () => World> = {
  chardev() {
    const clock = new SimulatedClock();
    const wires = gpioKernelDouble(CHIPS, () => UPTIME_MS + clock.monoMs());
    return { clock, wires, port: chardevPort(wires), remove: () => {} };
  },
  sysfs() {
    const clock = new SimulatedClock();
    const wires = gpioSysfsDouble(CHIPS, [512, 540], () => UPTIME_MS + clock.monoMs());
    return { clock, wires, port: sysfsPort(wires), remove: () => wires.remove() };
  },
};

/** What a check gave, which must pass. */
function must<T>(checked: Checked<T>): T {
  if (checked.ok) return checked.value;
  throw new Error(checked.problems.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'));
}

/** A channel from what a technician writes. */
export function gpioChannel(written: Record<string, unknown> = {}): GpioChannel {
  return must(gpio.checkChannel(z.strictObject(gpio.channelShape()).parse(written)));
}

/** The check of a tag as a technician writes it. */
export function checkTag(written: Record<string, unknown>, channel = gpioChannel()): Checked<GpioAddress> {
  const options = z.strictObject(gpio.tagShape()).parse(written);
  return gpio.checkTag({ id: 'door/x', device: 'door', name: 'x', options, deviceOptions: {} }, channel);
}

/** A tag of the device `door` from what a technician writes. */
export function gpioTag(name: string, written: Record<string, unknown>): Tag<GpioAddress> {
  return { id: `door/${name}`, device: 'door', name, address: must(checkTag(written)) };
}

/** A driver on a world, with what it put into the log. */
export function driverOn(
  { clock, port }: World,
  { learned, chip = 'auto' }: { learned?: unknown; chip?: string } = {},
): { driver: GpioDriver; log: string[] } {
  const log: string[] = [];
  const write = (line: string): void => void log.push(line);
  const logger: Logger = { debug: write, info: write, warn: write, error: write, scoped: () => logger };
  return { driver: new GpioDriver(gpioChannel({ chip }), { clock, log: logger, learned }, async () => port), log };
}

/** A signal that is never aborted. */
export const never = new AbortController().signal;

/** Value, doubt or reason of each result. */
export function told(results: readonly ReadResult[]): unknown[] {
  return results.map((result) => {
    if (!result.ok) return result.why;
    return result.doubt ? { value: result.value, doubt: result.doubt } : result.value;
  });
}
