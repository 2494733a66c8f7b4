/** Opens a serial port for us alone, and carries bytes over it. */
import { readSync, statSync, writeSync } from 'node:fs';
import { codeOf, messageOf } from '../../src/core/errors.ts';
import { NotConnected } from '../driver.ts';
import type { Transport, TransportEvents } from '../transport.ts';
import { serialPorts } from './ports.ts';
import type { SerialSettings } from './settings.ts';
import { openSystemPort, type PortBinding } from './system-port.ts';

/** What the binding of Linux has besides: the file itself, opened without blocking, and when it can be read. */
interface FileBinding extends PortBinding {
  readonly fd: number;
  readonly poller: { once(event: 'readable', callback: (error: Error | null) => void): unknown };
}

const READ_BYTES = 512;

/** The least file a binding needs to be read without the detour by a thread. */
function isFile(port: PortBinding): port is FileBinding {
  const { fd, poller } = port as Partial<FileBinding>;
  return typeof fd === 'number' && typeof poller?.once === 'function';
}

/** A serial port, opened for us alone. Any error ends it, so that an adapter can come back under its old name. */
export function serialTransport(settings: SerialSettings): Transport {
  let port: PortBinding | undefined;
  let tell: TransportEvents | undefined;
  let closings = 0;

  const lose = (lost: NotConnected): void => {
    const told = tell;
    const closing = port;
    tell = undefined;
    port = undefined;
    if (closing) void shut(closing);
    told?.onLost(lost);
  };

  /** Reads where the bytes are reported: the thread that the binding would ask costs more than the read itself. */
  const readFile = (reading: FileBinding): void => {
    const buffer = Buffer.alloc(READ_BYTES);
    const onReadable = (failure: Error | null): void => {
      if (port !== reading) return;
      try {
        if (failure) throw failure;
        const bytesRead = readSync(reading.fd, buffer, 0, READ_BYTES, null);
        // Nothing where something was announced: the line was hung up.
        if (bytesRead === 0) {
          lose(unplugged(settings.port, undefined));
          return;
        }
        reading.poller.once('readable', onReadable);
        tell?.onBytes(buffer.subarray(0, bytesRead));
      } catch (error) {
        if (isForLater(error)) reading.poller.once('readable', onReadable);
        else lose(unplugged(settings.port, error));
      }
    };
    reading.poller.once('readable', onReadable);
  };

  const readOn = async (reading: PortBinding): Promise<void> => {
    const buffer = Buffer.alloc(READ_BYTES);
    try {
      while (port === reading) {
        const { bytesRead } = await reading.read(buffer, 0, READ_BYTES);
        if (port === reading) tell?.onBytes(buffer.subarray(0, bytesRead));
      }
    } catch (error) {
      if (port === reading) lose(unplugged(settings.port, error));
    }
  };

  return {
    async connect(events, signal) {
      signal.throwIfAborted();
      if (port) await shut(port);
      port = undefined;
      const closingsBefore = closings;
      const made = await opened(settings);
      if (signal.aborted || closings !== closingsBefore) {
        await shut(made);
        signal.throwIfAborted();
        throw new NotConnected(`${settings.port}: closed while it was being opened.`);
      }
      port = made;
      tell = events;
      if (isFile(made)) readFile(made);
      else void readOn(made);
    },
    write(bytes) {
      const writing = port;
      if (!writing) return;
      const onFailure = (error: unknown): void => {
        if (port === writing) lose(unplugged(settings.port, error));
      };
      try {
        const written = isFile(writing) ? writtenNow(writing, bytes) : 0;
        if (written === bytes.length) return;
        const rest = Buffer.from(bytes.buffer, bytes.byteOffset + written, bytes.length - written);
        writing.write(rest).catch(onFailure);
      } catch (error) {
        onFailure(error);
      }
    },
    verify() {
      // The read of an adapter that was pulled out may never end: a port without its name is gone.
      if (port && !exists(settings.port)) lose(unplugged(settings.port, undefined));
    },
    async close() {
      const closing = port;
      closings++;
      tell = undefined;
      port = undefined;
      if (closing) await shut(closing);
    },
  };
}

/** How many bytes the port took at once. */
function writtenNow(port: FileBinding, bytes: Uint8Array): number {
  try {
    return writeSync(port.fd, bytes);
  } catch (error) {
    if (isForLater(error)) return 0;
    throw error;
  }
}

/** Whether the system only asks for patience. */
function isForLater(error: unknown): boolean {
  return ['EAGAIN', 'EWOULDBLOCK', 'EINTR'].includes(codeOf(error) ?? '');
}

/**
 * Opens a port by the binding of `serialport`, without the stream around it, which would only add delay; where that
 * package is not there, by what the system has.
 */
async function opened(settings: SerialSettings): Promise<PortBinding> {
  const SerialPort = await import('serialport').then((loaded) => loaded.SerialPort).catch(() => undefined);
  try {
    if (!SerialPort) return await openSystemPort(settings);
    return await SerialPort.binding.open({
      path: settings.port,
      baudRate: settings.baud,
      parity: settings.parity,
      dataBits: settings.dataBits,
      stopBits: settings.stopBits,
      lock: true,
    });
  } catch (error) {
    throw new NotConnected(explained(settings.port, error), { cause: error });
  }
}

async function shut(port: PortBinding): Promise<void> {
  try {
    if (port.isOpen) await port.close();
  } catch {
    // It is gone already, which is what was wanted.
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function unplugged(path: string, error: unknown): NotConnected {
  const cause = error === undefined ? '' : ` (${messageOf(error)})`;
  return new NotConnected(`${path}: the port is gone${cause}. Is the adapter plugged in?`, { cause: error });
}

/** Cause and remedy of a failed open. The binding gives most causes as text only. */
function explained(path: string, error: unknown): string {
  const text = `${codeOf(error) ?? ''} ${messageOf(error)}`;
  if (/EACCES|Permission denied/i.test(text))
    return `${path}: permission denied. Add the user to the group "dialout": sudo usermod -aG dialout millgate`;
  if (/ENOENT|No such file/i.test(text)) return `${path}: no such port. ${portsThere()}`;
  if (/lock|EBUSY|busy|temporarily unavailable/i.test(text))
    return `${path}: another program uses the port. Stop it; sudo fuser -v ${path} names it.`;
  return `${path}: ${messageOf(error)}. Is this a serial port, and does it know these settings?`;
}

/** The ports there are, by the names that stay. */
function portsThere(): string {
  const ports = serialPorts();
  return ports.length > 0 ? `There are: ${ports.slice(0, 8).join(', ')}` : 'There is none; plug the adapter in.';
}
