/** Opens the byte stream to a broker: every address of it, again each second, and the first that answers is taken; then waits to be let in. */
import { lookup as lookupName } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import { type Duplex, Readable } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { IClientOptions, IConnackPacket, IStore, MqttClient } from 'mqtt';
import type { MqttConfig } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { EXIT, Fault } from '../core/errors.ts';
import { openWebSocket } from './http/websocket.ts';
import { type TlsFiles, tlsOptions } from './mqtt-tls.ts';
import { type BrokerContext, explainSilentClose, explainTrouble, reasonCodeOf } from './mqtt-trouble.ts';
import { ConnectRefused } from './uplink.ts';

/** Where a broker is. */
interface DialTarget {
  readonly host: string;
  readonly port: number;
  /** Undefined: plain TCP. */
  readonly tls: ConnectionOptions | undefined;
}

/** Opens a stream that is ready for MQTT; rejects with Node's error, or with the signal's reason. */
export type Dial = (target: DialTarget, signal: AbortSignal) => Promise<Duplex>;

/** The broker sends us nothing but acknowledgements; one that sends more than this in a piece is not sane. */
const MAX_INCOMING_BYTES = 1024 * 1024;

/** The broker closed before it said anything. */
export class SilentClose extends Fault {}

/** The next address is tried beside the first after this; an address that does not answer is not given up for it. */
const NEXT_ADDRESS_MS = 300;

/** A fresh attempt goes out this often beside those that wait: the kernel repeats its own ever more rarely. */
const AGAIN_MS = 1000;

/** Attempts that may wait at once; the oldest is given up for a new one. */
const MAX_OPEN = 8;

/**
 * A dialer on the sockets of this machine. It asks for a name once at a time: an answer that does not come would else
 * take up, attempt by attempt, all the threads that files are read with.
 */
export function createDialer(clock: Pick<Clock, 'after'>, lookup: typeof lookupName = lookupName): Dial {
  let asking: Promise<string[]> | undefined;
  const addressesOf = (host: string): Promise<string[]> => {
    if (isIP(host)) return Promise.resolve([host]);
    asking ??= lookup(host, { all: true })
      .then((found) => found.map(({ address }) => address))
      .finally(() => {
        asking = undefined;
      });
    return asking;
  };
  return async ({ host, port, tls }, signal) => {
    const addresses = await orAborted(addressesOf(host), signal);
    const socket = await race(addresses, port, clock, signal);
    return tls ? secured(socket, { ...tls, host }, signal) : socket;
  };
}

/** `work`, or a rejection with the reason of the signal when that comes first. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    const settle = () => signal.removeEventListener('abort', onAbort);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    work.then(resolve, reject).finally(settle);
  });
}

/** The first socket that connects; fails when every address has refused. */
function race(
  addresses: readonly string[],
  port: number,
  clock: Pick<Clock, 'after'>,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const open = new Set<Socket>();
    let tried = 0;
    let firstError: unknown;
    let cancel = () => {};
    const settle = (winner?: Socket): void => {
      cancel();
      signal.removeEventListener('abort', onAbort);
      for (const socket of open) if (socket !== winner) socket.destroy();
      open.clear();
    };
    const onAbort = (): void => {
      settle();
      reject(signal.reason);
    };
    const attempt = (): void => {
      const socket = connect({ host: addresses[tried++ % addresses.length]!, port, noDelay: true });
      open.add(socket);
      if (open.size > MAX_OPEN) drop(open);
      socket.once('connect', () => {
        settle(socket);
        resolve(socket);
      });
      socket.on('error', (error) => {
        firstError ??= error;
        if (!open.delete(socket) || open.size > 0) return;
        cancel();
        if (tried < addresses.length) return attempt();
        settle();
        reject(firstError);
      });
      cancel();
      cancel = clock.after(tried < addresses.length ? NEXT_ADDRESS_MS : AGAIN_MS, attempt);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    else attempt();
  });
}

/** Gives up the oldest attempt. */
function drop(open: Set<Socket>): void {
  const [oldest] = open;
  open.delete(oldest!);
  oldest!.destroy();
}

/** The socket with TLS on it, once both sides have shown who they are. Throws at once when key and certificate do not fit. */
export function secured(socket: Duplex, options: ConnectionOptions, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    try {
      const secure = connectTls({ ...options, socket });
      secure.once('secureConnect', () => {
        signal.removeEventListener('abort', onAbort);
        secure.off('close', onClose);
        resolve(secure);
      });
      const onClose = () => fail(new Error('closed'));
      secure.on('error', fail);
      secure.once('close', onClose);
      signal.addEventListener('abort', onAbort, { once: true });
    } catch (error) {
      fail(error);
    }
  });
}

/** From the call of `connect` of an uplink to the broker's confirmation of what it says first. */
export const CONNECT_TIMEOUT_MS = 15_000;

/** How long a client that is not wanted after all has for its goodbye. */
const GOODBYE_MS = 500;

const DEFAULT_PORTS: Record<string, number> = { 'mqtt:': 1883, 'mqtts:': 8883, 'ws:': 80, 'wss:': 443 };

/** A client that the broker accepted. */
export interface AcceptedClient {
  readonly client: MqttClient;
  readonly connack: IConnackPacket;
}

/** Who asks which broker to be let in, and how. */
interface Joining {
  readonly url: URL;
  readonly context: BrokerContext;
  readonly dial: Dial;
  readonly files: TlsFiles;
  /** Name in the broker's certificate, where it is not that of the URL. */
  readonly serverName: string | undefined;
  /** Protocol that is asked for in the handshake; undefined: none. */
  readonly alpn?: string | undefined;
  readonly options: IClientOptions;
  /** Done when the stream stands, before anything goes over it. */
  readonly beforeConnect?: () => Promise<void>;
}

/** What messages name of a connection to this broker. */
export function contextOf({ protocol, hostname, port }: URL, config: MqttConfig): BrokerContext {
  return {
    address: `${hostname}:${port || DEFAULT_PORTS[protocol]}`,
    secure: protocol === 'mqtts:' || protocol === 'wss:',
    clientId: config.clientId,
    username: config.username,
    ca: config.tls?.ca,
    cert: config.tls?.cert ?? config.tls?.pfx,
  };
}

/** One connection up to the CONNACK. */
export async function join(
  { url, context, dial, files, ...rest }: Joining,
  signal: AbortSignal,
): Promise<AcceptedClient> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || DEFAULT_PORTS[url.protocol]!;
  const name = rest.serverName ?? (/^[\d.]+$|:/.test(host) ? undefined : host);
  const tls = context.secure
    ? { ...tlsOptions(files, name), ...(rest.alpn !== undefined && { ALPNProtocols: [rest.alpn] }) }
    : undefined;
  const { MqttClient: Client } = await import('mqtt');
  signal.throwIfAborted();
  const isWeb = url.protocol === 'ws:' || url.protocol === 'wss:';
  const dialed = dial({ host, port, tls }, signal);
  const opened = isWeb ? dialed.then((socket) => openWebSocket(socket, url, signal)) : dialed;
  const stream = await opened.catch((error: unknown) => {
    if (signal.aborted) throw signal.reason;
    if (error instanceof Fault) throw error;
    throw new Fault(explainTrouble(error, context), '', EXIT.failed, { cause: error });
  });
  await rest.beforeConnect?.();
  if (stream.destroyed) throw new SilentClose(explainSilentClose(context), '');
  const client = new Client(() => stream, rest.options);
  return { client, connack: await connected(client, context, signal) };
}

/** Ends a session that was not used, with a goodbye so that its will is not published. */
export function goodbye(client: MqttClient, clock: Pick<Clock, 'after'>): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(GOODBYE_MS, () => {
      client.end(true);
      resolve();
    });
    client.on('error', () => {});
    client.end(false, () => {
      cancel();
      resolve();
    });
  });
}

/** Nothing that is meant for a gateway is larger. A broker of MQTT 5 is asked to keep what is: a session would end on it. */
const MAX_PACKET_BYTES = 65_536;

/** Options of the library with everything turned off that would keep, repeat or reconnect behind our back. */
export function plainOptions(config: MqttConfig, protocolVersion: 4 | 5, password: string | undefined): IClientOptions {
  return {
    protocolVersion,
    clientId: config.clientId,
    ...(config.username !== undefined && { username: config.username }),
    ...(password !== undefined && { password }),
    clean: true,
    ...(protocolVersion === 5 && {
      properties: { sessionExpiryInterval: 0, maximumPacketSize: MAX_PACKET_BYTES },
    }),
    keepalive: Math.max(1, Math.round(config.keepaliveMs / 1000)),
    reconnectPeriod: 0,
    connectTimeout: CONNECT_TIMEOUT_MS * 2,
    resubscribe: false,
    queueQoSZero: false,
    // The library would prepare a buffer for each of 65,536 numbers.
    writeCache: false,
    timerVariant: 'native',
    log: () => {},
    outgoingStore: emptyStore(),
    incomingStore: emptyStore(),
  };
}

/** A message store of the library that keeps nothing: what is not confirmed is still in ours. */
function emptyStore(): IStore {
  const store: IStore = {
    put(_packet, done) {
      done();
      return store;
    },
    del(packet, done) {
      done(undefined, packet as Parameters<typeof done>[1]);
      return store;
    },
    get(_packet, done) {
      done(new Error('nothing is stored'));
      return store;
    },
    createStream: () => Readable.from([]) as ReturnType<IStore['createStream']>,
    close: (done) => done(),
  };
  return store;
}

/** Waits for the CONNACK. Rejects with a `Fault` for a technician; the client is gone then. */
export function connected(client: MqttClient, context: BrokerContext, signal: AbortSignal): Promise<IConnackPacket> {
  limitIncoming(client);
  // An error that comes when nobody listens any more, as at a goodbye, must not end the process.
  client.on('error', () => {});
  return new Promise((resolve, reject) => {
    const settled = (): void => {
      client.off('connect', onConnect);
      client.off('error', onError);
      client.off('close', onClose);
      client.stream.off('error', onError);
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown): void => {
      settled();
      client.end(true);
      reject(error);
    };
    const onConnect = (packet: IConnackPacket): void => {
      settled();
      resolve(packet);
    };
    const onError = (error: unknown): void => {
      const isAnswer = reasonCodeOf(error) !== undefined;
      const Kind = isAnswer ? ConnectRefused : Fault;
      fail(new Kind(explainTrouble(error, context), '', EXIT.failed, { cause: error }));
    };
    // Brokers hang up on what they do not know: MQTT 5, or a will that is to be retained.
    const onClose = (): void => fail(new SilentClose(explainSilentClose(context), ''));
    const onAbort = (): void => fail(signal.reason);
    client.on('connect', onConnect);
    client.on('error', onError);
    client.on('close', onClose);
    client.stream.on('error', onError);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

/** Ends a connection on which more comes than a broker has to say to us: the library would collect it all. */
function limitIncoming(client: MqttClient): void {
  let bytes = 0;
  client.stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_INCOMING_BYTES) {
      client.stream.destroy();
      client.emit('error', new Error('it sends an oversized packet'));
    }
  });
  client.on('packetreceive', () => {
    bytes = 0;
  });
}
