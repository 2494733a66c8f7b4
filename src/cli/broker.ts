import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { codeOf } from '../core/errors.ts';

/** The port of MQTT, and how many after it are tried when it is in use. */
const MQTT_PORT = 1883;
const PORTS_TRIED = 10;

/** A broker inside this process, for the demo: loopback only, no password, nothing kept. */
export interface EmbeddedBroker {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts it on 127.0.0.1, on port 1883 or the next free one. */
export async function startBroker(): Promise<EmbeddedBroker> {
  const { Aedes } = await import('aedes');
  const broker = await Aedes.createBroker();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    broker.handle(socket);
  });
  const port = await listenOnFreePort(server);
  return {
    port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
      await new Promise<void>((resolve) => broker.close(() => resolve()));
    },
  };
}

async function listenOnFreePort(server: Server): Promise<number> {
  const candidates = [...Array.from({ length: PORTS_TRIED }, (_, index) => MQTT_PORT + index), 0];
  for (const port of candidates) {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host: '127.0.0.1', port }, () => {
          server.off('error', reject);
          resolve();
        });
      });
      break;
    } catch (error) {
      if (codeOf(error) !== 'EADDRINUSE') throw error;
    }
  }
  return (server.address() as AddressInfo).port;
}
