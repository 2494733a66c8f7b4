/** The accelerometer ADXL345. */
import { type Checked, failed } from '../../../src/core/checked.ts';
import {
  bytesMs,
  type Chip,
  type ChipOptions,
  type I2cDevice,
  noSample,
  oneOf,
  type Place,
  type Quantity,
  type Sample,
  sample,
  signed,
} from '../chip.ts';
import { hex, I2cFault, sensorFault } from '../fault.ts';
import { bandRms, meanOf, spectrumOf, type Vibration, vibrationOf } from './vibration.ts';

/** Identity register (Analog Devices ADXL345 data sheet, table 19). */
export const ADXL345_ID = { register: 0x00, value: 0xe5 };

const BW_RATE = 0x2c;
const POWER_CTL = 0x2d;
const DATA_FORMAT = 0x31;
const DATA = 0x32;
const FIFO_CTL = 0x38;
const FIFO_STATUS = 0x39;

const MEASURE = 0x08;
const FULL_RESOLUTION_16G = 0x0b;
const FIFO_BYPASS = 0x00;
const FIFO_STREAM = 0x80;
const FIFO_ENTRIES = 0x3f;

/** The FIFO holds 32 samples; a full one may have lost some (data sheet, section FIFO). */
const FIFO_FULL = 32;

/** Rate codes by samples a second (table 7). */
const RATE_CODES: Record<number, number> = { 100: 0x0a, 200: 0x0b, 400: 0x0c, 800: 0x0d };

/** g of one count at full resolution (table 1, 3.9 mg). */
const G_PER_COUNT = 0.0039;

const AXES = ['x', 'y', 'z'] as const;
const FEATURES = ['rms', 'peak', 'crest', 'kurtosis'] as const;

/** What is said of every value: the sensor hears up to half its rate and is not calibrated. */
const INDICATIVE = 'indicative: a trend of this machine, not an ISO 10816 severity';

interface Window {
  readonly rateHz: number;
  readonly samples: number;
}

/** Axis and, of a band, its limits in Hz. */
interface Word {
  readonly feature: (typeof FEATURES)[number] | 'mean' | 'band';
  readonly axis: number;
  readonly fromHz: number;
  readonly toHz: number;
}

function windowOf(options: ChipOptions): Window {
  const { rate = 800, samples = 512 } = options as { rate?: number; samples?: number };
  return { rateHz: rate, samples };
}

/** Three axes from the six data bytes of a sample, in counts. */
export function countsOf(bytes: Uint8Array): [number, number, number] {
  const axis = (at: number): number => signed(bytes[at]! | (bytes[at + 1]! << 8), 16);
  return [axis(0), axis(2), axis(4)];
}

function parseWord(word: string): Word | undefined {
  const match = /^(?:(rms|peak|crest|kurtosis|mean)|band-(\d{1,3})-(\d{1,3}))-([xyz])$/.exec(word);
  if (!match) return undefined;
  const feature = (match[1] as Word['feature'] | undefined) ?? 'band';
  return {
    feature,
    axis: AXES.indexOf(match[4] as 'x'),
    fromHz: Number(match[2] ?? 0),
    toHz: Number(match[3] ?? 0),
  };
}

function checkWord(word: string, options: ChipOptions): Checked<Place> {
  const parsed = parseWord(word);
  if (!parsed) return oneOf([...Object.keys(quantities), 'mean-x', 'band-10-100-x'], word);
  const highest = windowOf(options).rateHz / 2;
  if (parsed.feature === 'band' && (parsed.fromHz >= parsed.toHz || parsed.toHz > highest))
    return failed(['address'], `a band goes from a lower to a higher frequency, at most ${highest} Hz at this rate`);
  return { ok: true, value: { quantity: word, type: 'float64' } };
}

const quantities: Record<string, Quantity> = Object.fromEntries(
  AXES.flatMap((axis) =>
    FEATURES.map((feature) => {
      const isLength = feature === 'rms' || feature === 'peak';
      return [`${feature}-${axis}`, { ...(isLength ? { unit: 'g' } : {}), description: INDICATIVE }];
    }),
  ),
);

/** One window, per axis, in g. */
async function collect(device: I2cDevice, { rateHz, samples }: Window): Promise<Float64Array[]> {
  const axes = AXES.map(() => new Float64Array(samples));
  await device.write(FIFO_CTL, FIFO_BYPASS);
  await device.write(FIFO_CTL, FIFO_STREAM);
  const restMs = Math.ceil((FIFO_FULL / 4 / rateHz) * 1000);
  let idle = 0;
  for (let have = 0; have < samples; ) {
    await device.pause(restMs);
    const [status] = await device.readRegister(FIFO_STATUS, 1);
    const entries = status! & FIFO_ENTRIES;
    if (entries >= FIFO_FULL) {
      const remedy = 'set the bus to 400 kHz, or lower the rate';
      throw new I2cFault('device-busy', `${hex(device.address)}: samples were lost, the bus is too slow: ${remedy}`);
    }
    idle = entries === 0 ? idle + 1 : 0;
    if (idle > FIFO_FULL)
      throw sensorFault(`${hex(device.address)}: no samples come; the chip may have lost its power`);
    for (let entry = 0; entry < entries && have < samples; entry++, have++) {
      const counts = countsOf(await device.readRegister(DATA, 6));
      for (const [axis, count] of counts.entries()) axes[axis]![have] = count * G_PER_COUNT;
    }
  }
  return axes;
}

/** The values of places in one window. */
function featuresOf(axes: readonly Float64Array[], rateHz: number, places: readonly Place[]): Sample[] {
  const vibrations: Vibration[] = [];
  const spectra: Float64Array[] = [];
  return places.map(({ quantity }) => {
    const { feature, axis, fromHz, toHz } = parseWord(quantity)!;
    const samples = axes[axis]!;
    if (feature === 'mean') return sample(meanOf(samples));
    if (feature === 'band') {
      spectra[axis] ??= spectrumOf(samples);
      return sample(bandRms(spectra[axis], rateHz, fromHz, toHz));
    }
    vibrations[axis] ??= vibrationOf(samples);
    const value = vibrations[axis][feature];
    return Number.isFinite(value) ? sample(value) : noSample('no movement at all: the sensor stands still or is stuck');
  });
}

/**
 * Analog Devices ADXL345: a window of samples through the FIFO at each read, and what it says of the vibration. The bus
 * is used for as long as the window takes.
 */
export const adxl345: Chip = {
  name: 'adxl345',
  addresses: [0x53, 0x1d],
  deviceKeys: ['rate', 'samples'],
  tagKeys: [],
  quantities: () => quantities,
  checkPlace: (word, _tag, options) => checkWord(word, options),
  readMs(options) {
    const { rateHz, samples } = windowOf(options);
    return Math.max((samples / rateHz) * 1000, samples * bytesMs(9));
  },
  async open(device, options) {
    const [id] = await device.readRegister(ADXL345_ID.register, 1);
    if (id !== ADXL345_ID.value) throw sensorFault(`${hex(device.address)} is no adxl345: its identity is ${hex(id!)}`);
    const window = windowOf(options);
    await device.write(POWER_CTL, 0);
    await device.write(BW_RATE, RATE_CODES[window.rateHz]!);
    await device.write(DATA_FORMAT, FULL_RESOLUTION_16G);
    await device.write(POWER_CTL, MEASURE);
    return {
      async read(places) {
        return featuresOf(await collect(device, window), window.rateHz, places);
      },
    };
  },
};
