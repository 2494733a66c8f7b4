/** The current monitors INA219 and INA226. */
import {
  bytesMs,
  type Chip,
  type ChipOptions,
  noSample,
  oneOf,
  type Quantity,
  type Sample,
  sample,
  signed,
  uintOf,
} from '../chip.ts';
import { hex, sensorFault } from '../fault.ts';

/** How a chip of the family counts. */
interface Scales {
  readonly shuntVolts: number;
  readonly busVolts: number;
  /** Bits below the bus voltage that are flags. */
  readonly busShift: number;
  /** Codes of the shunt voltage from which on it may be anything beyond. */
  readonly shuntLimit: number;
}

/** TI SBOS448, section 8.6.3: 10 µV and 4 mV; ±320 mV over the shunt at the widest range. */
export const INA219: Scales = { shuntVolts: 10e-6, busVolts: 4e-3, busShift: 3, shuntLimit: 32_000 };

/** TI SBOS547, table 5: 2.5 µV and 1.25 mV; ±81.92 mV over the shunt. */
export const INA226: Scales = { shuntVolts: 2.5e-6, busVolts: 1.25e-3, busShift: 0, shuntLimit: 32_767 };

/** Identity registers of the INA226 (SBOS547, table 4); the INA219 has none. */
export const INA226_MANUFACTURER = { register: 0xfe, value: 0x5449 };
export const INA226_DIE = { register: 0xff, value: 0x2260 };

/** Volts on the bus side, volts over the shunt (undefined beyond its range). */
export function voltagesOf(
  rawBus: number,
  rawShunt: number,
  scales: Scales,
): { busVolts: number; shuntVolts: number | undefined } {
  const code = signed(rawShunt, 16);
  const isBeyond = Math.abs(code) >= scales.shuntLimit;
  return {
    busVolts: (rawBus >> scales.busShift) * scales.busVolts,
    shuntVolts: isBeyond ? undefined : code * scales.shuntVolts,
  };
}

const CONFIGURATION = 0;
const SHUNT = 1;
const BUS = 2;

const QUANTITIES: Record<string, Quantity> = {
  voltage: { unit: 'V' },
  current: { unit: 'A' },
  power: { unit: 'W' },
  shunt: { unit: 'V', description: 'voltage over the shunt' },
};

/** The shunt of the usual boards, Ω. */
const USUAL_SHUNT_OHM = 0.1;

function samplesOf(
  voltages: ReturnType<typeof voltagesOf>,
  ohm: number,
  places: readonly { quantity: string }[],
): Sample[] {
  const { busVolts, shuntVolts } = voltages;
  return places.map(({ quantity }) => {
    if (quantity === 'voltage') return sample(busVolts);
    if (shuntVolts === undefined) return noSample('the current is beyond what the shunt and the chip can measure');
    if (quantity === 'shunt') return sample(shuntVolts);
    const amperes = shuntVolts / ohm;
    return sample(quantity === 'current' ? amperes : amperes * busVolts);
  });
}

function powerMonitor(name: 'ina219' | 'ina226', scales: Scales, configuration: number): Chip {
  const ohmOf = (options: ChipOptions): number => (options.shunt as number | undefined) ?? USUAL_SHUNT_OHM;
  return {
    name,
    addresses: Array.from({ length: 16 }, (_, index) => 0x40 + index),
    deviceKeys: ['shunt'],
    tagKeys: [],
    quantities: () => QUANTITIES,
    checkPlace: (word) => oneOf(Object.keys(QUANTITIES), word),
    readMs: () => bytesMs(10),
    async open(device, options) {
      if (name === 'ina226') {
        const { register, value } = INA226_DIE;
        const die = uintOf(await device.readRegister(register, 2));
        if (die !== value) throw sensorFault(`${hex(device.address)} is no ina226: its identity is ${hex(die, 4)}`);
      }
      await device.write(CONFIGURATION, configuration >> 8, configuration & 0xff);
      // The first conversion of both voltages with the new settings.
      await device.pause(CONVERSION_MS);
      return {
        async read(places) {
          const shunt = uintOf(await device.readRegister(SHUNT, 2));
          const bus = uintOf(await device.readRegister(BUS, 2));
          return samplesOf(voltagesOf(bus, shunt, scales), ohmOf(options), places);
        },
      };
    },
  };
}

/** Both conversions of either chip at these settings take less, ms. */
const CONVERSION_MS = 3;

/** Texas Instruments INA219: 32 V, ±320 mV, 12 bits, continuous, as after power-on (SBOS448, 8.6.2.1). */
export const ina219 = powerMonitor('ina219', INA219, 0x399f);

/** Texas Instruments INA226: 1.1 ms conversions, continuous, as after power-on (SBOS547, 7.6.1). */
export const ina226 = powerMonitor('ina226', INA226, 0x4127);
