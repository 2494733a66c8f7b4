/** The options of I²C channels, devices and tags. */
import { z } from 'zod';
import { type Checked, failed, lazily, type Problem, passed } from '../../src/core/checked.ts';
import { durationField } from '../../src/core/fields.ts';
import { andList, hint, orList } from '../../src/core/suggest.ts';
import type { DefaultTags, TagSource } from '../driver-type.ts';
import { type ChipOptions, type Place, REGISTER_TYPES } from './chip.ts';
import { CHIPS, chipNamed } from './chips/all.ts';
import { hex } from './fault.ts';

/** An I²C channel, complete. */
export interface I2cChannel {
  /** N of `/dev/i2c-N`. */
  readonly bus: number;
  readonly timeoutMs: number;
  readonly retries: number;
}

/** Where a tag is: device address, chip with its options, and which of its values. */
export interface I2cAddress extends Place {
  readonly unit: number;
  readonly chip: string;
  readonly options: ChipOptions;
}

const NAMES = CHIPS.map(({ name }) => name) as [string, ...string[]];

/** A number out of a list, as zod wants it. */
function numberOf(values: readonly number[], description: string) {
  return z
    .literal([...values], { error: `expected ${orList(values.map(String))}` })
    .optional()
    .describe(description);
}

/** Keys of an `i2c` channel. */
export const i2cChannelShape = lazily(() => ({
  bus: z
    .int({ error: 'expected the number of the bus: 1 for /dev/i2c-1' })
    .min(0)
    .max(255)
    .describe('Number of the bus: 1 for /dev/i2c-1.'),
  timeout: durationField('Longest wait for one transfer. Default: 500ms.', { min: '5ms', max: '10s' }).optional(),
  retries: z
    .int({ error: 'expected a whole number from 0 to 10' })
    .min(0)
    .max(10)
    .optional()
    .describe('How often a transfer is made again that went wrong. Default: 1.'),
}));

/** Keys of a device on it. */
export const i2cDeviceShape = lazily(() => ({
  unit: z
    .int({ error: 'expected the I²C address of the device, such as 0x48' })
    .min(0x03, 'I²C addresses go from 0x03 to 0x77: write the one that is set on the board')
    .max(
      0x77,
      'I²C addresses go from 0x03 to 0x77: write the one that is set on the board; one that includes the read/write bit has to be halved',
    )
    .describe('I²C address, 7 bits, such as 0x48.'),
  chip: z
    .enum(NAMES, {
      error: ({ input }) =>
        typeof input === 'string'
          ? `there is no chip ${JSON.stringify(input.slice(0, 60))}${hint(input, NAMES, 'the chips are')}`
          : `expected the kind of chip: ${orList(NAMES)}; registers is for any chip that is not in the list`,
    })
    .describe('Kind of chip; registers is for any that is not in the list.'),
  oversampling: numberOf([1, 2, 4, 8, 16], 'bme280, bmp280: samples averaged in the chip. Default: 1.'),
  repeatability: z
    .enum(['high', 'medium', 'low'], { error: 'expected high, medium or low' })
    .optional()
    .describe('sht3x: quiet or quick. Default: high.'),
  fullScale: numberOf([6.144, 4.096, 2.048, 1.024, 0.512, 0.256], 'ads1115: range, ± V. Default: 2.048.'),
  samplesPerSecond: numberOf([8, 16, 32, 64, 128, 250, 475, 860], 'ads1115: speed of conversion. Default: 128.'),
  shunt: z
    .number({ error: 'expected the resistance of the shunt in Ω, such as 0.1' })
    .positive('the shunt has more than 0 Ω')
    .max(1000)
    .optional()
    .describe('ina219, ina226: resistance of the shunt, Ω. Default: 0.1.'),
  rate: numberOf([100, 200, 400, 800], 'adxl345: samples a second. Default: 800.'),
  samples: numberOf([128, 256, 512, 1024], 'adxl345: samples of one window. Default: 512.'),
  pointer: numberOf([8, 16], 'registers: bits of a register number. Default: 8.'),
}));

/** Keys of its tags. */
export const i2cTagShape = lazily(() => ({
  address: z
    .union([z.string(), z.int().min(0).max(0xffff)], {
      error: 'expected a value of the chip, or a register such as "0x10"',
    })
    .optional()
    .describe('Which value of the chip; default: the name of the tag. With registers: its number, "0x10" or "0x10.3".'),
  type: z
    .enum(REGISTER_TYPES, { error: `expected ${orList(REGISTER_TYPES)}` })
    .optional()
    .describe('registers: type of the value. Default: uint8, and bool for a bit.'),
  order: z
    .enum(['big', 'little'], { error: 'expected big (high byte first) or little' })
    .optional()
    .describe('registers: which byte comes first. Default: big.'),
  direction: z.enum(['input', 'output']).optional().describe('mcp23017: direction of the pin. Default: input.'),
  activeLow: z.boolean().optional().describe('mcp23017: on is the low level. Default: false.'),
  bias: z.enum(['pull-up', 'none']).optional().describe('mcp23017: pull-up of an input. Default: none.'),
}));

/** Keys of the shape that only some chips know. */
const chipKeys = lazily(() => Object.keys(i2cDeviceShape()).filter((key) => key !== 'unit' && key !== 'chip'));
const chipTagKeys = lazily(() => Object.keys(i2cTagShape()).filter((key) => key !== 'address'));

/** Completes a channel. */
export function checkI2cChannel(options: Record<string, unknown>): Checked<I2cChannel> {
  const { bus, timeout = 500, retries = 1 } = options as { bus: number; timeout?: number; retries?: number };
  return passed({ bus, timeoutMs: timeout, retries });
}

/** Checks a device against its chip, and gives the chip's tags. */
export function checkI2cDevice(options: Record<string, unknown>): Checked<DefaultTags> {
  const chip = chipNamed(options.chip);
  if (!chip) return failed(['chip'], `is missing: write chip: and its kind: ${orList(NAMES)}`);
  const problems = foreign(options, chipKeys(), chip.deviceKeys, ({ deviceKeys }) => deviceKeys, chip.name);
  const unit = options.unit as number;
  if (!chip.addresses.includes(unit)) {
    const possible = orList(chip.addresses.map((address) => hex(address)));
    problems.push({
      path: ['unit'],
      message: `${article(chip.name)} can only be at ${possible}; got ${hex(unit)}: write the one that is set on the board`,
    });
  }
  if (problems.length > 0) return { ok: false, problems };
  const tags = Object.entries(chip.quantities(options)).map(([name, quantity]) => [name, { ...quantity }]);
  return passed(Object.fromEntries(tags));
}

/** Checks one tag and gives its complete address. */
export function checkI2cTag(source: TagSource<Record<string, unknown>>): Checked<I2cAddress> {
  const { options, deviceOptions, name } = source;
  const chip = chipNamed(deviceOptions.chip);
  if (!chip) return failed(['chip'], `is missing: write chip: and its kind: ${orList(NAMES)}`);
  const problems = foreign(options, chipTagKeys(), chip.tagKeys, ({ tagKeys }) => tagKeys, chip.name);
  const place = chip.checkPlace(String(options.address ?? name), options, deviceOptions);
  if (!place.ok) problems.push(...place.problems);
  if (!place.ok || problems.length > 0) return { ok: false, problems };
  const own = Object.fromEntries(chip.deviceKeys.map((key) => [key, deviceOptions[key]]));
  return passed({ ...place.value, unit: deviceOptions.unit as number, chip: chip.name, options: own });
}

/** Keys that belong to other chips. */
function foreign(
  options: Record<string, unknown>,
  keys: readonly string[],
  known: readonly string[],
  keysOf: (chip: (typeof CHIPS)[number]) => readonly string[],
  name: string,
): Problem[] {
  return keys
    .filter((key) => options[key] !== undefined && !known.includes(key))
    .map((key) => {
      const owners = CHIPS.filter((chip) => keysOf(chip).includes(key)).map((chip) => chip.name);
      const whose = owners.length === 1 ? `the chip ${owners[0]}` : `the chips ${andList(owners)}`;
      const message =
        key === 'type'
          ? `type is only for devices with chip: registers, and the types of ${article(name)} are fixed: remove type`
          : `${key} is for ${whose}, and this device is ${article(name)}: remove ${key}`;
      return { path: [key], message };
    });
}

/** `a bme280`, `an ina219`, as it is spoken. */
export function article(name: string): string {
  if (name === 'registers') return 'one with chip: registers';
  return `${/^[ailms]/.test(name) ? 'an' : 'a'} ${name}`;
}

/** A line for a technician: `bme280 at 0x76: temperature`. */
export function describeI2cAddress({ chip, unit, quantity, type, order }: I2cAddress): string {
  const form = chip === 'registers' ? `, ${type}${order === 'little' ? ' little-endian' : ''}` : '';
  const remark = chip === 'adxl345' ? ' (indicative)' : '';
  return `${chip} at ${hex(unit)}: ${quantity}${form}${remark}`;
}
