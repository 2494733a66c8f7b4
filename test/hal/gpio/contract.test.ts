import type { GpioPort } from '../../../hal/gpio/port.ts';
import { describeDriverContract } from '../../contract/driver.ts';
import { driverOn, gpioTag, WORLDS } from './bench.ts';

for (const backend of Object.keys(WORLDS) as GpioPort['backend'][]) {
  describeDriverContract(
    `GPIO by ${backend}`,
    async () => {
      const world = WORLDS[backend]();
      world.wires.drive(0, 17, 1);
      const door = [gpioTag('open', { address: 'GPIO17' }), gpioTag('pulses', { address: 27, counter: true })];
      const gate = gpioTag('closed', { address: 'GPIO18', activeLow: true });
      const tags = [...door, { ...gate, id: 'gate/closed', device: 'gate' }];
      const expected = new Map<string, unknown>([
        ['door/open', true],
        ['door/pulses', 0],
        ['gate/closed', true],
      ]);
      return {
        driver: driverOn(world).driver,
        tags,
        judge: ({ id }, result) => {
          if (!result.ok) return `${result.why}: ${result.detail}`;
          return result.value === expected.get(id) || (id === 'door/pulses' && result.value === 0)
            ? undefined
            : 'wrong';
        },
        writable: { tag: gpioTag('lamp', { address: 'GPIO22', direction: 'output', safe: 'off' }), value: true },
        cut: () => world.wires.unplug(),
        stop: async () => world.remove(),
      };
    },
    { silent: 'a pin always has a level' },
  );
}
