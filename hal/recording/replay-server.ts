/** Serves a recorded line over TCP. */
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../src/core/clock.ts';
import { codeOf, messageOf } from '../../src/core/errors.ts';
import { NotConnected } from '../driver.ts';
import type { ReplayPlayer } from './replay.ts';

/** Where a replay is served. */
interface ReplayServerOptions {
  readonly player: ReplayPlayer;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly clock: Clock;
}

/** A replay that is being served over TCP. */
interface ReplayServer {
  readonly port: number;
  /** Drops every connection and stops listening. Idempotent. */
  close(): Promise<void>;
}

/** Further connections are refused, as small controllers do. */
const MOST_CONNECTIONS = 16;

/** A connection whose master does not read its answers is dropped beyond this. */
const MOST_UNREAD_BYTES = 65_536;

/**
 * Serves a replay over TCP. Where the recording lost its connection and could not have it again for a while, connections
 * are broken off for that long. The port is kept meanwhile: closed, it could be gone to somebody else.
 *
 * @throws NotConnected when the port cannot be had
 */
export async function serveReplay(options: ReplayServerOptions): Promise<ReplayServer> {
  const { player, host, clock } = options;
  const sockets = new Set<Socket>();
  let awayUntilMs = 0;

  const goAway = (forMs: number): void => {
    awayUntilMs = clock.monoMs() + forMs;
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((socket) => {
    const isAway = clock.monoMs() < awayUntilMs;
    if (isAway || sockets.size >= MOST_CONNECTIONS) return void socket.resetAndDestroy();
    sockets.add(socket);
    socket.setNoDelay(true);
    const connection = player.attach({
      send(bytes) {
        if (socket.destroyed) return;
        socket.write(bytes);
        if (socket.writableLength > MOST_UNREAD_BYTES) socket.destroy();
      },
      hangUp: (forMs) => (forMs > 0 ? goAway(forMs) : socket.destroy()),
    });
    socket.on('data', (bytes) => connection.receive(bytes));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      connection.end();
      sockets.delete(socket);
    });
  });
  const port = await listening(server, host, options.port);
  return {
    port,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

/** Listens; gives the port. Rejects with `NotConnected` that names cause and remedy. */
function listening(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(cannotListen(host, port, error));
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}

function cannotListen(host: string, port: number, error: Error): NotConnected {
  const where = `${host}:${port}`;
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new NotConnected(`${where}: another program listens there. Stop it, or choose another port (--listen).`, {
        cause: error,
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new NotConnected(`${where}: this machine has no such address. Try --listen 127.0.0.1:0.`, {
        cause: error,
      });
    case 'EACCES':
      return new NotConnected(`${where}: ports below 1024 are for the system. Choose one from 1024 to 65535.`, {
        cause: error,
      });
    default:
      return new NotConnected(`${where}: cannot listen there: ${messageOf(error)}. Try --listen 127.0.0.1:0.`, {
        cause: error,
      });
  }
}
