/** The settings of serial ports. */
import { z } from 'zod';

/** A serial port and its settings. */
export interface SerialSettings {
  /** `/dev/serial/by-id/…` keeps its name when the adapter is plugged in again; any other path will do. */
  readonly port: string;
  readonly baud: number;
  readonly parity: 'none' | 'even' | 'odd';
  readonly dataBits: 7 | 8;
  readonly stopBits: 1 | 2;
}

/** What holds where the file says nothing. */
type SerialDefaults = Pick<SerialSettings, 'baud' | 'parity'>;

const LOWEST_BAUD = 300;
const HIGHEST_BAUD = 4_000_000;

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
      .enum(['none', 'even', 'odd'], { error: 'expected none, even or odd' })
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
  options: Partial<SerialSettings> & Pick<SerialSettings, 'port'>,
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
