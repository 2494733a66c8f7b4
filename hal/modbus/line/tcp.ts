/** Carries bytes over one TCP connection. */
import { connect as connectTcp, type Socket } from 'node:net';
import type { Clock } from '../../../src/core/clock.ts';
import { codeOf, messageOf } from '../../../src/core/errors.ts';
import { NotConnected } from '../../driver.ts';
import type { Transport, TransportEvents } from '../../transport.ts';

/** Where to connect. */
interface TcpEndpoint {
  readonly host: string;
  readonly port: number;
  readonly connectTimeoutMs: number;
}

/** First keepalive probe after this long without data. */
const KEEPALIVE_MS = 10_000;

/** Unsent bytes that mean that the other side has stopped to take any. */
const MAX_UNSENT_BYTES = 64 * 1024;

/** One TCP connection to an endpoint: PLCs often accept no second one. */
export function tcpTransport(endpoint: TcpEndpoint, clock: Clock): Transport {
  let socket: Socket | undefined;
  let tell: TransportEvents | undefined;
  let connecting: AbortController | undefined;
  const name = `${endpoint.host}:${endpoint.port}`;

  const lose = (lost: NotConnected): void => {
    const told = tell;
    tell = undefined;
    socket?.destroy();
    socket = undefined;
    told?.onLost(lost);
  };

  return {
    async connect(events, signal) {
      socket?.destroy();
      connecting = new AbortController();
      const made = await opened(endpoint, name, clock, AbortSignal.any([signal, connecting.signal]));
      socket = made;
      tell = events;
      made.on('data', (bytes) => socket === made && tell?.onBytes(bytes));
      made.on('error', (error) => socket === made && lose(new NotConnected(explained(name, error), { cause: error })));
      made.on('close', () => {
        if (socket === made)
          lose(new NotConnected(`${name}: the device closed the connection. Does it serve another master already?`));
      });
    },
    write(bytes) {
      if (!socket) return;
      if (socket.writableLength > MAX_UNSENT_BYTES)
        return lose(new NotConnected(`${name}: the device takes no more data. Is it still running?`));
      socket.write(bytes);
    },
    // The line watches the silence of a connection; the kernel's keepalive finds a vanished peer.
    verify() {},
    async close() {
      connecting?.abort(new NotConnected(`${name}: closed while it was being connected.`));
      tell = undefined;
      socket?.destroy();
      socket = undefined;
    },
  };
}

function opened(endpoint: TcpEndpoint, name: string, clock: Clock, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = connectTcp({ host: endpoint.host, port: endpoint.port, noDelay: true });
    socket.setKeepAlive(true, KEEPALIVE_MS);
    const finish = (act: () => void): void => {
      cancelDeadline();
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('error', onError);
      socket.removeListener('connect', onConnect);
      act();
    };
    const fail = (reason: unknown): void =>
      finish(() => {
        // An error after the deadline must find a listener.
        socket.on('error', () => {});
        socket.destroy();
        reject(reason);
      });
    const onAbort = (): void => fail(signal.reason);
    const onError = (error: Error): void => fail(new NotConnected(explained(name, error), { cause: error }));
    const onConnect = (): void => finish(() => resolve(socket));
    const cancelDeadline = clock.after(endpoint.connectTimeoutMs, () =>
      fail(new NotConnected(`${name}: no answer to the connection request. Is the device on, and its address right?`)),
    );
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once('connect', onConnect);
  });
}

/** Cause and remedy of a socket error. */
function explained(name: string, error: Error): string {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return `${name}: connection refused. Is the port right and Modbus TCP enabled on the device?`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `${name}: the device broke the connection off. Does it serve another master already?`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `${name}: not reachable. Check the cable, the address and the route to its network.`;
    case 'ETIMEDOUT':
      return `${name}: the device vanished from the network. Check its power and the cable.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${name}: the host name is not known. Check its spelling, or write the IP address.`;
    case 'EACCES':
    case 'EPERM':
      return `${name}: not permitted. A firewall on this machine refuses the connection.`;
    default:
      return `${name}: ${messageOf(error)}. Check the network between here and the device.`;
  }
}
