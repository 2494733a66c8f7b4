import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NotConnected, ReadResult, Tag } from '../../../hal/driver.ts';
import { RETRY_EVERY_MS } from '../../../hal/gpio/driver.ts';
import type { GpioAddress } from '../../../hal/gpio/options.ts';
import type { GpioPort } from '../../../hal/gpio/port.ts';
import { driverOn, gpioTag, never, told, WORLDS, type World } from './bench.ts';

const OPEN = gpioTag('open', { address: 'GPIO17', activeLow: true });
const PULSES = gpioTag('pulses', { address: 'GPIO27', counter: true, edge: 'rising' });
const LAMP = gpioTag('lamp', { address: 'GPIO22', direction: 'output', safe: 'off' });

describe.each(Object.keys(WORLDS) as GpioPort['backend'][])('GPIO by %s', (backend) => {
  let world: World;
  beforeEach(() => {
    world = WORLDS[backend]();
  });
  afterEach(() => world.remove());

  const connected = async (options: Parameters<typeof driverOn>[1] = {}) => {
    const made = driverOn(world, options);
    await made.driver.connect(never);
    return made;
  };
  const listening = async (tags: readonly Tag<GpioAddress>[]) => {
    const made = await connected();
    const results: ReadResult[] = [];
    const lost: NotConnected[] = [];
    const stop = made.driver.subscribe(
      tags,
      (_tag, result) => results.push(result),
      (error) => lost.push(error),
    );
    return { ...made, results, lost, stop };
  };

  it('reports the state at once and then every change, with the time it happened', async () => {
    const { driver, results } = await listening([OPEN]);
    expect(results).toEqual([]);
    await world.clock.advance(0);
    expect(told(results)).toEqual([true]);
    await world.clock.advance(100);
    world.wires.drive(0, 17, 1);
    await world.clock.advance(3);
    world.wires.drive(0, 17, 0);
    await world.clock.advance(20);
    expect(told(results)).toEqual([true, false, true]);
    expect(results.map(({ at }) => at.monoMs)).toEqual([0, 100, 103].map((ms) => expect.closeTo(ms, 5)));
    expect(results[1]!.at.wallMs - results[0]!.at.wallMs).toBe(100);
    await driver.close();
  });

  it('says nothing after the subscription ended', async () => {
    const { driver, results, stop } = await listening([OPEN]);
    await world.clock.advance(0);
    stop();
    world.wires.drive(0, 17, 1);
    await world.clock.advance(100);
    expect(results).toHaveLength(1);
    await driver.close();
  });

  it('counts the edges that are meant', async () => {
    const both = gpioTag('both', { address: 'GPIO27', counter: true, edge: 'both' });
    const { driver } = await connected();
    expect(told(await driver.read([PULSES, both], never))).toEqual([0, 0]);
    world.wires.toggle(0, 27, 7);
    await world.clock.advance(100_000);
    expect(told(await driver.read([PULSES, both], never)).map(valueOnly)).toEqual([4, 7]);
    await driver.close();
  });

  it('counts ten thousand edges, and says exactly what it lost when they overtake it', async () => {
    const lostTag = gpioTag('lost', { address: 'GPIO27', measure: 'lost' });
    const both = gpioTag('both', { address: 'GPIO27', counter: true, edge: 'both' });
    const { driver, log } = await connected();
    await driver.read([both, lostTag], never);
    for (let batch = 0; batch < 10; batch++) {
      world.wires.toggle(0, 27, 1000);
      await world.clock.advance(10);
    }
    expect(told(await driver.read([both, lostTag], never))).toEqual([10_000, 0]);
    world.wires.toggle(0, 27, 5000);
    const [counted, lost] = await driver.read([both, lostTag], never);
    expect(told([counted!, lost!])).toEqual([{ value: 11_024, doubt: 'missed-edges' }, 3976]);
    expect(log.join('\n')).toContain('GPIO27 (line 27 of pinctrl-bcm2711): 3976 edges were lost');
    await driver.close();
  });

  it('goes on counting after a restart, and says that edges may have been missed meanwhile', async () => {
    const first = await connected();
    await first.driver.read([PULSES], never);
    world.wires.toggle(0, 27, 10);
    await first.driver.read([PULSES], never);
    await first.driver.close();
    const learned = JSON.parse(JSON.stringify(first.driver.learned()));
    const second = await connected({ learned });
    expect(told(await second.driver.read([PULSES], never))).toEqual([{ value: 5, doubt: 'missed-edges' }]);
    await world.clock.advance(61_000);
    await second.driver.read([PULSES], never);
    world.wires.toggle(0, 27, 2);
    expect(told(await second.driver.read([PULSES], never))).toEqual([6]);
    await second.driver.close();
    const elsewhere = gpioTag('pulses', { address: 'GPIO5', counter: true });
    const third = await connected({ learned });
    expect(told(await third.driver.read([elsewhere], never))).toEqual([0]);
    await third.driver.close();
  });

  it.each([[null], [{ version: 2 }], [{ version: 1, counters: [{ tag: 'door/pulses', edges: -1 }] }]])(
    'starts at zero when what was learned is %j',
    async (learned) => {
      const { driver } = await connected({ learned });
      expect(told(await driver.read([PULSES], never))).toEqual([0]);
      await driver.close();
    },
  );

  it('bounds a storm: changes are left out, that is said, and the last state is right', async () => {
    const { driver, results, log } = await listening([OPEN]);
    await world.clock.advance(0);
    for (let batch = 0; batch < 100; batch++) {
      world.wires.toggle(0, 17, 1001);
      await world.clock.advance(10);
    }
    await world.clock.advance(1000);
    expect(results.length).toBeLessThan(400);
    expect(results.filter((result) => result.ok && result.doubt === 'missed-edges').length).toBeGreaterThan(40);
    const last = results.at(-1)!;
    expect(last.ok && last.value).toBe(world.wires.level(0, 17) === 0);
    expect(log.join('\n')).toMatch(/changes were not reported one by one.*Add debounce/);
    await driver.close();
  });

  it('drives an output, and leaves it in its safe state', async () => {
    const low = gpioTag('alarm', { address: 'GPIO23', direction: 'output', safe: 'on', activeLow: true });
    world.wires.drive(0, 23, 1);
    const { driver } = await connected();
    expect(told(await driver.read([LAMP, low], never))).toEqual([false, true]);
    expect(world.wires.level(0, 23)).toBe(0);
    expect(await driver.write(LAMP, true, never)).toEqual({ ok: true, readBack: true });
    expect(await driver.write(low, 0, never)).toEqual({ ok: true, readBack: 0 });
    expect([world.wires.level(0, 22), world.wires.level(0, 23)]).toEqual([1, 1]);
    expect(told(await driver.read([LAMP, low], never))).toEqual([true, false]);
    await driver.close();
    expect([world.wires.level(0, 22), world.wires.level(0, 23)]).toEqual([0, 0]);
    expect(world.wires.held()).toBe(0);
  });

  it('refuses to drive an input, and what is no state', async () => {
    const { driver } = await connected();
    expect(await driver.write(OPEN, true, never)).toMatchObject({ ok: false, kind: 'refused' });
    expect(await driver.write(LAMP, 7, never)).toMatchObject({ ok: false, kind: 'refused' });
    expect(world.wires.held()).toBe(0);
    await driver.close();
  });

  it('names who has a line, degrades only that tag, and takes the line when it is free', async () => {
    world.wires.occupy(0, 27, 'onewire@1b');
    const { driver, log } = await connected();
    const results = await driver.read([PULSES, LAMP], never);
    expect(told(results)).toEqual(['device-busy', false]);
    expect(results[0]).toMatchObject({ detail: expect.stringContaining('in use by "onewire@1b"') });
    expect(log).toEqual([expect.stringMatching(/^door\/pulses: .*"onewire@1b". Stop that program/)]);
    world.wires.occupy(0, 27, undefined);
    expect(told(await driver.read([PULSES], never))).toEqual(['device-busy']);
    await world.clock.advance(1000);
    expect(told(await driver.read([PULSES], never))).toEqual([0]);
    await driver.close();
  });

  it('tells a refused line once to those who listen, and tries again by itself', async () => {
    world.wires.occupy(0, 17, 'lirc');
    const { driver, results } = await listening([OPEN]);
    await world.clock.advance(2 * RETRY_EVERY_MS + 1);
    expect(told(results)).toEqual(['device-busy']);
    world.wires.occupy(0, 17, undefined);
    await world.clock.advance(RETRY_EVERY_MS);
    expect(told(results)).toEqual(['device-busy', true]);
    await driver.close();
  });

  it('tells once that the chip is gone', async () => {
    const { driver, lost, results } = await listening([OPEN]);
    await world.clock.advance(0);
    await driver.read([PULSES], never);
    world.wires.unplug();
    await driver.read([LAMP, OPEN], never).catch(() => {});
    await world.clock.advance(1000);
    expect(lost.map(({ name }) => name)).toEqual(['NotConnected']);
    expect(results).toHaveLength(1);
    await expect(driver.connect(never)).rejects.toThrow('there is no GPIO chip on this machine');
    world.wires.plug();
    await driver.connect(never);
    expect(told(await driver.read([OPEN], never))).toEqual([true]);
    await driver.close();
  });

  it('says how to get permission', async () => {
    world.wires.permit(false);
    const { driver } = driverOn(world);
    const trouble = await driver
      .connect(never)
      .then(() => driver.read([OPEN], never))
      .then(([result]) => (result!.ok ? '' : result!.detail))
      .catch((error: Error) => error.message);
    expect(trouble).toContain('permission denied. Add the user to the group "gpio": sudo usermod -aG gpio');
    await driver.close();
  });

  it('finds a chip by its label wherever its numbers begin, and says what there is when it does not', async () => {
    const tag = gpioTag('x', { address: 3 });
    const { driver } = await connected({ chip: 'expander' });
    world.wires.drive(1, 3, 1);
    expect(told(await driver.read([tag], never))).toEqual([true]);
    expect(told(await driver.read([gpioTag('y', { address: 8 })], never))).toEqual(['illegal-address']);
    await driver.close();
    const missing = driverOn(world, { chip: 'pinctrl-rp1' });
    await expect(missing.driver.connect(never)).rejects.toThrow(
      'no GPIO chip is called pinctrl-rp1. There are pinctrl-bcm2711 (gpiochip0, 28 lines), expander (gpiochip1, 8 lines)',
    );
  });

  it('shares a line between tags that agree, and refuses one that does not', async () => {
    const state = gpioTag('state', { address: 'GPIO27' });
    const inverted = gpioTag('inverted', { address: 27, activeLow: true });
    const { driver } = await connected();
    const results = await driver.read([PULSES, state, inverted], never);
    expect(told(results)).toEqual([0, false, 'illegal-value']);
    expect(results[2]).toMatchObject({ detail: expect.stringContaining('activeLow: false. Write the same in both') });
    expect(world.wires.held()).toBe(1);
    await driver.close();
  });
});

/** The value, doubted or not: sysfs doubts what the character device knows. */
function valueOnly(outcome: unknown): unknown {
  return typeof outcome === 'object' && outcome !== null && 'value' in outcome ? outcome.value : outcome;
}
