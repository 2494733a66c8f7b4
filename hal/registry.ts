/** The list of all driver types. */
import type { DriverType } from './driver-type.ts';
import { gpio } from './gpio/gpio.ts';
import { i2c } from './i2c/types.ts';
import { mock } from './mock/mock.ts';
import { modbusRtu, modbusTcp } from './modbus/type.ts';
import { serialLine } from './serial/types.ts';

/**
 * Every kind of channel there is. Each type keeps its own channel and address to itself, which only it can make and
 * read.
 */
export const DRIVERS: readonly DriverType[] = [
  modbusTcp,
  modbusRtu,
  gpio,
  i2c,
  serialLine,
  mock,
] as unknown as readonly DriverType[];
