import { expect, it } from 'vitest';
import { SerialTransport } from '../../../hal/serial/port.ts';
import { ptyTo } from '../../double/pty.ts';
import { scales } from '../../double/scales.ts';

// On Node 26.4 and newer a promise that is resolved inside the binding's own callback waits for the next timer.
it('hands bytes on from the event loop, never from inside the callback of the native binding', async () => {
  const server = await scales();
  const pty = await ptyTo(server.port);
  const transport = new SerialTransport({ port: pty.path, baud: 9600, parity: 'none', dataBits: 8, stopBits: 1 });
  let handedOnFrom = '';
  const answered = new Promise<void>((resolve) => {
    const events = {
      onBytes: () => {
        handedOnFrom = new Error('here').stack ?? '';
        resolve();
      },
      onLost: () => resolve(),
    };
    void transport.connect(events, new AbortController().signal).then(() => transport.write(Buffer.from('W1\r')));
  });
  await answered;
  await transport.close();
  await pty.stop();
  await server.stop();
  expect(handedOnFrom).toContain('Immediate');
});
