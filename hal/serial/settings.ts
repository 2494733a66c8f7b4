/** The settings of serial ports. */
import { z } from 'zod';
import type { Rs485 } from './direction.ts';

/** A serial port and its settings. */
export interface SerialSettings {
  /** `/dev/serial/by-id/…` keeps its name when the adapter is plugged in again; any other path will do. */
  readonly port: string;
  readonly baud: number;
  readonly parity: 'none' | 'even' | 'odd';
  readonly dataBits: 7 | 8;
  readonly stopBits: 1 | 2;
  /** Who switches the direction of an RS-485 transceiver; undefined: it does so by itself. */
  readonly rs485?: Rs485 | undefined;
}

/** What holds where the file says nothing. */
type SerialDefaults = Pick<SerialSettings, 'baud' | 'parity'>;

const LOWEST_BAUD = 300;
const HIGHEST_BAUD = 4_000_000;

/** What the letter of a setting such as 8E1 stands for. */
function letterOf(input: unknown): string {
  const word = ['none', 'even', 'odd'].find((each) => typeof input === 'string' && each[0] === input.toLowerCase());
  return word === undefined ? '' : `; got ${JSON.stringify(input)}: write ${word}`;
}

/** Keys of a channel that is a serial port; 8 data bits and 1 stop bit unless the file says otherwise. */
export function serialShape(defaults: SerialDefaults) {
  return {
    port: z
      .string({ error: 'expected the path of a serial port such as /dev/serial/by-id/usb-…' })
      .min(1)
      .describe('The serial port; a name under /dev/serial/by-id survives unplugging.'),
    baud: z
      .int({ error: 'expected a baud rate such as 19200' })
      .min(LOWEST_BAUD, `the baud rate is at least ${LOWEST_BAUD}`)
      .max(HIGHEST_BAUD, `the baud rate is at most ${HIGHEST_BAUD}`)
      .optional()
      .describe(`Default: ${defaults.baud}.`),
    parity: z
      .enum(['none', 'even', 'odd'], { error: ({ input }) => `expected none, even or odd${letterOf(input)}` })
      .optional()
      .describe(`Default: ${defaults.parity}.`),
    stopBits: z
      .union([z.literal(1), z.literal(2)], { error: 'expected 1 or 2' })
      .optional()
      .describe('Default: 1.'),
    dataBits: z
      .union([z.literal(7), z.literal(8)], { error: 'expected 8 or 7' })
      .optional()
      .describe('Default: 8.'),
  };
}

/** The settings from options that passed {@link serialShape}. */
export function serialSettings(
  options: Partial<Omit<SerialSettings, 'rs485'>> & Pick<SerialSettings, 'port'>,
  defaults: SerialDefaults,
): SerialSettings {
  return {
    port: options.port,
    baud: options.baud ?? defaults.baud,
    parity: options.parity ?? defaults.parity,
    dataBits: options.dataBits ?? 8,
    stopBits: options.stopBits ?? 1,
  };
}

/** Bits of a character with these settings: start, data, parity, stop. */
function bitsPerCharacter(serial: SerialSettings): number {
  return 1 + serial.dataBits + (serial.parity === 'none' ? 0 : 1) + serial.stopBits;
}

/** Time of one character on the wire, ms. */
export function characterMsOn(serial: SerialSettings): number {
  return (bitsPerCharacter(serial) * 1000) / serial.baud;
}

/** The settings as keys of a configuration file. */
export function serialKeys({
  port,
  baud,
  parity,
  dataBits,
  stopBits,
}: SerialSettings): Record<string, string | number> {
  return { port, baud, parity, dataBits, stopBits };
}
