/** Where a Modbus tag is and what its registers mean. */

/** The four tables of a Modbus device. */
export type Table = 'coil' | 'discrete' | 'input' | 'holding';

/** Types of contract §1, and those of less than a register. */
export const MODBUS_TYPES = [
  'bool',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float16',
  'float32',
  'float64',
  'bcd16',
  'bcd32',
  'string',
] as const;
export type ModbusType = (typeof MODBUS_TYPES)[number];

/** Least and greatest value of the integer types. */
export const INTEGER_RANGES: Partial<Record<ModbusType, readonly [bigint, bigint]>> = {
  int8: [-(2n ** 7n), 2n ** 7n - 1n],
  uint8: [0n, 2n ** 8n - 1n],
  int16: [-(2n ** 15n), 2n ** 15n - 1n],
  uint16: [0n, 2n ** 16n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  bcd16: [0n, 9999n],
  bcd32: [0n, 99_999_999n],
};

/** The largest finite float16, IEEE 754: (2 − 2⁻¹⁰) · 2¹⁵. */
export const FLOAT16_MAX = 65_504;

/** The last protocol address of a table. */
export const LAST_ADDRESS = 65_535;

/** Order of the bytes of a value on the wire; for 64 bits the same letters by word and byte. */
export const ORDERS = ['ABCD', 'CDAB', 'BADC', 'DCBA'] as const;
export type Order = (typeof ORDERS)[number];

/** Where a tag is and what it means. Made by `checkModbusTag`; complete, nothing to default. */
export interface ModbusAddress {
  readonly unit: number;
  readonly table: Table;
  /** Zero-based protocol address of the first register or bit. */
  readonly start: number;
  /** Registers of the value (1, 2, 4, or those of a string); 1 for a coil or discrete input. */
  readonly count: number;
  readonly type: ModbusType;
  readonly order: Order;
  /** Bit of a register, 0 the least significant; undefined for whole registers and for bit tables. */
  readonly bit: number | undefined;
  /** How many bits from `bit` on make the number (`holding:10.4-7`: 4); undefined: one bit, or the whole register. */
  readonly bits?: number | undefined;
  /** Characters that a register of a string holds; undefined: two, or one where the text itself shows it. */
  readonly characters?: 1 | 2 | undefined;
  /** Raw bit patterns that mean "no value", as unsigned numbers of the value's width. */
  readonly invalid: readonly bigint[];
  /**
   * Register of the same table whose int16 is the power of ten that the raw value is multiplied by (SunSpec `sunssf`).
   * It is read by the same request as the value, so that both belong together; undefined: no such register.
   */
  readonly scaleAt?: number | undefined;
  /** Deadline of one request to this device, ms; undefined: the channel's. */
  readonly timeoutMs: number | undefined;
  /** Largest block this device answers, registers and bits; undefined: 125 and 2000. */
  readonly maxRegisters: number | undefined;
  readonly maxBits: number | undefined;
  /** The only function that the device is written by; undefined: whichever it knows. */
  readonly writeFunction?: 'single' | 'multiple' | undefined;
  /** Most registers in a row that nobody asked for and that a request may span; sixteen times as many bits. */
  readonly maxGap: number;
}

/** What an address has that says nothing of bits, patterns or limits: a register that is read on its own terms. */
export const PLAIN = {
  bit: undefined,
  invalid: [],
  timeoutMs: undefined,
  maxRegisters: undefined,
  maxBits: undefined,
  maxGap: 16,
} as const;
