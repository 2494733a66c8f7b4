/** A serial port without any native package, set by `stty`. */
import { execFile } from 'node:child_process';
import { closeSync, constants, openSync, realpathSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import { codeOf } from '../../src/core/errors.ts';
import type { SerialSettings } from './settings.ts';

/** What of a serial port is used, whoever opened it. */
export interface PortBinding {
  /** Resolves with at least one byte; rejects when the port is gone or closed. */
  read(buffer: Buffer, offset: number, length: number): Promise<{ bytesRead: number }>;
  write(buffer: Buffer): Promise<void>;
  close(): Promise<void>;
  readonly isOpen: boolean;
}

/** How long `stty` may take, ms. */
const SETTINGS_DEADLINE_MS = 5000;

/**
 * A serial port without any native package: set by `stty` of the system, read as a terminal. It is as fast, but nothing
 * keeps another program from opening the port as well, and only the rates that `stty` knows can be had. Rejects with the
 * error of the system.
 */
export async function openSystemPort(settings: SerialSettings): Promise<PortBinding> {
  const flags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;
  const fd = openSync(settings.port, flags);
  try {
    await applySettings(settings);
    return attended(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

async function applySettings(settings: SerialSettings): Promise<void> {
  try {
    await promisify(execFile)('stty', ['-F', settings.port, ...sttyWords(settings)], {
      timeout: SETTINGS_DEADLINE_MS,
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
    });
  } catch (error) {
    // A pseudo terminal has no parity to be set, and none that could be wrong.
    const isPseudo = realpathSync(settings.port).startsWith('/dev/pts/');
    if (isPseudo && /unable to perform all/.test(String((error as { stderr?: unknown }).stderr))) return;
    throw error;
  }
}

/** The settings in the words of stty(1): no echo, no flow control, nothing translated. */
export function sttyWords({ baud, parity, dataBits, stopBits }: SerialSettings): string[] {
  const parityWords = { none: ['-parenb', '-parodd'], even: ['parenb', '-parodd'], odd: ['parenb', 'parodd'] }[parity];
  const raw = ['raw', '-echo', '-echoe', '-echok', '-echoctl', '-echoke', 'clocal', 'cread', '-crtscts', '-hupcl'];
  return [...raw, String(baud), `cs${dataBits}`, ...parityWords, stopBits === 2 ? 'cstopb' : '-cstopb'];
}

function attended(fd: number): PortBinding {
  const stream = new ReadStream(fd);
  let lost: Error | undefined;
  let isOpen = true;
  const end = (error: Error): void => {
    lost ??= error;
    isOpen = false;
  };
  const gone = () => new Error('the port was closed');
  stream.on('error', end);
  stream.on('close', () => end(gone()));
  stream.on('end', () => end(new Error('the line was hung up')));
  const readable = (): Promise<void> =>
    new Promise((resolve) => {
      const over = (): void => {
        for (const name of ['readable', 'error', 'end', 'close']) stream.off(name, over);
        resolve();
      };
      for (const name of ['readable', 'error', 'end', 'close']) stream.on(name, over);
    });
  return {
    get isOpen() {
      return isOpen;
    },
    async read(buffer, offset, length) {
      for (;;) {
        const chunk = stream.read(Math.min(length, stream.readableLength) || undefined) as Buffer | null;
        if (chunk) return { bytesRead: chunk.copy(buffer, offset) };
        if (lost) throw lost;
        await readable();
      }
    },
    async write(buffer) {
      for (let written = 0; written < buffer.length; ) {
        if (!isOpen) throw lost ?? gone();
        try {
          written += writeSync(fd, buffer, written);
        } catch (error) {
          if (codeOf(error) !== 'EAGAIN') throw error;
          await new Promise<void>((resolve) => setImmediate(resolve));
        }
      }
    },
    async close() {
      isOpen = false;
      stream.destroy();
    },
  };
}
