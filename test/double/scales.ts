import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** Scales that answer `W1` and `W2`, and not `W3`. */
export async function scales() {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      for (const [, unit] of data.toString('latin1').matchAll(/W([12])\r/g))
        socket.write(`W${unit} ${unit}0.5 kg net\r\n`);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  return { port, stop };
}
