/** The distance sensor VL6180X. */
import { bytesMs, type Chip, type I2cDevice, noSample, oneOf, type Sample, sample } from '../chip.ts';
import { hex, sensorFault } from '../fault.ts';

/** Registers of 16 bits (ST DocID026171, section 6.2). */
const IDENTITY = 0x000;
const CLEAR_INTERRUPT = 0x015;
const FRESH_OUT_OF_RESET = 0x016;
const START_RANGE = 0x018;
const RANGE_STATUS = 0x04d;
const INTERRUPT_STATUS = 0x04f;
const RANGE_MM = 0x062;

/** Model identity of a VL6180X. */
const VL6180X_ID = 0xb4;

const RANGE_READY = 0x04;

/** Longest convergence (49 ms) and readout of one range measurement with these settings, ms; looked at this often. */
const LONGEST_MS = 70;
const LOOK_EVERY_MS = 10;

/** Private registers that ST's AN4545, section 9, wants written after each reset. */
const PRIVATE_SETTINGS: readonly (readonly [number, number])[] = [
  [0x207, 0x01],
  [0x208, 0x01],
  [0x096, 0x00],
  [0x097, 0xfd],
  [0x0e3, 0x00],
  [0x0e4, 0x04],
  [0x0e5, 0x02],
  [0x0e6, 0x01],
  [0x0e7, 0x03],
  [0x0f5, 0x02],
  [0x0d9, 0x05],
  [0x0db, 0xce],
  [0x0dc, 0x03],
  [0x0dd, 0xf8],
  [0x09f, 0x00],
  [0x0a3, 0x3c],
  [0x0b7, 0x00],
  [0x0bb, 0x3c],
  [0x0b2, 0x09],
  [0x0ca, 0x09],
  [0x198, 0x01],
  [0x1b0, 0x17],
  [0x1ad, 0x00],
  [0x0ff, 0x05],
  [0x100, 0x05],
  [0x199, 0x05],
  [0x1a6, 0x1b],
  [0x1ac, 0x3e],
  [0x1a7, 0x1f],
  [0x030, 0x00],
];

/** Public settings: interrupt when a range is there, averaging, longest convergence (AN4545, section 9). */
const SETTINGS: readonly (readonly [number, number])[] = [
  [0x014, 0x04],
  [0x10a, 0x30],
  [0x01c, 0x31],
  [0x02e, 0x01],
];

/** What the error code of a range means (DocID026171, RESULT__RANGE_STATUS). */
const RANGE_ERRORS: Record<number, string> = {
  6: 'nothing to see, or too dark a target',
  7: 'no target in range',
  8: 'no target in range',
  11: 'too much ambient light',
  12: 'the target is too near',
  13: 'the target is too far',
  14: 'the target is too near',
  15: 'the target is too far',
};

/** Distance of a result, mm, or why there is none. */
export function distanceOf(status: number, mm: number): Sample {
  const code = status >> 4;
  if (code === 0) return sample(mm);
  return noSample(RANGE_ERRORS[code] ?? `the sensor reports its own failure, code ${code}`);
}

async function readAt(device: I2cDevice, register: number): Promise<number> {
  await device.write(register >> 8, register & 0xff);
  return (await device.read(1))[0]!;
}

async function setUp(device: I2cDevice): Promise<void> {
  const id = await readAt(device, IDENTITY);
  if (id !== VL6180X_ID) throw sensorFault(`${hex(device.address)} is no vl6180x: its identity is ${hex(id)}`);
  const put = (register: number, value: number) => device.write(register >> 8, register & 0xff, value);
  if ((await readAt(device, FRESH_OUT_OF_RESET)) & 1) {
    for (const [register, value] of PRIVATE_SETTINGS) await put(register, value);
    await put(FRESH_OUT_OF_RESET, 0);
  }
  for (const [register, value] of SETTINGS) await put(register, value);
  await put(CLEAR_INTERRUPT, 0x07);
}

async function measure(device: I2cDevice): Promise<Sample> {
  if ((await readAt(device, FRESH_OUT_OF_RESET)) & 1)
    throw sensorFault(`${hex(device.address)}: the chip was reset, its settings are lost; it is set up again`);
  await device.write(START_RANGE >> 8, START_RANGE & 0xff, 1);
  for (let waitedMs = 0; waitedMs < LONGEST_MS; waitedMs += LOOK_EVERY_MS) {
    await device.pause(LOOK_EVERY_MS);
    if (((await readAt(device, INTERRUPT_STATUS)) & 0x07) !== RANGE_READY) continue;
    const status = await readAt(device, RANGE_STATUS);
    const mm = await readAt(device, RANGE_MM);
    await device.write(CLEAR_INTERRUPT >> 8, CLEAR_INTERRUPT & 0xff, 0x07);
    return distanceOf(status, mm);
  }
  throw sensorFault(`${hex(device.address)}: the measurement does not end`);
}

/** ST VL6180X: distance by time of flight, 0 to about 100 mm (more with bright targets, up to 255). */
export const vl6180x: Chip = {
  name: 'vl6180x',
  addresses: [0x29],
  deviceKeys: [],
  tagKeys: [],
  quantities: () => ({ distance: { unit: 'mm', min: 0, max: 255 } }),
  checkPlace: (word) => oneOf(['distance'], word),
  readMs: () => 30 + bytesMs(40),
  async open(device) {
    await setUp(device);
    return {
      async read(places) {
        const distance = await measure(device);
        return places.map(() => distance);
      },
    };
  },
};
