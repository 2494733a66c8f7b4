/** A serial port as a transport of bytes, by the binding of `serialport` or, without it, by what the system has. */
import { readSync, statSync, writeSync } from 'node:fs';
import { systemClock } from '../../src/core/clock.ts';
import { codeOf, messageOf } from '../../src/core/errors.ts';
import { NotConnected } from '../driver.ts';
import type { Transport, TransportEvents } from '../transport.ts';
import { holdRts, type IoctlCall, type ModemLines, switchByKernel, systemIoctl } from './direction.ts';
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

/** What of the machine a serial port is made of. */
interface SerialWorld {
  open(settings: SerialSettings): Promise<PortBinding>;
  ioctl(port: string): Promise<IoctlCall>;
  sleep(ms: number): Promise<void>;
}

const THIS_MACHINE: SerialWorld = { open: opened, ioctl: systemIoctl, sleep: (ms) => systemClock.sleep(ms) };

/** A serial port, opened for us alone. Any error ends it, so that an adapter can come back under its old name. */
export class SerialTransport implements Transport {
  private readonly settings: SerialSettings;
  private readonly world: SerialWorld;
  /** Sendings by RTS go one after the other. */
  private sending: Promise<void> = Promise.resolve();
  private port: PortBinding | undefined;
  private tell: TransportEvents | undefined;
  private closings = 0;

  constructor(settings: SerialSettings, world: SerialWorld = THIS_MACHINE) {
    this.settings = settings;
    this.world = world;
  }

  async connect(events: TransportEvents, signal: AbortSignal): Promise<void> {
    const { settings, world } = this;
    signal.throwIfAborted();
    if (this.port) await shut(this.port);
    this.port = undefined;
    const closingsBefore = this.closings;
    const made = await world.open(settings);
    try {
      await this.takeDirection(made);
    } catch (error) {
      await shut(made);
      throw error;
    }
    if (signal.aborted || this.closings !== closingsBefore) {
      await shut(made);
      signal.throwIfAborted();
      throw new NotConnected(`${settings.port}: closed while it was being opened.`);
    }
    this.port = made;
    this.tell = events;
    if (isFile(made)) this.readFile(made);
    else void this.readOn(made);
  }

  write(bytes: Uint8Array): void {
    const writing = this.port;
    if (!writing) return;
    const onFailure = (error: unknown): void => this.lose(writing, error);
    if (this.settings.rs485?.by === 'rts' && hasModemLines(writing)) {
      const copy = Buffer.from(bytes);
      this.sending = this.sending.then(() => this.sendByRts(writing, copy)).catch(onFailure);
      return;
    }
    try {
      const written = isFile(writing) ? writtenNow(writing, bytes) : 0;
      if (written === bytes.length) return;
      const rest = Buffer.from(bytes.buffer, bytes.byteOffset + written, bytes.length - written);
      writing.write(rest).catch(onFailure);
    } catch (error) {
      onFailure(error);
    }
  }

  verify(): void {
    // The read of an adapter that was pulled out may never end: a port without its name is gone.
    if (this.port && !exists(this.settings.port)) this.lose(this.port, undefined);
  }

  async close(): Promise<void> {
    const closing = this.port;
    this.closings++;
    this.tell = undefined;
    this.port = undefined;
    if (closing) await shut(closing);
  }

  /** Ends the connection by this port; nothing where it is not the present one any more. */
  private lose(port: PortBinding, error: unknown): void {
    if (this.port !== port) return;
    const told = this.tell;
    this.tell = undefined;
    this.port = undefined;
    void shut(port);
    told?.onLost(unplugged(this.settings.port, error));
  }

  /**
   * Reads where the bytes are reported: the thread that the binding would ask costs more than the read itself. The read
   * waits for the loop's own turn, because from Node 26.4 on a promise that is resolved inside the binding's callback is
   * not looked at before the next timer (nodejs/node#62969).
   */
  private readFile(reading: FileBinding): void {
    const buffer = Buffer.alloc(READ_BYTES);
    const attend = () => reading.poller.once('readable', (failure) => setImmediate(onReadable, failure));
    const onReadable = (failure: Error | null): void => {
      if (this.port !== reading) return;
      try {
        if (failure) throw failure;
        const bytesRead = readSync(reading.fd, buffer, 0, READ_BYTES, null);
        // Nothing where something was announced: the line was hung up.
        if (bytesRead === 0) {
          this.lose(reading, undefined);
          return;
        }
        attend();
        this.tell?.onBytes(buffer.subarray(0, bytesRead));
      } catch (error) {
        if (isForLater(error)) attend();
        else this.lose(reading, error);
      }
    };
    attend();
  }

  private async readOn(reading: PortBinding): Promise<void> {
    const buffer = Buffer.alloc(READ_BYTES);
    try {
      while (this.port === reading) {
        const { bytesRead } = await reading.read(buffer, 0, READ_BYTES);
        if (this.port === reading) this.tell?.onBytes(buffer.subarray(0, bytesRead));
      }
    } catch (error) {
      this.lose(reading, error);
    }
  }

  private async takeDirection(made: PortBinding): Promise<void> {
    const { port, rs485 } = this.settings;
    if (!rs485) return;
    if (rs485.by === 'kernel' && isFile(made))
      return switchByKernel(port, made.fd, rs485, await this.world.ioctl(port));
    if (rs485.by === 'rts' && hasModemLines(made)) return holdRts(made, false);
    throw new NotConnected(
      `${port}: rs485 needs the package serialport. Install it, or use an adapter that switches by itself.`,
    );
  }

  /** Sends while RTS is on: the last byte has left before it is off again. */
  private async sendByRts(writing: PortBinding & ModemLines, bytes: Buffer): Promise<void> {
    const { beforeMs, afterMs } = this.settings.rs485!;
    await holdRts(writing, true);
    if (beforeMs > 0) await this.world.sleep(beforeMs);
    await writing.write(bytes);
    await writing.drain();
    if (afterMs > 0) await this.world.sleep(afterMs);
    await holdRts(writing, false);
  }
}

function hasModemLines(port: PortBinding): port is PortBinding & ModemLines {
  return 'set' in port && 'drain' in port;
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
