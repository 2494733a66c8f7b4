/** The climate sensors BME280 and BMP280. */
import {
  bytesMs,
  type Chip,
  type ChipOptions,
  type I2cDevice,
  noSample,
  oneOf,
  type Quantity,
  sample,
  signed,
} from '../chip.ts';
import { hex, sensorFault } from '../fault.ts';

/** Trimming of one sensor, as it stands in its registers (Bosch BST-BME280-DS002 table 16; BST-BMP280-DS001 table 17). */
export interface Trimming {
  readonly t: readonly [number, number, number];
  readonly p: readonly [number, number, number, number, number, number, number, number, number];
  /** Undefined in a BMP280. */
  readonly h: readonly [number, number, number, number, number, number] | undefined;
}

/** Contents of the data registers: 20, 20 and 16 bits. */
export interface RawClimate {
  readonly temperature: number;
  readonly pressure: number;
  readonly humidity: number;
}

/** °C, hPa and % relative humidity; `humidity` is undefined without a humidity sensor. */
interface Climate {
  readonly temperature: number;
  readonly pressure: number;
  readonly humidity: number | undefined;
}

/**
 * The compensation of the data sheet in double precision (BST-BME280-DS002, appendix 8.1; BST-BMP280-DS001, section
 * 8.1 with the worked example of section 3.12).
 */
export function compensate(raw: RawClimate, { t, p, h }: Trimming): Climate {
  const t1 = (raw.temperature / 16384 - t[0] / 1024) * t[1];
  const t2 = (raw.temperature / 131072 - t[0] / 8192) ** 2 * t[2];
  const fine = t1 + t2;
  return {
    temperature: fine / 5120,
    pressure: pressurePa(raw.pressure, fine, p) / 100,
    humidity: h && humidityPercent(raw.humidity, fine, h),
  };
}

function pressurePa(raw: number, fine: number, p: Trimming['p']): number {
  let v1 = fine / 2 - 64000;
  let v2 = (v1 * v1 * p[5]) / 32768 + v1 * p[4] * 2;
  v2 = v2 / 4 + p[3] * 65536;
  v1 = ((p[2] * v1 * v1) / 524288 + p[1] * v1) / 524288;
  v1 = (1 + v1 / 32768) * p[0];
  // Zero stands for "no trimming": a division by it would be infinite.
  if (v1 === 0) return Number.NaN;
  const plain = ((1048576 - raw - v2 / 4096) * 6250) / v1;
  return plain + ((p[8] * plain * plain) / 2147483648 + (plain * p[7]) / 32768 + p[6]) / 16;
}

function humidityPercent(
  raw: number,
  fine: number,
  h: readonly [number, number, number, number, number, number],
): number {
  const v = fine - 76800;
  const slope = (h[1] / 65536) * (1 + (h[5] / 67108864) * v * (1 + (h[2] / 67108864) * v));
  const plain = (raw - (h[3] * 64 + (h[4] / 16384) * v)) * slope;
  return Math.min(100, Math.max(0, plain * (1 - (h[0] * plain) / 524288)));
}

/** Trimming from registers 0x88…0xA1 (26 bytes) and, of a BME280, 0xE1…0xE7 (7 bytes); little-endian. */
export function trimmingOf(low: Uint8Array, high: Uint8Array | undefined): Trimming {
  const u = (at: number): number => low[at]! | (low[at + 1]! << 8);
  const s = (at: number): number => signed(u(at), 16);
  return {
    t: [u(0), s(2), s(4)],
    p: [u(6), s(8), s(10), s(12), s(14), s(16), s(18), s(20), s(22)],
    h: high && [
      low[25]!,
      signed(high[0]! | (high[1]! << 8), 16),
      high[2]!,
      signed((high[3]! << 4) | (high[4]! & 0x0f), 12),
      signed((high[5]! << 4) | (high[4]! >> 4), 12),
      signed(high[6]!, 8),
    ],
  };
}

/** Identity register, and what it holds (0x56 and 0x57 are samples of the BMP280). */
export const BOSCH_ID = 0xd0;
export const BME280_IDS = [0x60];
export const BMP280_IDS = [0x58, 0x57, 0x56];

const CTRL_HUMIDITY = 0xf2;
const STATUS = 0xf3;
const CTRL_MEASURE = 0xf4;
const CONFIG = 0xf5;
const DATA = 0xf7;
const MEASURING = 0x08;

/** What a channel that was not measured reads (BST-BME280-DS002, 5.4.8). */
const SKIPPED = 0x80000;
const SKIPPED_HUMIDITY = 0x8000;

/** Codes of the oversampling options, 3 bits each. */
const OVERSAMPLING_CODE: Record<number, number> = { 1: 1, 2: 2, 4: 3, 8: 4, 16: 5 };

/** Longest time of one forced measurement of all channels, ms (appendix 9.1 of the data sheet). */
function measureMs(oversampling: number, hasHumidity: boolean): number {
  return 1.25 + 2.3 * oversampling + (2.3 * oversampling + 0.575) * (hasHumidity ? 2 : 1);
}

const QUANTITIES: Record<string, Quantity> = {
  temperature: { unit: '°C', min: -40, max: 85 },
  pressure: { unit: 'hPa', min: 300, max: 1100 },
  humidity: { unit: '%RH', min: 0, max: 100 },
};

function boschChip(name: 'bme280' | 'bmp280', ids: readonly number[]): Chip {
  const hasHumidity = name === 'bme280';
  const { humidity, ...dry } = QUANTITIES;
  const quantities = hasHumidity ? QUANTITIES : dry;
  const oversamplingOf = (options: ChipOptions): number => (options.oversampling as number | undefined) ?? 1;
  return {
    name,
    addresses: [0x76, 0x77],
    deviceKeys: ['oversampling'],
    tagKeys: [],
    quantities: () => quantities,
    checkPlace: (word) => oneOf(Object.keys(quantities), word),
    readMs: (options) => measureMs(oversamplingOf(options), hasHumidity) + bytesMs(25),
    open: (device, options) => openBosch(device, name, ids, oversamplingOf(options)),
  };
}

async function openBosch(device: I2cDevice, name: string, ids: readonly number[], oversampling: number) {
  const hasHumidity = name === 'bme280';
  const [id] = await device.readRegister(BOSCH_ID, 1);
  if (!ids.includes(id!)) throw sensorFault(`${hex(device.address)} is no ${name}: its identity is ${hex(id!)}`);
  const trimming = trimmingOf(
    await device.readRegister(0x88, 26),
    hasHumidity ? await device.readRegister(0xe1, 7) : undefined,
  );
  if (trimming.t[0] === 0 || trimming.t[0] === 0xffff || trimming.p[0] === 0)
    throw sensorFault(`${hex(device.address)}: the trimming of this ${name} is empty; the chip is broken or starting`);
  await device.write(CONFIG, 0);
  const code = OVERSAMPLING_CODE[oversampling]!;
  const measureAndWait = async (): Promise<Uint8Array> => {
    if (hasHumidity) await device.write(CTRL_HUMIDITY, code);
    await device.write(CTRL_MEASURE, (code << 5) | (code << 2) | 1);
    await device.pause(Math.ceil(measureMs(oversampling, hasHumidity)));
    const [status] = await device.readRegister(STATUS, 1);
    if (status! & MEASURING) throw sensorFault(`${hex(device.address)}: the measurement does not end`);
    return device.readRegister(DATA, hasHumidity ? 8 : 6);
  };
  return {
    async read(places: readonly { quantity: string }[]) {
      const bytes = await measureAndWait();
      const twenty = (at: number): number => (bytes[at]! << 12) | (bytes[at + 1]! << 4) | (bytes[at + 2]! >> 4);
      const raw = {
        pressure: twenty(0),
        temperature: twenty(3),
        humidity: hasHumidity ? (bytes[6]! << 8) | bytes[7]! : SKIPPED_HUMIDITY,
      };
      const climate = compensate(raw, trimming);
      return places.map(({ quantity }) => {
        const key = quantity as keyof Climate;
        const value = climate[key];
        const skipped = raw[key] === (key === 'humidity' ? SKIPPED_HUMIDITY : SKIPPED) || raw.temperature === SKIPPED;
        if (skipped) return noSample(`${quantity} was not measured: the chip was reset, or is broken`);
        return value === undefined || !Number.isFinite(value)
          ? noSample(`${quantity} cannot be computed from what the chip says`)
          : sample(value);
      });
    },
  };
}

/** Bosch BME280: temperature, pressure, humidity; each read is one forced measurement of all three. */
export const bme280 = boschChip('bme280', BME280_IDS);

/** Bosch BMP280: temperature and pressure. */
export const bmp280 = boschChip('bmp280', BMP280_IDS);
