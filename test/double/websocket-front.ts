import { createRequire } from 'node:module';
import { connect } from 'node:net';

/** What of the library `ws`, which the MQTT library brings, is used here. */
interface WebSockets {
  readonly WebSocketServer: new (options: {
    host: string;
    port: number;
  }) => {
    on(event: 'connection', heard: (socket: unknown) => void): void;
    once(event: 'listening', heard: () => void): void;
    address(): { port: number };
    readonly clients: Iterable<{ terminate(): void }>;
    close(done: () => void): void;
  };
  createWebSocketStream(socket: unknown): NodeJS.ReadWriteStream & { destroy(): void };
}

const fromMqtt = createRequire(createRequire(import.meta.url).resolve('mqtt'));
const { WebSocketServer, createWebSocketStream } = fromMqtt('ws') as WebSockets;

/** Takes WebSockets in front of a broker that has none, and hands on what they carry. */
export async function startWebSocketFront(brokerPort: number): Promise<{ port: number; close(): Promise<void> }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (client) => {
    const stream = createWebSocketStream(client);
    const broker = connect(brokerPort, '127.0.0.1');
    const end = (): void => {
      stream.destroy();
      broker.destroy();
    };
    for (const side of [stream, broker]) for (const event of ['error', 'close']) side.on(event, end);
    stream.pipe(broker).pipe(stream);
  });
  await new Promise<void>((resolve) => server.once('listening', resolve));
  return {
    port: server.address().port,
    async close() {
      for (const client of server.clients) client.terminate();
      await new Promise<void>((resolve) => server.close(resolve));
    },
  };
}
