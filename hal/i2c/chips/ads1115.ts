/** The analogue converter ADS1115. */
import {
  bytesMs,
  type Chip,
  type ChipOptions,
  type I2cDevice,
  noSample,
  oneOf,
  type Place,
  type Sample,
  sample,
  signed,
  uintOf,
} from '../chip.ts';
import { hex, sensorFault } from '../fault.ts';

/** Multiplexer codes by input: two pins are their difference, one is against ground (TI SBAS444, table 8). */
const INPUTS: Record<string, number> = {
  'a0-a1': 0,
  'a0-a3': 1,
  'a1-a3': 2,
  'a2-a3': 3,
  a0: 4,
  a1: 5,
  a2: 6,
  a3: 7,
};

/** Codes of the ranges, ± V (table 8). */
const GAIN_CODES: Record<number, number> = { 6.144: 0, 4.096: 1, 2.048: 2, 1.024: 3, 0.512: 4, 0.256: 5 };

/** Samples a second, by code (table 8). */
const RATES = [8, 16, 32, 64, 128, 250, 475, 860];

const CONVERSION = 0;
const CONFIGURATION = 1;
const START = 0x8000;
const SINGLE_SHOT = 0x0100;
const NO_COMPARATOR = 0x0003;

/** The internal oscillator may be 10 % slow (electrical characteristics). */
const OSCILLATOR_TOLERANCE = 1.1;

/** The configuration that starts one conversion. */
export function configurationOf(input: string, fullScale: number, rate: number): number {
  const parts = (INPUTS[input]! << 12) | (GAIN_CODES[fullScale]! << 9) | (RATES.indexOf(rate) << 5);
  return START | SINGLE_SHOT | NO_COMPARATOR | parts;
}

/** Volts of a conversion; undefined at either end of the range, where the true voltage may be anything beyond. */
export function voltsOf(raw: number, fullScale: number): number | undefined {
  const code = signed(raw, 16);
  return code === 0x7fff || code === -0x8000 ? undefined : (code * fullScale) / 32768;
}

function settingsOf(options: ChipOptions): { fullScale: number; rate: number } {
  const { fullScale = 2.048, samplesPerSecond = 128 } = options as { fullScale?: number; samplesPerSecond?: number };
  return { fullScale, rate: samplesPerSecond };
}

async function convert(device: I2cDevice, input: string, options: ChipOptions): Promise<Sample> {
  const { fullScale, rate } = settingsOf(options);
  const wanted = configurationOf(input, fullScale, rate);
  await device.write(CONFIGURATION, wanted >> 8, wanted & 0xff);
  await device.pause(Math.ceil((1000 / rate) * OSCILLATOR_TOLERANCE));
  const shown = uintOf(await device.readRegister(CONFIGURATION, 2));
  if ((shown | START) !== wanted)
    throw sensorFault(`${hex(device.address)}: the chip lost its settings, or is no ads1115`);
  if (!(shown & START)) throw sensorFault(`${hex(device.address)}: the conversion does not end`);
  const volts = voltsOf(uintOf(await device.readRegister(CONVERSION, 2)), fullScale);
  if (volts === undefined) return noSample(`${input} is beyond ±${fullScale} V: choose a larger fullScale`);
  return sample(volts);
}

/** Texas Instruments ADS1115: four inputs, or differences between them, one conversion each. */
export const ads1115: Chip = {
  name: 'ads1115',
  addresses: [0x48, 0x49, 0x4a, 0x4b],
  deviceKeys: ['fullScale', 'samplesPerSecond'],
  tagKeys: [],
  quantities: () => Object.fromEntries(['a0', 'a1', 'a2', 'a3'].map((input) => [input, { unit: 'V' }])),
  checkPlace: (word) => oneOf(Object.keys(INPUTS), word),
  readMs: (options, places) => places.length * ((1000 / settingsOf(options).rate) * OSCILLATOR_TOLERANCE + bytesMs(15)),
  async open(device, options) {
    return {
      async read(places: readonly Place[]) {
        const samples: Sample[] = [];
        for (const { quantity } of places) samples.push(await convert(device, quantity, options));
        return samples;
      },
    };
  },
};
