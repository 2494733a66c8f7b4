import type { DriverType } from './driver.ts';
import { gpio } from './gpio/gpio.ts';
import { mock } from './mock/mock.ts';
import { modbusRtu, modbusTcp } from './modbus/types.ts';

/**
 * Every kind of channel there is. Each type keeps its own channel and address to itself, which only it can make and
 * read.
 */
export const DRIVERS: readonly DriverType[] = [modbusTcp, modbusRtu, gpio, mock] as unknown as readonly DriverType[];
