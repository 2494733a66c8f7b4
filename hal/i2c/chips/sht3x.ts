/** The climate sensors SHT30, SHT31 and SHT35. */
import { bytesMs, type Chip, oneOf, type Quantity, sample, uintOf } from '../chip.ts';
import { hex, sensorFault } from '../fault.ts';

/** CRC-8 of the data sheet: polynomial 0x31, start 0xFF, not reflected (Sensirion SHT3x-DIS, section 4.12). */
export function crc8(bytes: Uint8Array): number {
  let crc = 0xff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x80 ? 0x31 : 0)) & 0xff;
  }
  return crc;
}

/** °C of a 16-bit reading (section 4.13). */
export function temperatureOf(raw: number): number {
  return -45 + (175 * raw) / 65535;
}

/** % relative humidity of a 16-bit reading (section 4.13). */
export function humidityOf(raw: number): number {
  return (100 * raw) / 65535;
}

/** Single shot without clock stretching, by repeatability: command and longest time, ms (tables 4 and 9). */
const SHOTS = {
  high: { command: [0x24, 0x00], ms: 16 },
  medium: { command: [0x24, 0x0b], ms: 7 },
  low: { command: [0x24, 0x16], ms: 5 },
} as const;

type Repeatability = keyof typeof SHOTS;

const QUANTITIES: Record<string, Quantity> = {
  temperature: { unit: '°C', min: -40, max: 125 },
  humidity: { unit: '%RH', min: 0, max: 100 },
};

function shotOf(options: Readonly<Record<string, unknown>>) {
  return SHOTS[(options.repeatability as Repeatability | undefined) ?? 'high'];
}

/** Sensirion SHT30, SHT31 and SHT35: temperature and humidity, each guarded by a checksum. */
export const sht3x: Chip = {
  name: 'sht3x',
  addresses: [0x44, 0x45],
  deviceKeys: ['repeatability'],
  tagKeys: [],
  quantities: () => QUANTITIES,
  checkPlace: (word) => oneOf(Object.keys(QUANTITIES), word),
  readMs: (options) => shotOf(options).ms + bytesMs(10),
  async open(device, options) {
    const { command, ms } = shotOf(options);
    return {
      async read(places) {
        await device.write(...command);
        await device.pause(ms);
        const bytes = await device.read(6);
        for (const at of [0, 3]) {
          if (crc8(bytes.subarray(at, at + 2)) !== bytes[at + 2])
            throw sensorFault(
              `${hex(device.address)}: wrong checksum; if it goes on, shorten the cable or slow the bus`,
            );
        }
        const values = { temperature: temperatureOf(uintOf(bytes, 0, 2)), humidity: humidityOf(uintOf(bytes, 3, 2)) };
        return places.map(({ quantity }) => sample(values[quantity as keyof typeof values]));
      },
    };
  },
};
