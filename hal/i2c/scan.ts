/** Finds which addresses of a bus answer, and which chips are likely there. */
import { messageOf } from '../../src/core/errors.ts';
import { NotConnected } from '../driver.ts';
import { type Bus, isNoAcknowledge } from './bus.ts';
import { uintOf } from './chip.ts';
import { ADXL345_ID } from './chips/adxl345.ts';
import { CHIPS } from './chips/all.ts';
import { BME280_IDS, BMP280_IDS, BOSCH_ID } from './chips/bme280.ts';
import { INA226_DIE, INA226_MANUFACTURER } from './chips/ina2xx.ts';
import { MCP9808_DEVICE, MCP9808_MANUFACTURER } from './chips/thermometers.ts';
import { I2cFault } from './fault.ts';

/** What `scan` found at one address. */
export interface FoundDevice {
  readonly address: number;
  /** Recognised by its identity registers; undefined when no register of the chip can tell. */
  readonly chip: string | undefined;
  /** Chips that can be at this address and have no identity. */
  readonly candidates: readonly string[];
  /** What stands in the way of reading it, when something does. */
  readonly trouble: string | undefined;
}

/** Addresses below and above are reserved (NXP UM10204, table 4). */
const FIRST = 0x08;
const LAST = 0x77;

/** A register that tells what a chip is, at the addresses the chip can have. */
interface Identity {
  readonly chip: string;
  readonly checks: readonly { readonly register: number; readonly length: 1 | 2; readonly values: readonly number[] }[];
}

const IDENTITIES: readonly Identity[] = [
  { chip: 'bme280', checks: [{ register: BOSCH_ID, length: 1, values: BME280_IDS }] },
  { chip: 'bmp280', checks: [{ register: BOSCH_ID, length: 1, values: BMP280_IDS }] },
  { chip: 'adxl345', checks: [{ register: ADXL345_ID.register, length: 1, values: [ADXL345_ID.value] }] },
  {
    chip: 'mcp9808',
    checks: [
      { register: MCP9808_MANUFACTURER.register, length: 2, values: [MCP9808_MANUFACTURER.value] },
      { register: MCP9808_DEVICE.register, length: 1, values: [MCP9808_DEVICE.value] },
    ],
  },
  {
    chip: 'ina226',
    checks: [
      { register: INA226_MANUFACTURER.register, length: 2, values: [INA226_MANUFACTURER.value] },
      { register: INA226_DIE.register, length: 2, values: [INA226_DIE.value] },
    ],
  },
];

/** Chips whose identity register is beyond what one pointer byte reaches, or that have none, are candidates only. */
const IDENTIFIED = IDENTITIES.map(({ chip }) => chip);

/**
 * Looks at every address and says what answers there. Nothing is written but register pointers of one byte: a plain
 * read first; where that is not acknowledged, the bare address with the write bit, as `i2cdetect` does, but not where
 * memories are (0x30…0x37, 0x50…0x5F).
 *
 * @param bus connected
 * @param onProgress is told each address before it is asked, with the share done, 0…1
 * @throws NotConnected the bus is gone or stuck; the signal's reason
 */
export async function scanI2c(
  bus: Bus,
  signal: AbortSignal,
  onProgress: (address: number, done: number) => void = () => {},
): Promise<FoundDevice[]> {
  const found: FoundDevice[] = [];
  for (let address = FIRST; address <= LAST; address++) {
    onProgress(address, (address - FIRST) / (LAST - FIRST + 1));
    const there = await presence(bus, address, signal);
    if (there === 'absent') continue;
    const chip = there === 'present' ? await recognised(bus, address, signal) : undefined;
    found.push({
      address,
      chip,
      candidates: chip ? [] : candidatesAt(address),
      trouble: there === 'present' ? undefined : there.trouble,
    });
  }
  return found;
}

/** Chips without identity that can be at an address. */
function candidatesAt(address: number): string[] {
  return CHIPS.filter(
    ({ name, addresses }) => name !== 'registers' && !IDENTIFIED.includes(name) && addresses.includes(address),
  ).map(({ name }) => name);
}

async function presence(
  bus: Bus,
  address: number,
  signal: AbortSignal,
): Promise<'present' | 'absent' | { trouble: string }> {
  const plain = () => asked(() => bus.transfer(address, (wire) => wire.read(address, 1), signal));
  let read = await plain();
  // A transfer that did not end in time on a busy host is no device.
  if (read !== 'done' && !isNoAcknowledge(read)) read = await plain();
  if (read === 'done') return 'present';
  if (!isNoAcknowledge(read)) return { trouble: messageOf(read) };
  const isMemory = (address >= 0x30 && address <= 0x37) || (address >= 0x50 && address <= 0x5f);
  if (isMemory) return 'absent';
  const quick = await asked(() => bus.transfer(address, (wire) => wire.quick(address), signal));
  return quick === 'done' ? 'present' : 'absent';
}

async function asked(transfer: () => Promise<unknown>): Promise<'done' | I2cFault> {
  try {
    await transfer();
    return 'done';
  } catch (error) {
    if (error instanceof NotConnected || !(error instanceof I2cFault)) throw error;
    return error;
  }
}

async function recognised(bus: Bus, address: number, signal: AbortSignal): Promise<string | undefined> {
  for (const { chip, checks } of IDENTITIES) {
    if (!CHIPS.find(({ name }) => name === chip)!.addresses.includes(address)) continue;
    let fits = true;
    for (const { register, length, values } of checks) {
      let shown = -1;
      const read = await asked(async () => {
        shown = uintOf(await bus.transfer(address, (wire) => wire.readRegister(address, register, length), signal));
      });
      fits = read === 'done' && values.includes(shown);
      if (!fits) break;
    }
    if (fits) return chip;
  }
  return undefined;
}
