/** The list of all chips. */
import type { Chip } from '../chip.ts';
import { ads1115 } from './ads1115.ts';
import { adxl345 } from './adxl345.ts';
import { bme280, bmp280 } from './bme280.ts';
import { ina219, ina226 } from './ina2xx.ts';
import { mcp23017 } from './mcp23017.ts';
import { registers } from './registers.ts';
import { sht3x } from './sht3x.ts';
import { lm75, mcp9808, tmp102 } from './thermometers.ts';
import { vl6180x } from './vl6180x.ts';

/** Every chip there is a driver for. */
export const CHIPS: readonly Chip[] = [
  bme280,
  bmp280,
  sht3x,
  tmp102,
  lm75,
  mcp9808,
  ads1115,
  ina219,
  ina226,
  adxl345,
  vl6180x,
  mcp23017,
  registers,
];

/** The chip of a `chip:` word. */
export function chipNamed(name: unknown): Chip | undefined {
  return CHIPS.find((chip) => chip.name === name);
}
