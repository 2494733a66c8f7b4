/** The driver type `i2c`. */
import { byDevice, type Tag } from '../driver.ts';
import type { DriverDeps, DriverType, PlanEstimate } from '../driver-type.ts';
import { Bus } from './bus.ts';
import { chipNamed } from './chips/all.ts';
import { I2cDriver } from './driver.ts';
import {
  article,
  checkI2cChannel,
  checkI2cDevice,
  checkI2cTag,
  describeI2cAddress,
  type I2cAddress,
  type I2cChannel,
  i2cChannelShape,
  i2cDeviceShape,
  i2cTagShape,
} from './options.ts';
import { kernelWire, type OpenWire } from './wire.ts';

/** Sensors on an I²C bus of this machine. */
export const i2c: DriverType<I2cChannel, I2cAddress> = {
  type: 'i2c',
  simulated: false,
  channelShape: i2cChannelShape,
  deviceShape: i2cDeviceShape,
  tagShape: i2cTagShape,
  checkChannel: checkI2cChannel,
  checkDevice: checkI2cDevice,
  checkTag: checkI2cTag,
  describeAddress: describeI2cAddress,
  whyReadOnly,
  isEventful: () => false,
  placeOf: ({ bus }) => ({ kind: 'i2c', path: `/dev/i2c-${bus}` }),
  stationOf: ({ timeoutMs }, { unit }) => ({ text: `0x${unit.toString(16)}`, timeoutMs }),
  estimate: estimateI2c,
  create: (channel, deps) => createI2c(channel, kernelWire(channel.bus), deps),
};

function whyReadOnly({ chip, direction }: I2cAddress): string | undefined {
  if (direction === 'output' || chip === 'registers') return undefined;
  if (direction === 'input')
    return 'the pin is an input, which can only be read: write direction: output, or remove writable';
  return `${article(chip)} only measures, and nothing can be written to it: remove writable`;
}

/** The driver of a bus that `openWire` opens; nothing is opened before `connect`. */
export function createI2c(channel: I2cChannel, openWire: OpenWire, deps: DriverDeps): I2cDriver {
  const { bus, timeoutMs, retries } = channel;
  return new I2cDriver(new Bus({ name: `/dev/i2c-${bus}`, timeoutMs, retries }, openWire, deps.clock), deps);
}

/** One request a device: its conversion and the bytes at 100 kHz. */
function estimateI2c(_channel: I2cChannel, tags: readonly Tag<I2cAddress>[]): PlanEstimate {
  return {
    requests: byDevice(tags).map((group) => {
      const { device, address } = group[0]!;
      const { chip, options, unit } = address;
      const lineMs = chipNamed(chip)!.readMs(
        options,
        group.map(({ address }) => address),
      );
      return { device, text: `${chip} at 0x${unit.toString(16)}`, tags: group.map(({ id }) => id), lineMs };
    }),
  };
}
