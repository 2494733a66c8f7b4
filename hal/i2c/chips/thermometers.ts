/** The thermometers TMP102, LM75 and MCP9808. */
import { bytesMs, type Chip, type I2cDevice, oneOf, type Quantity, sample, signed, uintOf } from '../chip.ts';
import { hex, sensorFault } from '../fault.ts';

/**
 * °C of the temperature register of a TMP102 (TI SBOS397, tables 3 and 4). The lowest bit says which of the two formats
 * it is: 0: 12 bits, 1: the 13 bits of the extended mode; both count 1/16 °C.
 */
export function tmp102Celsius(raw: number): number {
  return raw & 1 ? signed(raw >> 3, 13) / 16 : signed(raw >> 4, 12) / 16;
}

/** °C of the temperature register of an LM75 and its kin: 9 to 12 bits, left aligned (TI SNOS808, table 1). */
export function lm75Celsius(raw: number): number {
  return signed(raw & 0xfff0, 16) / 256;
}

/** °C of the ambient temperature register of an MCP9808 (Microchip DS25095, equation 5-1): 13 bits, sign apart. */
export function mcp9808Celsius(raw: number): number {
  return signed(raw & 0x1fff, 13) / 16;
}

/** Manufacturer and device identity of an MCP9808 (DS25095, registers 6 and 7; the low byte of 7 is the revision). */
export const MCP9808_MANUFACTURER = { register: 0x06, value: 0x0054 };
export const MCP9808_DEVICE = { register: 0x07, value: 0x04 };

/** The temperature register, and the configuration register's shutdown bit in its first byte. */
const TEMPERATURE = { tmp102: 0, lm75: 0, mcp9808: 5 } as const;
const CONFIGURATION = 1;
const SHUTDOWN = 0x01;

function thermometer(
  name: keyof typeof TEMPERATURE,
  addresses: readonly number[],
  range: { min: number; max: number },
  celsius: (raw: number) => number,
  find: (device: I2cDevice) => Promise<void>,
): Chip {
  const quantities: Record<string, Quantity> = { temperature: { unit: '°C', ...range } };
  return {
    name,
    addresses,
    deviceKeys: [],
    tagKeys: [],
    quantities: () => quantities,
    checkPlace: (word) => oneOf(['temperature'], word),
    readMs: () => bytesMs(5),
    async open(device) {
      await find(device);
      return {
        async read(places) {
          const raw = uintOf(await device.readRegister(TEMPERATURE[name], 2));
          return places.map(() => sample(celsius(raw)));
        },
      };
    },
  };
}

/** A chip that was put to sleep shows its last temperature for ever: say so, and leave its settings alone. */
async function mustBeAwake(device: I2cDevice): Promise<void> {
  const [configuration] = await device.readRegister(CONFIGURATION, 1);
  if (configuration! & SHUTDOWN)
    throw sensorFault(`${hex(device.address)} is shut down by its configuration: switch its power off and on`);
}

async function mustBeMcp9808(device: I2cDevice): Promise<void> {
  const manufacturer = uintOf(await device.readRegister(MCP9808_MANUFACTURER.register, 2));
  const [chip] = await device.readRegister(MCP9808_DEVICE.register, 2);
  if (manufacturer !== MCP9808_MANUFACTURER.value || chip !== MCP9808_DEVICE.value)
    throw sensorFault(`${hex(device.address)} is no mcp9808: its identity is ${hex(manufacturer, 4)}, ${hex(chip!)}`);
  await mustBeAwake(device);
}

const eightFrom = (first: number): number[] => Array.from({ length: 8 }, (_, index) => first + index);

/** Texas Instruments TMP102. */
export const tmp102 = thermometer(
  'tmp102',
  [0x48, 0x49, 0x4a, 0x4b],
  { min: -55, max: 150 },
  tmp102Celsius,
  mustBeAwake,
);

/** LM75 and its many kin. */
export const lm75 = thermometer('lm75', eightFrom(0x48), { min: -55, max: 125 }, lm75Celsius, mustBeAwake);

/** Microchip MCP9808. */
export const mcp9808 = thermometer('mcp9808', eightFrom(0x18), { min: -40, max: 125 }, mcp9808Celsius, mustBeMcp9808);
