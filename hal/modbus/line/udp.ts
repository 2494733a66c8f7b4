/** Datagrams to one endpoint as a transport of bytes: each carries one frame of Modbus TCP. */
import { createSocket, type Socket } from 'node:dgram';
import { messageOf } from '../../../src/core/errors.ts';
import { NotConnected } from '../../driver.ts';
import type { Transport, TransportEvents } from '../../transport.ts';

/** A UDP socket that only takes what the endpoint sends. There is no connection: whether anybody is there shows by answers. */
export function udpTransport({ host, port }: { readonly host: string; readonly port: number }): Transport {
  let socket: Socket | undefined;
  let tell: TransportEvents | undefined;
  const name = `${host}:${port}`;

  const shut = (): void => {
    const closing = socket;
    socket = undefined;
    tell = undefined;
    closing?.close();
  };
  const lose = (made: Socket, error: Error): void => {
    if (socket !== made) return;
    const told = tell;
    shut();
    told?.onLost(new NotConnected(explained(name, error), { cause: error }));
  };

  return {
    async connect(events, signal) {
      signal.throwIfAborted();
      shut();
      const made = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      await new Promise<void>((resolve, reject) => {
        made.once('error', (error) => reject(new NotConnected(explained(name, error), { cause: error })));
        made.connect(port, host, () => resolve());
      }).catch((error: unknown) => {
        made.close();
        throw error;
      });
      if (signal.aborted) {
        made.close();
        throw signal.reason;
      }
      socket = made;
      tell = events;
      made.removeAllListeners('error');
      made.on('error', (error) => lose(made, error));
      made.on('message', (bytes) => socket === made && tell?.onBytes(bytes));
    },
    write(bytes) {
      const sending = socket;
      sending?.send(bytes, (error) => error && lose(sending, error));
    },
    verify() {},
    async close() {
      shut();
    },
  };
}

function explained(name: string, error: Error): string {
  if ('code' in error && error.code === 'ECONNREFUSED')
    return `${name}: nothing listens on this UDP port. Is the port right, and Modbus over UDP enabled on the device?`;
  return `${name}: ${messageOf(error)}. Check the host name, and the network between here and the device.`;
}
