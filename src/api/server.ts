/** Serves the API on a Unix socket and, where the file asks for it, on TCP. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../core/clock.ts';
import { codeOf, EXIT, Fault, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { isLoopback, refuse, SECURITY_HEADERS, type Transport } from './guard.ts';
import { createRecordings } from './recordings.ts';
import { createStreams, type Streams } from './stream.ts';
import type { GatewayView } from './view.ts';

/** The longest path of a Unix socket, bytes (108 of `sun_path` less the closing zero). */
const MAX_SOCKET_PATH_BYTES = 107;

/** Connections at once on each listener; one more is closed. */
const MAX_CONNECTIONS = 64;

/** Deadline to receive a whole request, ms. */
const RECEIVE_DEADLINE_MS = 15_000;

/** How long a socket file that is in the way may take to show that somebody answers on it, ms. */
const PROBE_DEADLINE_MS = 2000;

/** What the API serves, and where. */
interface ApiOptions {
  readonly view: GatewayView;
  /** Unix socket of the command line. */
  readonly socketPath: string;
  /** Loopback TCP beside it; port 0 takes any free port. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
}

/** The local API. */
export interface Api {
  /** Resolves when it answers; rejects with a `Fault` that names what is in the way. */
  start(): Promise<void>;
  /**
   * Listens elsewhere on TCP from now on; the Unix socket is not touched. Rejects with a `Fault` that names what is in
   * the way, and then listens where it did before.
   */
  relisten(listen: ApiOptions['listen']): Promise<void>;
  /** The TCP port in use, once started. */
  port(): number | undefined;
  /** Ends every connection and removes the socket. Idempotent. */
  close(): Promise<void>;
}

/** The local JSON API on a Unix socket (mode 0660) and, when asked, on loopback TCP. */
export function createApi(options: ApiOptions): Api {
  const { socketPath, log } = options;
  const servers: Server[] = [];
  let { listen } = options;
  let streams: Streams | undefined;
  let handlerFor: ((transport: Transport) => Handler) | undefined;
  let onTcp: Server | undefined;

  const openTcp = async (): Promise<void> => {
    if (listen && !isLoopback(listen.host))
      throw new Fault(
        `api.listen: ${listen.host} can be reached from other machines. Use 127.0.0.1 and an ssh tunnel.`,
        EXIT.configInvalid,
      );
    if (!listen || !handlerFor) return;
    const server = newServer(handlerFor('tcp'));
    await listenOnTcp(server, listen);
    onTcp = server;
    log.info(`answers on ${socketPath} and http://${listen.host}:${(server.address() as AddressInfo).port}`);
  };

  const closeTcp = async (): Promise<void> => {
    const server = onTcp;
    onTcp = undefined;
    if (server) await stop(server);
  };

  const close = async (): Promise<void> => {
    streams?.close();
    await Promise.all([closeTcp(), ...servers.splice(0).map(stop)]);
  };

  return {
    async start() {
      streams = createStreams(options);
      handlerFor = createHandler(options, streams, () => listen?.host);
      try {
        const onSocket = newServer(handlerFor('socket'));
        await listenOnSocket(onSocket, socketPath, options.clock);
        servers.push(onSocket);
        await openTcp();
      } catch (error) {
        await close();
        handlerFor = undefined;
        throw error;
      }
    },
    async relisten(next) {
      const before = listen;
      if (isDeepStrictEqual(before, next)) return;
      await closeTcp();
      listen = next;
      try {
        await openTcp();
      } catch (error) {
        listen = before;
        await openTcp();
        throw error;
      }
    },
    port: () => (onTcp?.address() as AddressInfo | undefined)?.port,
    close,
  };
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
type AsyncHandler = (request: IncomingMessage, response: ServerResponse) => Promise<unknown>;

async function loadApplication(
  options: ApiOptions,
  streams: Streams,
  transportOf: (request: IncomingMessage) => Transport,
): Promise<AsyncHandler> {
  const [{ getRequestListener }, { createApp }] = await Promise.all([import('@hono/node-server'), import('./app.ts')]);
  const app = createApp({ ...options, streams, recordings: createRecordings(options), transportOf });
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  return async (request, response) => listener(request, response);
}

/** Answers requests; the web framework takes 10 MB and is loaded by the first of them. */
function createHandler(
  options: ApiOptions,
  streams: Streams,
  configuredHost: () => string | undefined,
): (transport: Transport) => Handler {
  const onSocket = new WeakSet<IncomingMessage>();
  const transportOf = (request: IncomingMessage): Transport => (onSocket.has(request) ? 'socket' : 'tcp');
  let application: Promise<AsyncHandler> | undefined;
  const answer: AsyncHandler = async (request, response) => {
    application ??= loadApplication(options, streams, transportOf);
    await (await application)(request, response);
  };
  return (transport) => (request, response) => {
    response.setHeader('X-Millgate-Version', options.version);
    if (transport === 'socket') onSocket.add(request);
    const refusal = refuse(request.headers, transport, configuredHost());
    if (!refusal) {
      answer(request, response).catch((error) => options.log.error(`the API failed: ${messageOf(error)}`));
      return;
    }
    const { status, error, remedy } = refusal;
    response.writeHead(status, { ...SECURITY_HEADERS, 'Content-Type': 'application/json', Connection: 'close' });
    response.end(`${JSON.stringify({ error, remedy })}\n`);
  };
}

function newServer(handler: Handler): Server {
  const server = createServer({ requestTimeout: RECEIVE_DEADLINE_MS, headersTimeout: RECEIVE_DEADLINE_MS }, handler);
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

async function listenOnTcp(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  try {
    await listening(server, () => server.listen({ host, port }));
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EADDRINUSE')
      throw new Fault(
        `api.listen: port ${port} is in use. Choose another port, or stop the program that has it (ss -ltnp).`,
        EXIT.unavailable,
        { cause: error },
      );
    if (code === 'EACCES')
      throw new Fault(`api.listen: port ${port} needs more rights. Choose one above 1023.`, EXIT.permission, {
        cause: error,
      });
    throw new Fault(
      `api.listen: cannot listen on ${host}:${port}: ${messageOf(error)}. Check the address.`,
      EXIT.unavailable,
      { cause: error },
    );
  }
}

async function listenOnSocket(server: Server, path: string, clock: Clock): Promise<void> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES)
    throw new Fault(
      `${path}: too long for a Unix socket (${MAX_SOCKET_PATH_BYTES} bytes). Choose a shorter store.path.`,
      EXIT.configInvalid,
    );
  const bind = async (): Promise<void> => {
    const before = process.umask(0o117);
    try {
      await listening(server, () => {
        server.listen({ path });
        process.umask(before);
      });
      chmodSync(path, 0o660);
    } finally {
      process.umask(before);
    }
  };
  try {
    await bind();
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw socketFault(path, error);
    await removeStale(path, clock);
    await bind().catch((again) => {
      throw socketFault(path, again);
    });
  }
}

/** Removes a socket file that nobody answers on; anything else stays where it is. */
async function removeStale(path: string, clock: Clock): Promise<void> {
  const code = await probe(path, clock);
  if (code === 'ENOENT') return;
  // Linux refuses a connection to any kind of file: that alone does not say that this is an old socket.
  if (code === 'ECONNREFUSED' && lstatSync(path).isSocket()) {
    unlinkSync(path);
    return;
  }
  if (code === 'answers')
    throw new Fault(
      `${path}: another gateway answers there. Stop it (systemctl stop millgate), or give this one another store.path.`,
      EXIT.unavailable,
    );
  if (code === 'EACCES') throw socketFault(path, Object.assign(new Error('permission denied'), { code }));
  throw new Fault(`${path}: in the way, and no socket. Move that file away.`, EXIT.unavailable);
}

/** `answers`, or the error code of an attempt to connect. Silence counts as an answer: somebody holds the socket. */
function probe(path: string, clock: Clock): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const finish = (result: string): void => {
      cancel();
      socket.destroy();
      resolve(result);
    };
    const cancel = clock.after(PROBE_DEADLINE_MS, () => finish('answers'));
    socket.on('connect', () => finish('answers'));
    socket.on('error', (error) => finish(codeOf(error) ?? 'unknown'));
  });
}

function socketFault(path: string, error: unknown): Fault {
  const code = codeOf(error);
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new Fault(`${path}: may not be made by this user. Run as the user of the service.`, EXIT.permission, {
      cause: error,
    });
  if (code === 'ENOENT')
    return new Fault(`${path}: its folder is missing. Make it: mkdir -p, then start again.`, EXIT.unavailable, {
      cause: error,
    });
  return new Fault(`${path}: no socket can be made: ${messageOf(error)}. Check the disk.`, EXIT.unavailable, {
    cause: error,
  });
}

function listening(server: Server, begin: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    begin();
  });
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
