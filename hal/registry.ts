import type { DriverType } from './driver.ts';
import { modbusRtu, modbusTcp } from './modbus/types.ts';

/**
 * Every kind of channel there is, by its `driver:` word. Each type keeps its own channel and address to itself, which
 * only it can make and read.
 */
export const driverTypes: ReadonlyMap<string, DriverType> = new Map(
  [modbusTcp, modbusRtu].map((type) => [type.type, type as unknown as DriverType]),
);
