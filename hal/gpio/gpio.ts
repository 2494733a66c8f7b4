/** The driver type `gpio`: picks the interface that this machine has. */
import { existsSync } from 'node:fs';
import { messageOf } from '../../src/core/errors.ts';
import { byDevice } from '../driver.ts';
import type { DriverType } from '../driver-type.ts';
import { chardevPort, hasChardev, ownerOf } from './chardev.ts';
import { GpioDriver } from './driver.ts';
import { type GpioKernel, linuxKernel } from './kernel.ts';
import {
  type Backend,
  checkGpioChannel,
  checkGpioTag,
  describeGpioAddress,
  type GpioAddress,
  type GpioChannel,
  gpioChannelShape,
  gpioTagShape,
} from './options.ts';
import { type GpioPort, LineFault } from './port.ts';
import { onoffWorld, SYSFS_ROOT, sysfsPort } from './sysfs.ts';

/** Time to read one line, ms: a system call. */
const LINE_MS = 0.01;

/** `driver: gpio`: digital inputs, counters and outputs of this machine. */
export const gpio: DriverType<GpioChannel, GpioAddress> = {
  type: 'gpio',
  simulated: false,
  channelShape: gpioChannelShape,
  deviceShape: () => ({}),
  tagShape: gpioTagShape,
  checkChannel: checkGpioChannel,
  checkTag: checkGpioTag,
  whyReadOnly: ({ direction }) =>
    direction === 'input' ? 'an input can only be read: write direction: output, or remove writable' : undefined,
  describeAddress: describeGpioAddress,
  formOf: ({ type }) => (type === 'bool' ? 'bool' : 'number'),
  isEventful: (address) => address.direction === 'input' && address.measure === 'state',
  estimate: (_channel, tags) => ({
    requests: byDevice(tags).map((group) => ({
      device: group[0]!.device,
      text: `${group.length} lines`,
      tags: group.map(({ id }) => id),
      lineMs: group.length * LINE_MS,
    })),
  }),
  placeOf: ({ chip, backend }) => ({ kind: 'gpio', chip, backend }),
  create: (channel, deps) => new GpioDriver(channel, deps, () => openPort(channel.backend)),
};

/** The best way to the lines of this machine, or the one that was asked for. Rejects with `LineFault`. */
async function openPort(backend: Backend): Promise<GpioPort> {
  const kernel = await linuxKernel().catch((error: unknown) => messageOf(error));
  if (backend !== 'sysfs' && typeof kernel !== 'string' && hasChardev(kernel)) return chardevPort(kernel);
  if (backend === 'chardev') throw new LineFault('unsupported', noChardev(kernel));
  if (!existsSync(SYSFS_ROOT)) {
    const other = backend === 'auto' ? `; ${noChardev(kernel)}` : '. Use backend: chardev';
    throw new LineFault('unsupported', `this kernel has no ${SYSFS_ROOT}${other}`);
  }
  const owner =
    typeof kernel === 'string' ? undefined : (label: string, offset: number) => ownerOf(kernel, label, offset);
  try {
    return sysfsPort(await onoffWorld(owner));
  } catch (error) {
    throw new LineFault('unsupported', `onoff cannot be loaded (${messageOf(error)}). Run npm rebuild onoff epoll`, {
      cause: error,
    });
  }
}

function noChardev(kernel: GpioKernel | string): string {
  if (typeof kernel === 'string') return `koffi cannot be loaded (${kernel}). Install it again: npm install koffi`;
  return (
    'there is no GPIO character device of version 2, which Linux has since 5.10. ' +
    'Is a GPIO chip there (ls /dev/gpiochip*)? If not, enable it in the device tree or plug it in'
  );
}
