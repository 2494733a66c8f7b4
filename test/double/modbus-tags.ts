import type { Tag } from '../../hal/driver.ts';
import type { DriverType } from '../../hal/driver-type.ts';
import type { ModbusChannel } from '../../hal/modbus/channel.ts';
import type { ModbusAddress } from '../../hal/modbus/map/address.ts';
import { modbusTcp } from '../../hal/modbus/type.ts';

/** A tag as the configuration makes it. */
export function modbusTag(unit: number, options: Record<string, unknown>, channel: ModbusChannel): Tag<ModbusAddress> {
  const device = `unit-${unit}`;
  const name = String(options.address).replace(/[^a-z0-9]/g, '-');
  const id = `${device}/${name}`;
  const checked = modbusTcp.checkTag({ id, device, name, options, deviceOptions: { unit } }, channel);
  if (!checked.ok) throw new Error(checked.problems.map(({ message }) => message).join('; '));
  return { id, device, name, address: checked.value };
}

/** A channel as the configuration makes it. */
export function modbusChannel(
  type: DriverType<ModbusChannel, ModbusAddress>,
  options: Record<string, unknown>,
): ModbusChannel {
  const checked = type.checkChannel(options);
  if (!checked.ok) throw new Error(checked.problems.map(({ message }) => message).join('; '));
  return checked.value;
}
