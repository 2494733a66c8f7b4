import { describe, expect, it } from 'vitest';
import type { DriverType } from '../../../hal/driver-type.ts';
import { gpio } from '../../../hal/gpio/gpio.ts';
import { simulatedDriver } from '../../../hal/mock/simulate.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { checkTag, gpioChannel, gpioTag, never } from './bench.ts';

/** The address in words, or every problem. */
function said(written: Record<string, unknown>, backend = 'auto'): string | string[] {
  const checked = checkTag(written, gpioChannel({ backend }));
  if (checked.ok) return gpio.describeAddress(checked.value);
  return checked.problems.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('a GPIO tag', () => {
  it.each([
    [
      { address: 'GPIO17', bias: 'pull-up', activeLow: true, debounce: '5ms' },
      'GPIO17, state, active low, pull-up, debounce 5ms',
    ],
    [{ address: 'GPIO27', counter: true, edge: 'rising', debounce: '200us' }, 'GPIO27, count, rising, debounce 200us'],
    [{ address: 'GPIO22', direction: 'output', safe: 'off' }, 'GPIO22, output, safe off'],
    [
      { address: 'GPIO22', direction: 'output', safe: true, drive: 'open-drain' },
      'GPIO22, output, open-drain, safe on',
    ],
    [{ address: 17 }, '17, state'],
    [{ address: '4', measure: 'rate', edge: 'both', window: '10s' }, '4, rate, both, over 10s'],
    [{ address: 'lab3', measure: 'frequency' }, 'lab3, frequency, rising, over 1s'],
    [{ address: 'lab3', measure: 'pulse-width', edge: 'falling' }, 'lab3, pulse-width, falling'],
    [{ address: 'lab3', measure: 'lost', counter: true }, 'lab3, lost'],
  ])('%j is %s', (written, words) => {
    expect(said(written)).toBe(words);
  });

  it.each([
    [
      { address: '' },
      ['address: "" is not the name of a line: write a name such as GPIO17, or its number on the chip, for example 17'],
    ],
    [
      { address: -3 },
      [
        'address: "-3" is not the name of a line: write a name such as GPIO17, or its number on the chip, for example 17',
      ],
    ],
    [
      { address: 70_000 },
      ['address: 70000 is not the number of a line on a chip: these go from 0 to 65535 and begin at 0 on each chip'],
    ],
    [{ address: 'GPIO17', safe: 'on' }, ['safe: safe is for outputs: write direction: output, or remove safe']],
    [
      { address: 'GPIO17', direction: 'output', bias: 'pull-up', counter: true },
      [
        'bias: bias is for inputs, and this is an output: remove bias',
        'counter: counter is for inputs, and this is an output: remove counter',
      ],
    ],
    [
      { address: 'GPIO17', edge: 'rising' },
      ['edge: a state follows both edges: remove edge, or add counter: true to count edges'],
    ],
    [
      { address: 'GPIO17', measure: 'frequency', edge: 'both' },
      ['edge: a frequency needs one kind of edge: write rising or falling'],
    ],
    [
      { address: 'GPIO17', window: '5s' },
      ['window: window is only for measure: rate or measure: frequency: add one of them, or remove window'],
    ],
    [
      { address: 'GPIO17', measure: 'rate', counter: true },
      [
        'measure: counter: true and measure: rate contradict each other, because a counter counts edges: remove one of the two',
      ],
    ],
  ])('%j is refused with the remedy', (written, problems) => {
    expect(said(written)).toEqual(problems);
  });

  it('asks sysfs for nothing it cannot do', () => {
    expect(said({ address: 'GPIO17', bias: 'pull-up' }, 'sysfs')).toEqual([
      'bias: with backend: sysfs there is no bias: pull-up: write backend: chardev, or fit a pull-up resistor outside',
    ]);
    expect(said({ address: 'GPIO17', direction: 'output', drive: 'open-drain' }, 'sysfs')).toEqual([
      'drive: with backend: sysfs there is no drive: open-drain: write backend: chardev, or use an external transistor',
    ]);
    expect(said({ address: 'GPIO17', bias: 'as-is' }, 'sysfs')).toBe('GPIO17, state');
  });

  it('reports by itself only where a change is the news', () => {
    const eventful = (written: Record<string, unknown>) => gpio.isEventful(gpioTag('x', written).address);
    expect(eventful({ address: 'GPIO17' })).toBe(true);
    expect(eventful({ address: 'GPIO17', counter: true })).toBe(false);
    expect(eventful({ address: 'GPIO17', direction: 'output' })).toBe(false);
  });
});

describe('a simulated GPIO channel', () => {
  it('serves states, counters and outputs', async () => {
    const clock = new SimulatedClock();
    const plain = { scale: 1, offset: 0, min: undefined, max: undefined, unit: undefined, counter: false };
    const tags = [
      { ...gpioTag('open', { address: 'GPIO17' }), ...plain },
      { ...gpioTag('pulses', { address: 'GPIO27', counter: true }), ...plain, counter: true },
      { ...gpioTag('lamp', { address: 'GPIO22', direction: 'output' }), ...plain },
      { ...gpioTag('speed', { address: 'GPIO5', measure: 'frequency' }), ...plain },
    ];
    const channel = { name: 'pins', driver: gpio as unknown as DriverType, options: gpioChannel() };
    const deps = { clock, log: silentLogger, random: seededRandom(1) };
    const driver = simulatedDriver(channel, tags, deps, () => {
      throw new Error('not asked for');
    });
    await driver.connect(never);
    const read = async () => (await driver.read(tags, never)).map((result) => (result.ok ? result.value : result.why));
    const first = await read();
    await clock.advance(60_000);
    const later = await read();
    expect(first.map((value) => typeof value)).toEqual(['boolean', 'number', 'boolean', 'number']);
    expect(Number(later[1])).toBeGreaterThan(Number(first[1]));
    expect(Number.isInteger(later[1])).toBe(true);
    await driver.close();
  });
});
