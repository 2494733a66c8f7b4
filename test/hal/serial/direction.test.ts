import { expect, it } from 'vitest';
import { NotConnected } from '../../../hal/driver.ts';
import { SerialTransport } from '../../../hal/serial/port.ts';

/** A port that writes down what is done to it. */
function notedPort(ioctlAnswer = 0) {
  const notes: string[] = [];
  const never = new Promise<never>(() => {});
  const port = {
    fd: 7,
    isOpen: true,
    poller: { once() {} },
    read: () => never,
    async set({ rts }: { rts: boolean }) {
      notes.push(rts ? 'RTS on' : 'RTS off');
    },
    async write(bytes: Buffer) {
      notes.push(`write ${bytes.toString('hex')}`);
    },
    async drain() {
      notes.push('drained');
    },
    async close() {
      port.isOpen = false;
    },
  };
  const world = {
    open: async () => port,
    ioctl: async () => ({
      ioctl(fd: number, request: number, argument: Buffer) {
        notes.push(`ioctl ${fd} ${request.toString(16)} ${argument.toString('hex', 0, 12)}`);
        return ioctlAnswer;
      },
      errno: () => 25,
    }),
    async sleep(ms: number) {
      notes.push(`rest ${ms} ms`);
    },
  };
  const settings = { port: '/dev/ttyS1', baud: 9600, parity: 'none', dataBits: 8, stopBits: 1 } as const;
  const transportWith = (by: 'kernel' | 'rts') =>
    new SerialTransport({ ...settings, rs485: { by, beforeMs: 2, afterMs: 1 } }, world);
  return { notes, port, transportWith };
}

const events = { onBytes() {}, onLost() {} };
const { signal } = new AbortController();

it('RTS is on from before the first byte until the last one has left', async () => {
  const { notes, transportWith } = notedPort();
  const transport = transportWith('rts');
  await transport.connect(events, signal);
  transport.write(Uint8Array.of(1, 3));
  transport.write(Uint8Array.of(2));
  await new Promise((resolve) => setImmediate(resolve));
  const sent = (hex: string) => ['RTS on', 'rest 2 ms', `write ${hex}`, 'drained', 'rest 1 ms', 'RTS off'];
  expect(notes).toEqual(['RTS off', ...sent('0103'), ...sent('02')]);
});

it('the kernel is told by TIOCSRS485: enabled, RTS on while sending, the rests in milliseconds', async () => {
  const { notes, transportWith } = notedPort();
  await transportWith('kernel').connect(events, signal);
  expect(notes).toEqual(['ioctl 7 542f 030000000200000001000000']);
});

it('a port whose driver cannot switch says so, with the way out, and is let go of', async () => {
  const { port, transportWith } = notedPort(-1);
  const connecting = transportWith('kernel').connect(events, signal);
  await expect(connecting).rejects.toThrow(NotConnected);
  await expect(connecting).rejects.toThrow('rs485: rts');
  expect(port.isOpen).toBe(false);
});
