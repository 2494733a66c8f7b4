/** Switches the transceiver of an RS-485 port between sending and receiving, where the adapter does not do it by itself. */
import { NotConnected } from '../driver.ts';

/** Who switches, and how long the line is held before the first and after the last byte, ms. */
export interface Rs485 {
  /** `kernel`: the driver of the port; `rts`: this program, by the RTS line. */
  readonly by: 'kernel' | 'rts';
  readonly beforeMs: number;
  readonly afterMs: number;
}

/** The modem lines of an open port, as the binding has them. */
export interface ModemLines {
  set(lines: { rts: boolean; dtr: boolean; brk: boolean; cts: boolean; dsr: boolean }): Promise<void>;
  /** Resolves when the last byte has left. */
  drain(): Promise<void>;
}

/** An ioctl(2) of the system; -1 and an error number in `errno` when it fails. */
export interface IoctlCall {
  ioctl(fd: number, request: number, argument: Buffer): number;
  errno(): number;
}

/** TIOCSRS485 and the flags of `struct serial_rs485` (linux/serial.h): enabled, RTS on while sending. */
const TIOCSRS485 = 0x542f;
const ENABLED_RTS_ON_SEND = 0b011;
const STRUCT_BYTES = 32;

/**
 * Has the kernel switch the transceiver of an open port. The kernel counts whole milliseconds.
 *
 * @throws NotConnected the driver of the port cannot do that
 */
export function switchByKernel(port: string, fd: number, { beforeMs, afterMs }: Rs485, call: IoctlCall): void {
  const settings = Buffer.alloc(STRUCT_BYTES);
  settings.writeUInt32LE(ENABLED_RTS_ON_SEND, 0);
  settings.writeUInt32LE(Math.round(beforeMs), 4);
  settings.writeUInt32LE(Math.round(afterMs), 8);
  if (call.ioctl(fd, TIOCSRS485, settings) >= 0) return;
  throw new NotConnected(
    `${port}: its driver cannot switch the direction of RS-485 (error ${call.errno()}). Write rs485: rts, or rs485: none for an adapter that switches by itself.`,
  );
}

/** The ioctl of this machine through `koffi`. Rejects with `NotConnected` when koffi is not there. */
export async function systemIoctl(port: string): Promise<IoctlCall> {
  try {
    const { default: koffi } = await import('koffi');
    const ioctl = koffi.load(null).func('int ioctl(int fd, unsigned long request, void *argument)');
    return { ioctl: (fd, request, argument) => ioctl(fd, request, argument), errno: () => koffi.errno() };
  } catch (error) {
    throw new NotConnected(`${port}: rs485: kernel needs the package koffi. Install it, or write rs485: rts.`, {
      cause: error,
    });
  }
}

/** Holds the line for sending while RTS is on. */
export async function holdRts(lines: ModemLines, isSending: boolean): Promise<void> {
  await lines.set({ rts: isSending, dtr: true, brk: false, cts: false, dsr: false });
}
