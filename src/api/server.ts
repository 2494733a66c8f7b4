/** Serves the API on a Unix socket and, where the file asks for it, on TCP. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { type Clock, every } from '../core/clock.ts';
import { codeOf, EXIT, Fault, messageOf, notTaken } from '../core/errors.ts';
import type { EventBody } from '../core/event.ts';
import type { Logger } from '../core/log.ts';
import { answerTo, Refused } from './answer.ts';
import { type Application, createApp, respond } from './app.ts';
import { isLoopback, type OwnNames, refuse, type Transport } from './guard.ts';
import { createPageFiles } from './page-files.ts';
import { createRecordings } from './stream/recordings.ts';
import { Streams } from './stream/stream.ts';
import { ownPair, type Pair, pairOfFiles, type TlsPlace } from './tls/own-pair.ts';
import { tokenOrders } from './tokens/token-routes.ts';
import { Tokens } from './tokens/tokens.ts';
import type { TokenOrders } from './tokens/tokens-view.ts';
import type { ApiStatus, GatewayView } from './view.ts';

/** The longest path of a Unix socket, bytes (108 of `sun_path` less the closing zero). */
const MAX_SOCKET_PATH_BYTES = 107;

/** Connections at once on each listener; one more is closed. */
const MAX_CONNECTIONS = 200;

/**
 * A connection on which nothing moves for so long ends, ms: who asks and does not take the answer would else keep his place
 * for ever. Longer than requests may take; those that may take longer say so, and streams and recordings are not ended by it.
 */
const SILENCE_MS = 60_000;

/** Deadline to receive a whole request, ms. */
const RECEIVE_DEADLINE_MS = 15_000;

/** How often deadlines are looked at, ms. */
const LOOK_AT_DEADLINES_MS = 2000;

/** How long a socket file that is in the way may take to show that somebody answers on it, ms. */
const PROBE_DEADLINE_MS = 2000;

/** How often a TCP port that could not be had is tried again, ms. */
const TRY_AGAIN_MS = 10_000;

/** How often it is looked whether the certificate is to be replaced, ms. */
const LOOK_AT_CERTIFICATE_MS = 12 * 3_600_000;

/** Where the API listens beside its socket, and by which names it may be asked there. */
interface ApiPlace {
  /** Undefined: on the socket only. Port 0 takes any free port. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  /** A pair of its own, or PEM files of certificate and key; undefined: TCP is unencrypted. */
  readonly tls?: TlsPlace | undefined;
  /** Names that a proxy or a monitoring server may ask by. */
  readonly hosts?: readonly string[];
}

/** What the API serves, and where. */
interface ApiOptions extends ApiPlace {
  readonly view: GatewayView;
  /** Unix socket of the command line. */
  readonly socketPath: string;
  /** Names of this machine and of this gateway: they may be asked by where the API listens beyond loopback. */
  readonly machineNames?: readonly string[];
  /** Where the API keeps its tokens; undefined: they end with the process. */
  readonly tokensFile?: string;
  /** Where it keeps the certificate that it makes for itself; undefined: it ends with the process. */
  readonly certificateFolder?: string;
  /** Where the files of the page are; undefined: there is no page. */
  readonly pageFolder?: string;
  /** Takes what the journal is to say of tokens. */
  readonly event?: (body: EventBody) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
}

/** The local JSON API on a Unix socket (mode 0660) and, when asked, on TCP. */
export class Api {
  private readonly options: ApiOptions;
  private readonly streams: Streams;
  private readonly answer: Application;
  /** Makes and revokes tokens. */
  readonly tokens: TokenOrders;
  private place: ApiPlace;
  private onSocket: Server | undefined;
  private onTcp: Server | undefined;
  private pair: Pair | undefined;
  /** Why the port could not be had. */
  private trouble: string | undefined;
  private cancelRetry = (): void => {};
  private endLooking = (): void => {};

  constructor(options: ApiOptions) {
    this.options = options;
    this.place = options;
    this.streams = new Streams(options);
    const tokens = new Tokens({ ...options, file: options.tokensFile });
    this.tokens = tokenOrders(tokens, options.event ?? (() => {}));
    this.answer = createApp({
      ...options,
      view: {
        ...options.view,
        tokens: this.tokens,
        status: async () => ({ api: this.status(), ...(await options.view.status()) }),
      },
      streams: this.streams,
      recordings: createRecordings(options),
      tokens,
      pageFiles: createPageFiles(options.pageFolder),
    });
  }

  /**
   * Resolves when it answers on its socket; rejects with a `Fault` that names what is in the way. A TCP port that is
   * taken is told in the log and tried again until it is free: it takes the socket from nobody.
   */
  async start(): Promise<void> {
    const server = this.newServer('socket');
    await listenOnSocket(server, this.options.socketPath, this.options.clock);
    this.onSocket = server;
    await this.openTcpOrRetry();
  }

  /**
   * Listens elsewhere on TCP from now on; the Unix socket is not touched. Rejects with a `Fault` that names what is in
   * the way, and then listens where it did before.
   */
  async relisten(next: ApiPlace): Promise<void> {
    const before = this.place;
    this.place = next;
    const [was, is] = [before, next].map(({ listen, tls, hosts }) => [listen, tls, tls === 'self-signed' && hosts]);
    if (isDeepStrictEqual(was, is) || !this.onSocket) return;
    await this.closeTcp();
    try {
      await this.openTcp();
    } catch (error) {
      this.place = before;
      await this.openTcpOrRetry();
      throw error;
    }
  }

  /** The TCP port in use, once started. */
  port(): number | undefined {
    return (this.onTcp?.address() as AddressInfo | undefined)?.port;
  }

  /** Ends every connection and removes the socket. Idempotent. */
  async close(): Promise<void> {
    this.streams.close();
    const server = this.onSocket;
    this.onSocket = undefined;
    await Promise.all([this.closeTcp(), server && stop(server)]);
  }

  private newServer(transport: Transport): Server {
    const inTurn = createTurns();
    const deadlines = {
      requestTimeout: RECEIVE_DEADLINE_MS,
      headersTimeout: RECEIVE_DEADLINE_MS,
      // Node.js looks each 30 s otherwise, which would be the deadline.
      connectionsCheckingInterval: LOOK_AT_DEADLINES_MS,
    };
    const take: RequestListener = (request, response) => {
      response.setHeader('X-Millgate-Version', this.options.version);
      const refused = refusalOfHosts(request) ?? refuse(request.headers, transport, this.names());
      if (refused) {
        response.setHeader('Connection', 'close');
        respond(response, answerTo(refused));
      } else inTurn(request, response, () => void this.answer(request, response, transport));
    };
    const pair = transport === 'tcp' ? this.pair : undefined;
    const server = pair
      ? createTlsServer({ ...deadlines, ...pemOf(pair), handshakeTimeout: RECEIVE_DEADLINE_MS }, take)
      : createServer(deadlines, take);
    server.maxConnections = MAX_CONNECTIONS;
    server.timeout = SILENCE_MS;
    let isTold = false;
    server.on('error', (error) => {
      // Before it listens, whoever makes it listen is told.
      if (!server.listening || isTold) return;
      isTold = true;
      this.options.log.warn(notTaken(error));
    });
    return server;
  }

  private names(): OwnNames {
    const { listen, hosts = [] } = this.place;
    return {
      configured: [...hosts, ...(listen && !isEvery(listen.host) ? [listen.host] : [])],
      machine: this.options.machineNames ?? [],
      isBeyondLoopback: listen !== undefined && !isLoopback(listen.host),
    };
  }

  private async openTcp(): Promise<void> {
    const { listen } = this.place;
    if (!listen) return;
    this.pair = this.pairNow();
    const server = this.newServer('tcp');
    await listenOnTcp(server, listen);
    this.onTcp = server;
    this.trouble = undefined;
    const certificate = this.pair ? `, certificate SHA-256 ${this.pair.view.fingerprint}` : '';
    this.options.log.info(`answers on ${this.options.socketPath} and ${this.status()?.address}${certificate}`);
    if (this.pair)
      this.endLooking = every(this.options.clock, LOOK_AT_CERTIFICATE_MS, () => this.renew(server as TlsServer));
  }

  private status(): ApiStatus | undefined {
    const { listen } = this.place;
    const port = this.port() ?? (this.trouble === undefined ? undefined : listen?.port);
    if (!listen || port === undefined) return undefined;
    const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
    const address = `http${this.place.tls ? 's' : ''}://${host}:${port}`;
    return { address, certificate: this.pair?.view, ...(this.trouble !== undefined && { trouble: this.trouble }) };
  }

  /** The pair that TCP is to be served with now. */
  private pairNow(): Pair | undefined {
    const { tls } = this.place;
    if (tls !== 'self-signed') return tls && pairOfFiles(tls);
    const { certificateFolder: folder, machineNames = [] } = this.options;
    const names = [
      ...machineNames,
      ...machineNames.filter((name) => !name.includes('.')).map((name) => `${name}.local`),
      ...this.names().configured,
    ];
    return ownPair({ ...this.options, folder, names }, this.pair);
  }

  /** A certificate that ends soon, or was replaced in its file: connections that there are go on with the old one. */
  private renew(server: TlsServer): void {
    const before = this.pair;
    try {
      this.pair = this.pairNow() ?? before;
    } catch (error) {
      this.options.log.error(`the certificate could not be renewed: ${messageOf(error)}`);
    }
    if (this.pair && this.pair.cert !== before?.cert) server.setSecureContext(pemOf(this.pair));
  }

  private retryTcp(): void {
    this.cancelRetry = this.options.clock.after(TRY_AGAIN_MS, () => this.openTcp().catch(() => this.retryTcp()));
  }

  private async openTcpOrRetry(): Promise<void> {
    try {
      await this.openTcp();
    } catch (error) {
      this.trouble = messageOf(error);
      this.options.log.error(
        `${this.trouble} Until then it answers on ${this.options.socketPath} only; TCP is tried every ${TRY_AGAIN_MS / 1000} s.`,
      );
      this.retryTcp();
    }
  }

  private async closeTcp(): Promise<void> {
    this.trouble = undefined;
    this.cancelRetry();
    this.endLooking();
    const server = this.onTcp;
    this.onTcp = undefined;
    if (server) await stop(server);
  }
}

/** Requests of a connection that may wait for the answers before them; no browser and no usual client has any. */
const MOST_WAITING = 8;

type InTurn = (request: IncomingMessage, response: ServerResponse, answer: () => void) => void;

/**
 * Answers the requests of each connection one after the other, the next when the answer before it was taken: who asks for
 * much and reads nothing would else have all of it made and kept. With too many that wait the connection is ended.
 */
function createTurns(): InTurn {
  const waiting = new WeakMap<Socket, (() => void)[]>();
  return ({ socket }, response, answer) => {
    const run = (): void => {
      response.once('close', () => {
        const next = waiting.get(socket)?.shift();
        if (next && !socket.destroyed) next();
        else waiting.delete(socket);
      });
      answer();
    };
    const others = waiting.get(socket);
    if (!others) {
      waiting.set(socket, []);
      run();
    } else if (others.length < MOST_WAITING) others.push(run);
    else socket.destroy();
  };
}

/** Which of several hosts is meant, one that is asked and one that is behind it could see differently (RFC 9112, 3.2). */
function refusalOfHosts({ headersDistinct }: IncomingMessage): Refused | undefined {
  const hosts = headersDistinct.host?.length ?? 0;
  return hosts > 1 ? new Refused(400, `the request names ${hosts} hosts`, 'Send one header Host.') : undefined;
}

function pemOf({ cert, key }: Pair): { readonly cert: string; readonly key: string } {
  return { cert, key };
}

/** Whether a host to listen on stands for all addresses of the machine: nobody asks for it by that name. */
function isEvery(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

async function listenOnTcp(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  try {
    await listening(server, () => server.listen({ host, port }));
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EADDRINUSE')
      throw new Fault(
        `api.listen: port ${port} is in use`,
        'Choose another port, or stop the program that has it (ss -ltnp).',
        EXIT.unavailable,
        { cause: error },
      );
    if (code === 'EACCES')
      throw new Fault(`api.listen: port ${port} needs more rights`, 'Choose one above 1023.', EXIT.permission, {
        cause: error,
      });
    throw new Fault(
      `api.listen: cannot listen on ${host}:${port}: ${messageOf(error)}`,
      'Check the address.',
      EXIT.unavailable,
      { cause: error },
    );
  }
}

async function listenOnSocket(server: Server, path: string, clock: Clock): Promise<void> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES)
    throw new Fault(
      `${path}: too long for a Unix socket (${MAX_SOCKET_PATH_BYTES} bytes)`,
      'Choose a shorter store.path.',
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
      `${path}: another gateway answers there`,
      'Stop it (systemctl stop millgate), or give this one another store.path.',
      EXIT.unavailable,
    );
  if (code === 'EACCES') throw socketFault(path, Object.assign(new Error('permission denied'), { code }));
  throw new Fault(`${path}: in the way, and no socket`, 'Move that file away.', EXIT.unavailable);
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
    return new Fault(`${path}: may not be made by this user`, 'Run as the user of the service.', EXIT.permission, {
      cause: error,
    });
  if (code === 'ENOENT')
    return new Fault(`${path}: its folder is missing`, 'Make it: mkdir -p, then start again.', EXIT.unavailable, {
      cause: error,
    });
  return new Fault(`${path}: no socket can be made: ${messageOf(error)}`, 'Check the disk.', EXIT.unavailable, {
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
