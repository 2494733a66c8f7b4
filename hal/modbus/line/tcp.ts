/** A TCP connection, plain or over TLS, and a UDP socket as transports of bytes. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Clock, underBoth } from '../../../src/core/clock.ts';
import { codeOf, messageOf } from '../../../src/core/errors.ts';
import { NotConnected } from '../../driver.ts';
import type { Transport, TransportEvents } from '../../transport.ts';

/** Where to connect. */
interface TcpEndpoint {
  readonly host: string;
  readonly port: number;
  readonly connectTimeoutMs: number;
  /** Paths of PEM files; undefined: no TLS. */
  readonly tls?:
    | { readonly ca: string | undefined; readonly cert: string | undefined; readonly key: string | undefined }
    | undefined;
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
      const made = await underBoth(signal, connecting.signal, (either) => opened(endpoint, name, clock, either));
      socket = made;
      tell = events;
      made.on('data', (bytes) => socket === made && tell?.onBytes(bytes));
      made.on('error', (error) => socket === made && lose(new NotConnected(explained(name, error), { cause: error })));
      const onEnd = (): void => {
        if (socket === made)
          lose(new NotConnected(`${name}: the device closed the connection. Does it serve another master already?`));
      };
      made.on('end', onEnd);
      made.on('close', onEnd);
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
    let socket: Socket;
    try {
      socket = socketTo(endpoint);
    } catch (error) {
      return reject(new NotConnected(`${name}: ${messageOf(error)}. Check the files of tls.`, { cause: error }));
    }
    const established = endpoint.tls ? 'secureConnect' : 'connect';
    socket.setKeepAlive(true, KEEPALIVE_MS);
    const finish = (act: () => void): void => {
      cancelDeadline();
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('error', onError);
      socket.removeListener(established, onConnect);
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
    socket.once(established, onConnect);
  });
}

function socketTo({ host, port, tls }: TcpEndpoint): Socket {
  if (!tls) return connectTcp({ host, port, noDelay: true });
  const read = (path: string | undefined) => (path === undefined ? undefined : readFileSync(path));
  // The Modbus/TCP Security specification (V36, 8) wants TLS 1.2 at least.
  const files = { ca: read(tls.ca), cert: read(tls.cert), key: read(tls.key) };
  const socket = connectTls({ host, port, ...files, minVersion: 'TLSv1.2' });
  return socket.setNoDelay(true);
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
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return `${name}: nobody that is trusted here signed its certificate. Name the authority: tls: {ca: FILE}`;
    case 'CERT_HAS_EXPIRED':
      return `${name}: its certificate has expired. Renew it on the device, and check the clock of this machine.`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `${name}: its certificate is for another name or address. Write the name that it has as host.`;
    default:
      return `${name}: ${messageOf(error)}. Check the network between here and the device.`;
  }
}

/** A UDP socket that only takes what the endpoint sends. There is no connection: whether anybody is there shows by answers. */
export function udpTransport({ host, port }: { readonly host: string; readonly port: number }): Transport {
  let socket: UdpSocket | undefined;
  let tell: TransportEvents | undefined;
  const name = `${host}:${port}`;

  const shut = (): void => {
    const closing = socket;
    socket = undefined;
    tell = undefined;
    closing?.close();
  };
  const lose = (made: UdpSocket, error: Error): void => {
    if (socket !== made) return;
    const told = tell;
    shut();
    told?.onLost(new NotConnected(explainedUdp(name, error), { cause: error }));
  };

  return {
    async connect(events, signal) {
      signal.throwIfAborted();
      shut();
      const made = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      await new Promise<void>((resolve, reject) => {
        made.once('error', (error) => reject(new NotConnected(explainedUdp(name, error), { cause: error })));
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

/** Cause and remedy of an error of a UDP socket. */
function explainedUdp(name: string, error: Error): string {
  if ('code' in error && error.code === 'ECONNREFUSED')
    return `${name}: nothing listens on this UDP port. Is the port right, and Modbus over UDP enabled on the device?`;
  return `${name}: ${messageOf(error)}. Check the host name, and the network between here and the device.`;
}
