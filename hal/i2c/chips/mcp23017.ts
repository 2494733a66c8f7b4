/** The port expander MCP23017. */
import { failed } from '../../../src/core/checked.ts';
import { bytesMs, type Chip, type I2cDevice, type Place, sample } from '../chip.ts';
import { hex, I2cFault, sensorFault } from '../fault.ts';

/** Registers with BANK = 0, each followed by that of port B (Microchip DS20001952, table 3-1). */
const DIRECTION = 0x00;
const POLARITY = 0x02;
const CONTROL = 0x0a;
const PULL_UP = 0x0c;
const INPUT = 0x12;
const LATCH = 0x14;

/** All registers, DIRECTION of A to LATCH of B. */
const REGISTERS = 22;

/** IOCON.BANK, which renames the registers: it must be 0. */
const BANK = 0x80;

/** The places of the 16 pins, A0…A7 and B0…B7. */
const PINS = ['a', 'b'].flatMap((port) => Array.from({ length: 8 }, (_, pin) => `${port}${pin}`));

const word16 = (bytes: Uint8Array, register: number): number => bytes[register]! | (bytes[register + 1]! << 8);

function pinOf({ quantity }: Place): number {
  return PINS.indexOf(quantity);
}

/** A word with one bit set or cleared. */
function withBit(word: number, bit: number, on: boolean): number {
  return on ? word | (1 << bit) : word & ~(1 << bit);
}

/** Directions, pull-ups and latches as the places want them; a pin that becomes an output starts switched off. */
export function wantedPins(
  now: { direction: number; pullUp: number; latch: number },
  places: readonly Place[],
): { direction: number; pullUp: number; latch: number } {
  let { direction, pullUp, latch } = now;
  for (const place of places) {
    const pin = pinOf(place);
    const isOutput = place.direction === 'output';
    const wasOutput = (direction & (1 << pin)) === 0;
    if (isOutput && !wasOutput) latch = withBit(latch, pin, place.activeLow === true);
    direction = withBit(direction, pin, !isOutput);
    pullUp = withBit(pullUp, pin, !isOutput && place.pullUp === true);
  }
  return { direction, pullUp, latch };
}

async function writeWord(device: I2cDevice, register: number, word: number): Promise<void> {
  await device.write(register, word & 0xff, word >> 8);
}

async function readAll(device: I2cDevice): Promise<Uint8Array> {
  const bytes = await device.readRegister(DIRECTION, REGISTERS);
  if (bytes[CONTROL]! !== bytes[CONTROL + 1]! || bytes[CONTROL]! & BANK)
    throw sensorFault(`${hex(device.address)} is no mcp23017, or something set its registers to banks`);
  return bytes;
}

/** Sets the pins up where they are not: at the start, and after the chip lost its power. */
async function prepared(device: I2cDevice, places: readonly Place[]): Promise<Uint8Array> {
  const bytes = await readAll(device);
  const now = { direction: word16(bytes, DIRECTION), pullUp: word16(bytes, PULL_UP), latch: word16(bytes, LATCH) };
  const wanted = wantedPins(now, places);
  const isRight = now.direction === wanted.direction && now.pullUp === wanted.pullUp && word16(bytes, POLARITY) === 0;
  if (isRight) return bytes;
  await writeWord(device, LATCH, wanted.latch);
  await writeWord(device, POLARITY, 0);
  await writeWord(device, PULL_UP, wanted.pullUp);
  await writeWord(device, DIRECTION, wanted.direction);
  return readAll(device);
}

function levelOf(bytes: Uint8Array, place: Place): boolean {
  const word = word16(bytes, place.direction === 'output' ? LATCH : INPUT);
  return ((word >> pinOf(place)) & 1) === 1 ? place.activeLow !== true : place.activeLow === true;
}

/** Microchip MCP23017: 16 pins, inputs or outputs. Outputs keep their level when the gateway ends. */
export const mcp23017: Chip = {
  name: 'mcp23017',
  addresses: [0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27],
  deviceKeys: [],
  tagKeys: ['direction', 'activeLow', 'bias'],
  quantities: () => Object.fromEntries(PINS.map((pin) => [pin, {}])),
  checkPlace(word, tag) {
    const quantity = word.toLowerCase();
    if (!PINS.includes(quantity))
      return failed(['address'], `the chip has no pin "${word}": write A0 to A7 or B0 to B7`);
    const direction = (tag.direction as 'input' | 'output' | undefined) ?? 'input';
    if (direction === 'output' && tag.bias !== undefined)
      return failed(['bias'], 'an output has no pull-up: leave bias out');
    const activeLow = tag.activeLow === true;
    return { ok: true, value: { quantity, type: 'bool', direction, activeLow, pullUp: tag.bias === 'pull-up' } };
  },
  readMs: () => bytesMs(REGISTERS + 3),
  async open(device) {
    await readAll(device);
    return {
      async read(places) {
        const bytes = await prepared(device, places);
        return places.map((place) => sample(levelOf(bytes, place)));
      },
      async write(place, value) {
        if (place.direction !== 'output' || typeof value !== 'boolean')
          throw new I2cFault('illegal-value', `${place.quantity} takes true or false, and needs direction: output`);
        const before = await prepared(device, [place]);
        await writeWord(
          device,
          LATCH,
          withBit(word16(before, LATCH), pinOf(place), value !== (place.activeLow === true)),
        );
        return levelOf(await readAll(device), place);
      },
    };
  },
};
