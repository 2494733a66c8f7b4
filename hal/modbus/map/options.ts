/** The options of Modbus devices and tags. */
import { z } from 'zod';
import { type Checked, failed, lazily, type Problem, passed } from '../../../src/core/checked.ts';
import { durationField } from '../../../src/core/fields.ts';
import { hint, orList } from '../../../src/core/suggest.ts';
import type { TagSource } from '../../driver-type.ts';
import {
  LAST_ADDRESS,
  type Location,
  MODBUS_TYPES,
  type ModbusAddress,
  type ModbusType,
  ORDERS,
  type Order,
  parseLocation,
  registersOf,
  unquoted,
} from './address.ts';

/** What PLC programs call the types. */
const PLC_TYPES: Readonly<Record<string, ModbusType>> = {
  real: 'float32',
  float: 'float32',
  lreal: 'float64',
  double: 'float64',
  int: 'int16',
  sint: 'int8',
  usint: 'uint8',
  byte: 'uint8',
  word: 'uint16',
  uint: 'uint16',
  dint: 'int32',
  long: 'int32',
  dword: 'uint32',
  udint: 'uint32',
  lint: 'int64',
  lword: 'uint64',
  ulint: 'uint64',
  boolean: 'bool',
  bit: 'bool',
  text: 'string',
};

const typeField = lazily(() =>
  z.enum(MODBUS_TYPES, {
    error: ({ input }) => {
      if (typeof input !== 'string') return `expected ${orList(MODBUS_TYPES)}`;
      const absent = `there is no type ${JSON.stringify(input.slice(0, 60))}`;
      const meant = PLC_TYPES[input.toLowerCase()];
      if (meant !== undefined) return `${absent}: what PLC programs call ${input} is ${meant} here: write ${meant}`;
      return absent + hint(input, MODBUS_TYPES, 'the types are');
    },
  }),
);
const orderField = lazily(() =>
  z.enum(ORDERS, {
    error:
      'expected ABCD (the order of the standard, A the highest byte), CDAB (words swapped), BADC (bytes swapped) or DCBA (both)',
  }),
);

const patternField = lazily(() =>
  z.union([z.int(), z.string()], {
    error: 'expected a whole number such as 0x8000; write more than 53 bits in quotes: "0x8000000000000000"',
  }),
);

/** Unasked registers that a request may span where nothing else is configured: two requests cost more on most lines. */
const DEFAULT_MAX_GAP = 16;

/** `maxGap` of a channel or a device. */
export const maxGapField = lazily(() =>
  z
    .int({ error: 'expected a whole number from 0 to 124' })
    .min(0, 'expected a whole number from 0 to 124; 0 means none')
    .max(124, 'one request reads at most 125 registers, so that a gap cannot be wider than 124: write 124 or less')
    .optional(),
);

/** `maxRegisters` of a channel or a device. */
export const maxRegistersField = lazily(() =>
  z
    .int({ error: 'expected a whole number from 1 to 125' })
    .min(1, 'expected a whole number from 1 to 125')
    .max(125, 'Modbus allows at most 125 registers per request: write 125 or less')
    .optional(),
);

/** What a channel says of its devices as long as they do not say otherwise. */
interface ChannelLimits {
  readonly maxGap?: number | undefined;
  readonly maxRegisters?: number | undefined;
}

function noSuchUnit({ input }: { readonly input?: unknown }): string {
  return `unit ids go from 0 to 255; got ${String(input)}: write the one set on the device`;
}

/** @param expected what to say where there is no number */
function unitField(expected: string) {
  return z
    .int({ error: expected })
    .min(0, { error: noSuchUnit })
    .max(255, { error: noSuchUnit })
    .describe('Unit id: 1 to 247 on a serial line. A Modbus TCP device that has none usually answers to 1, 255 or 0.');
}

/** Keys of a device on a Modbus channel. */
export const modbusDeviceShape = lazily(() => ({
  unit: unitField(
    'expected the unit id (station address) of the device, 1 to 247; a Modbus TCP device without one usually answers to 1, 255 or 0',
  ),
  timeout: durationField('Longest wait for one answer of this device; default: the timeout of its channel.', {
    min: '1ms',
    max: '60s',
  }).optional(),
  maxGap: maxGapField().describe(
    'Most registers that nobody asked for and that one request may span; 0: none. Default: that of the channel, else 16.',
  ),
  maxRegisters: maxRegistersField().describe(
    'Most registers this device answers in one request. Default: that of the channel, else 125.',
  ),
  maxBits: z
    .int({ error: 'expected a whole number from 1 to 2000' })
    .min(1, 'expected a whole number from 1 to 2000')
    .max(2000, 'Modbus allows at most 2000 bits per request: write 2000 or less')
    .optional()
    .describe('Most coils or discrete inputs this device answers in one request; default 2000.'),
  writeFunction: z
    .enum(['auto', 'single', 'multiple'], {
      error: 'expected auto, single (functions 5 and 6) or multiple (15 and 16)',
    })
    .optional()
    .describe(
      'Functions it is written by. single: 5 and 6, each register by itself; multiple: 15 and 16; auto: whichever it knows. Default: auto.',
    ),
  order: orderField().optional().describe('Byte order of its tags unless they say otherwise; default ABCD.'),
}));

/** The same on a serial line. */
export const rtuDeviceShape = lazily(() => ({
  ...modbusDeviceShape(),
  unit: unitField('expected the unit id (station address) set on the device, 1 to 247'),
}));

/** Keys of a tag on a Modbus channel. */
export const modbusTagShape = lazily(() => ({
  address: z
    .string({
      error: (issue) =>
        typeof issue.input === 'number'
          ? unquoted(issue.input)
          : 'expected an address such as "holding:100" or "40101"',
    })
    .describe(
      'coil:N, discrete:N, input:N or holding:N with the protocol address N from 0; holding:N.B for a bit, holding:N.B-C for bits B to C; or a quoted Modicon number such as "40001".',
    ),
  type: typeField().optional().describe('Default: bool for coils, discrete inputs and bits, uint16 for registers.'),
  order: orderField().optional().describe('Order of the bytes on the wire; default: that of the device, else ABCD.'),
  length: z
    .int({ error: 'expected the registers of the text, 1 to 125' })
    .min(1, 'expected the registers of the text, 1 to 125')
    .max(125, 'expected the registers of the text, 1 to 125')
    .optional()
    .describe('Registers of a string (two characters each, or one).'),
  characters: z
    .literal([1, 2], { error: 'expected 1 or 2 characters a register' })
    .optional()
    .describe('Characters in each register of a string. Default: two, or one where the text that is read shows it.'),
  invalid: z
    .union([patternField(), z.array(patternField()).max(16, 'at most 16 patterns')], {
      error: 'expected a raw bit pattern such as 0x8000, or a list of them',
    })
    .optional()
    .describe('Raw values that mean "no value", compared before scaling: numbers, or text for more than 53 bits.'),
  scaleFrom: z
    .string({ error: 'expected the name of the tag that holds the scale factor' })
    .optional()
    .describe('SunSpec: the tag (int16, same device and table) whose value is the power of ten of this one.'),
}));

/**
 * Checks one tag and gives its complete address. `options` and `deviceOptions` are validated by the shapes above.
 *
 * @param channel what the channel says of all its devices
 * @returns the address, or every problem, each at the key it belongs to and with what to write instead
 */
export function checkModbusTag(
  source: TagSource<Record<string, unknown>>,
  channel: ChannelLimits = {},
): Checked<ModbusAddress> {
  const { options, deviceOptions } = source;
  const problems: Problem[] = [];
  const { unit } = deviceOptions;
  const location = parseLocation(options.address);
  if (!location.ok) return { ok: false, problems: [...problems, ...location.problems] };
  const { table, start, bit, bits } = location.value;

  const form = checkForm(location.value, options);
  if (!form.ok) return { ok: false, problems: [...problems, ...form.problems] };
  const { type, count } = form.value;
  const invalid = parseInvalid(options.invalid, type, bits);
  if (!invalid.ok) problems.push(...invalid.problems);
  if (start + count - 1 > LAST_ADDRESS) {
    problems.push({
      path: ['address'],
      message: `${type} at ${table}:${start} needs ${count} registers, and the last register is ${LAST_ADDRESS}: write an address up to ${LAST_ADDRESS + 1 - count}`,
    });
  }

  const address: ModbusAddress = {
    unit: typeof unit === 'number' ? unit : 0,
    table,
    start,
    count,
    type,
    order: orderOf(options.order) ?? orderOf(deviceOptions.order) ?? 'ABCD',
    bit,
    ...(bits !== undefined && { bits }),
    ...(isWriteFunction(deviceOptions.writeFunction) && { writeFunction: deviceOptions.writeFunction }),
    ...(options.characters !== undefined && { characters: options.characters === 1 ? 1 : 2 }),
    invalid: invalid.ok ? invalid.value : [],
    timeoutMs: numberOf(deviceOptions.timeout),
    maxRegisters: numberOf(deviceOptions.maxRegisters) ?? channel.maxRegisters,
    maxBits: numberOf(deviceOptions.maxBits),
    maxGap: numberOf(deviceOptions.maxGap) ?? channel.maxGap ?? DEFAULT_MAX_GAP,
  };
  const scaled = checkScale(source, address);
  if (!scaled.ok) problems.push(...scaled.problems);
  else problems.push(...checkSize(scaled.value));
  return scaled.ok && problems.length === 0 ? scaled : { ok: false, problems };
}

/**
 * Checks a device on a serial line, which has units 1 to 247 only (Modbus over Serial Line V1.02, 2.2); TCP may use 0 to
 * 255. Gives no tags: a Modbus device does not know any by itself.
 */
export function checkSerialDevice({ unit }: Record<string, unknown>): Checked<Record<string, never>> {
  if (typeof unit !== 'number' || (unit >= 1 && unit <= 247)) return passed({});
  const why = unit === 0 ? 'is the broadcast address, which no device answers' : 'is reserved on a serial line';
  return failed(['unit'], `unit ${unit} ${why}: write the unit id set on the device, 1 to 247`);
}

/** The type and the registers of the value, from the address's form, `type` and `length`. */
function checkForm(
  { table, start, bit, bits }: Location,
  options: Record<string, unknown>,
): Checked<{ type: ModbusType; count: number }> {
  const isBitTable = table === 'coil' || table === 'discrete';
  const isOneBit = isBitTable || (bit !== undefined && bits === undefined);
  const type = typeOf(options.type) ?? (isOneBit ? 'bool' : 'uint16');
  const length = numberOf(options.length);
  if (isBitTable && type !== 'bool') {
    return failed(
      ['type'],
      `a ${table} is one bit and so a bool, not ${type}: did you mean holding:${start} or input:${start}?`,
    );
  }
  if (bits !== undefined) return checkBits(type, bits);
  if (type === 'int8' || type === 'uint8') {
    return failed(
      ['type'],
      `${type} is half a register: write "${table}:${start}.0-7" for its low byte, or "${table}:${start}.8-15" for its high byte`,
    );
  }
  if (bit !== undefined && type !== 'bool') {
    return failed(
      ['type'],
      `one bit is a bool, not ${type}: remove type, or remove ".${bit}" from the address to read the whole register`,
    );
  }
  if (!isBitTable && bit === undefined && type === 'bool') {
    return failed(
      ['type'],
      `a register has 16 bits, and which one is meant is not said: write "${table}:${start}.0" for the lowest bit, or type: uint16 for the whole register`,
    );
  }
  if (type === 'string' && length === undefined) {
    return failed(['length'], 'a string needs its length in registers (two characters each), such as length: 8');
  }
  if (type !== 'string' && length !== undefined) {
    return failed(
      ['length'],
      `length is for type: string, and ${type.startsWith('i') ? 'an' : 'a'} ${type} always has the same length: remove length`,
    );
  }
  if (type !== 'string' && options.characters !== undefined) {
    return failed(
      ['characters'],
      `characters is for type: string, and this is ${type.startsWith('i') ? 'an' : 'a'} ${type}: remove characters`,
    );
  }
  return passed({ type, count: length ?? registersOf(type) });
}

/** A range of bits is a whole number, signed or not. */
function checkBits(type: ModbusType, bits: number): Checked<{ type: ModbusType; count: number }> {
  if ((type === 'int8' || type === 'uint8') && bits !== 8)
    return failed(['type'], `${type} has 8 bits and the address names ${bits}: write ${type.replace('8', '16')}`);
  if (!['int8', 'uint8', 'int16', 'uint16'].includes(type))
    return failed(
      ['type'],
      `${bits} bits of a register make a whole number: write uint16, or int16 when it has a sign`,
    );
  return passed({ type, count: 1 });
}

/** Resolves `scaleFrom` into the register it names. */
function checkScale(source: TagSource<Record<string, unknown>>, address: ModbusAddress): Checked<ModbusAddress> {
  const name = source.options.scaleFrom;
  if (typeof name !== 'string') return passed(address);
  const wrong = (message: string) => failed(['scaleFrom'], message);
  if (address.type === 'bool' || address.type === 'string')
    return wrong(`a ${address.type} is not scaled: remove scaleFrom`);
  if (name === source.name) return wrong('a tag cannot scale itself: name the tag that holds the scale factor');
  const sibling = source.siblings?.[name];
  if (!sibling) return wrong(`this device has no tag "${name}": add it with type: int16, or name another tag`);
  const location = parseLocation(sibling.address);
  if (!location.ok) return wrong(`the address of the tag "${name}" is wrong: correct it there`);
  if (sibling.type !== 'int16') return wrong(`"${name}" must have type: int16, as every SunSpec scale factor has`);
  if (sibling.scaleFrom !== undefined)
    return wrong(`"${name}" is itself scaled, and a scale factor is a plain number: remove scaleFrom from it`);
  if (location.value.table !== address.table) {
    return wrong(
      `"${name}" is in the ${location.value.table} table; it must be in ${address.table}, to be read together`,
    );
  }
  return passed({ ...address, scaleAt: location.value.start });
}

/** Whether one request can hold the value, and its scale factor with it. */
function checkSize(address: ModbusAddress): Problem[] {
  const limit = address.maxRegisters ?? 125;
  if (address.count > limit) {
    return [
      {
        path: ['length'],
        message: `the value has ${address.count} registers, and the device answers at most ${limit} per request: write a larger maxRegisters, or a shorter length`,
      },
    ];
  }
  if (address.scaleAt === undefined) return [];
  const size = Math.max(address.start + address.count, address.scaleAt + 1) - Math.min(address.start, address.scaleAt);
  if (size <= limit) return [];
  return [
    {
      path: ['scaleFrom'],
      message: `the value and its scale factor span ${size} registers, and one request, which must read both, reads at most ${limit}: name a tag that is nearer`,
    },
  ];
}

function isWriteFunction(option: unknown): option is 'single' | 'multiple' {
  return option === 'single' || option === 'multiple';
}

function typeOf(option: unknown): ModbusType | undefined {
  return MODBUS_TYPES.find((type) => type === option);
}

function orderOf(option: unknown): Order | undefined {
  return ORDERS.find((order) => order === option);
}

function numberOf(option: unknown): number | undefined {
  return typeof option === 'number' ? option : undefined;
}

/**
 * Reads `invalid`: one pattern or a list. A pattern is a whole number, or text when it has more than 53 bits; for signed
 * integers the negative number may be written instead of its pattern (-32768 is 0x8000).
 *
 * @returns unsigned patterns of the value's width
 */
export function parseInvalid(
  option: unknown,
  type: ModbusType,
  bits = registersOf(type) * 16,
): Checked<readonly bigint[]> {
  if (option === undefined) return passed([]);
  const list: readonly unknown[] = Array.isArray(option) ? option : [option];
  if (list.length === 0) return passed([]);
  if (type === 'bool' || type === 'string') {
    return failed(['invalid'], `a ${type} has no pattern that means "no value": remove invalid`);
  }
  const patterns: bigint[] = [];
  for (const item of list) {
    const pattern = parsePattern(item, type, bits);
    if (!pattern.ok) return pattern;
    patterns.push(pattern.value);
  }
  return passed(patterns);
}

function parsePattern(item: unknown, type: ModbusType, bits: number): Checked<bigint> {
  const whole = wholeOf(item);
  if (whole === undefined) {
    return failed(
      ['invalid'],
      typeof item === 'number'
        ? `${item} is not a whole number that YAML holds exactly: write it in quotes, such as "0x8000000000000000"`
        : notAPattern(item),
    );
  }
  const greatest = (1n << BigInt(bits)) - 1n;
  if (whole > greatest) {
    return failed(
      ['invalid'],
      `0x${whole.toString(16)} does not fit into the ${bits} bits of ${type}: write at most 0x${greatest.toString(16)}`,
    );
  }
  if (whole >= 0n) return passed(whole);
  if (type === 'float32' || type === 'float64') {
    return failed(
      ['invalid'],
      `invalid is the raw pattern: for ${whole} as ${type} write ${floatPattern(Number(whole), type)}`,
    );
  }
  if (!type.startsWith('int'))
    return failed(
      ['invalid'],
      `${type} has no negative values: for ${whole} write the raw pattern 0x${BigInt.asUintN(bits, whole).toString(16)}`,
    );
  const least = -(1n << BigInt(bits - 1));
  if (whole < least)
    return failed(
      ['invalid'],
      `${whole} is below ${least}, the lowest ${type}: write ${least} or more, or the raw pattern such as 0x8000`,
    );
  return passed(BigInt.asUintN(bits, whole));
}

function notAPattern(item: unknown): string {
  const isHex = typeof item === 'string' && /^[0-9a-f]{1,16}$/i.test(item);
  const remedy = isHex
    ? `write 0x${item} if it is hexadecimal`
    : 'write a whole number, or hexadecimal digits such as 0x8000';
  return `${JSON.stringify(item)} is not a number: ${remedy}`;
}

function wholeOf(item: unknown): bigint | undefined {
  if (typeof item === 'bigint') return item;
  if (typeof item === 'number') return Number.isSafeInteger(item) ? BigInt(item) : undefined;
  if (typeof item !== 'string' || !/^(?:0[xX][0-9a-fA-F]{1,16}|-?\d{1,20})$/.test(item)) return undefined;
  return BigInt(item);
}

function floatPattern(value: number, type: 'float32' | 'float64'): string {
  const view = new DataView(new ArrayBuffer(8));
  if (type === 'float32') {
    view.setFloat32(0, value);
    return `0x${view.getUint32(0).toString(16)}`;
  }
  view.setFloat64(0, value);
  return `"0x${view.getBigUint64(0).toString(16)}"`;
}
