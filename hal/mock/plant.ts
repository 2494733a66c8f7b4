import { type AddressInfo, createServer } from 'node:net';
import type { Clock } from '../../src/core/clock.ts';

export async function startPlant({ port }: { port: number; seed: number; clock: Clock }) {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
