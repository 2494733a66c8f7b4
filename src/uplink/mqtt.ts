/** The uplink to an MQTT broker. */
import { Readable } from 'node:stream';
import type { connect, IClientOptions, IConnackPacket, IStore, MqttClient } from 'mqtt';
import type { MqttConfig, SecretRef } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { Fault, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { formatDuration } from '../core/quantity.ts';
import { createJsonEncoder, type StatusPayload, statusText } from './json.ts';
import { createLastValues } from './last-values.ts';
import { type BrokerLimits, createMqttSession, takeoverText } from './mqtt-session.ts';
import { judgeCertificate, loadTls, type ReadFile, type TlsFiles } from './mqtt-tls.ts';
import { type BrokerContext, explainSilentClose, explainTrouble, isVersionRefusal } from './mqtt-trouble.ts';
import type { SessionEnd, Uplink, UplinkSession } from './uplink.ts';

/** What an MQTT uplink needs beside its configuration. */
export interface MqttDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** `gateway.id`. */
  readonly gateway: string;
  /** Version of the program. */
  readonly version: string;
  /** Hash of the configuration in force; asked for each batch, as it may change while the gateway runs. */
  readonly configHash: string;
  /** Epoch of the store. */
  readonly epoch: string;
  /** Gives a secret; throws with a message that names the file or variable, never its content. */
  readonly secrets: (ref: SecretRef) => string | Promise<string>;
  readonly readFile: ReadFile;
  /** When the library may be loaded, which takes a slow processor a second; never rejects. Default: at once. */
  readonly mayLoad?: Promise<void>;
}

/** From the call of `connect` to the broker's confirmation of `online`. */
export const CONNECT_TIMEOUT_MS = 15_000;

/** One message: records and fields at most. The forwarder also aims at 64 KiB. */
const LIMITS = { records: 500, fields: 5000 } as const;

/** The broker sends us nothing but acknowledgements; one that sends more than this in a piece is not sane. */
const MAX_INCOMING_BYTES = 1024 * 1024;

/** A session that the broker closes so soon, so many times in a row, was taken over (MQTT 3.1.1 has no word for it). */
const EARLY_CLOSE_MS = 10_000;
const EARLY_CLOSES = 3;

/** How often the certificates are looked at while a session lasts. */
const CERTIFICATE_CHECK_MS = 86_400_000;

const DEFAULT_PORTS: Record<string, number> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 };

/** An uplink to an MQTT broker. Every session has a client of its own, so that nothing outlives a connection. */
export function createMqttUplink(config: MqttConfig, deps: MqttDeps): Uplink {
  const { clock } = deps;
  const log = deps.log.scoped(config.name);
  const url = new URL(config.url);
  const protocol = url.protocol.slice(0, -1);
  const context: BrokerContext = {
    address: `${url.hostname}:${url.port || DEFAULT_PORTS[protocol]}`,
    secure: protocol === 'mqtts' || protocol === 'wss',
    clientId: config.clientId,
    username: config.username,
    ca: config.tls?.ca,
    cert: config.tls?.cert,
  };
  const encoder = createJsonEncoder({
    gateway: deps.gateway,
    get config() {
      return deps.configHash;
    },
  });
  const lastValues = config.topics === 'per-tag' ? createLastValues(config.topic, encoder) : undefined;
  const warned = new Map<string, number | string>();
  let version = config.protocolVersion ?? 5;
  let earlyCloses = 0;

  const closedByBroker = (lastedMs: number): SessionEnd => {
    earlyCloses = lastedMs < EARLY_CLOSE_MS ? earlyCloses + 1 : 0;
    if (earlyCloses < EARLY_CLOSES) return { reason: `${context.address} closed the connection.`, takenOver: false };
    const often = `${context.address} closed the connection ${earlyCloses} times in a row right after accepting it`;
    return { reason: `${often}: probably ${takeoverText(config.clientId)}`, takenOver: true };
  };

  /** Says once for each stage when a certificate nears its end. */
  const judge = (what: string, pem: string | undefined): void => {
    const finding = pem === undefined ? undefined : judgeCertificate(what, pem, clock.wallMs());
    if (finding && warned.get(what) !== finding.stage) log.warn(finding.message);
    if (finding) warned.set(what, finding.stage);
    else warned.delete(what);
  };

  const judgeFiles = (files: TlsFiles): void => {
    judge(`tls.cert ${config.tls?.cert}`, files.cert);
    judge(`tls.ca ${config.tls?.ca}`, files.ca);
  };

  /** Looks at the certificate files now and then until the session is over. */
  const watchCertificates = (ended: Promise<SessionEnd>): void => {
    if (!config.tls) return;
    let cancel = () => {};
    const look = () => {
      loadTls(config.tls, deps.readFile).then(judgeFiles, (error: unknown) => log.warn(messageOf(error)));
      cancel = clock.after(CERTIFICATE_CHECK_MS, look);
    };
    cancel = clock.after(CERTIFICATE_CHECK_MS, look);
    ended.then(() => cancel());
  };

  const open = async (signal: AbortSignal): Promise<UplinkSession> => {
    const files = await loadTls(config.tls, deps.readFile);
    judgeFiles(files);
    const sinceMs = clock.wallMs();
    const status = () => ({ version: deps.version, config: deps.configHash, epoch: deps.epoch, sinceMs });
    const password = config.password && (await deps.secrets(config.password));
    signal.throwIfAborted();
    const library = await import('mqtt');
    signal.throwIfAborted();
    const options = optionsOf(config, version, url, files, password, status());
    const client = openOrExplain(library.connect, options, context);
    const connack = await connected(client, context, signal);
    const session = createMqttSession({
      client,
      config,
      encoder,
      lastValues,
      status,
      clock,
      closedByBroker,
      protocolVersion: version,
      broker: limitsOf(connack),
      explain: (error) => explainTrouble(error, context),
    });
    await session.announce(signal).catch(async (error: unknown) => {
      await session.close();
      if (signal.aborted) throw signal.reason;
      throw new Fault(`${context.address} accepted the connection, but not this gateway: ${messageOf(error)}`);
    });
    watchCertificates(session.ended);
    return session;
  };

  /** Opens a session; when the file leaves the version open, with the version that the broker speaks. */
  const openInAnyVersion = async (signal: AbortSignal): Promise<UplinkSession> => {
    try {
      return await open(signal);
    } catch (error) {
      if (config.protocolVersion !== undefined || !(error instanceof VersionRefused)) throw error;
      version = version === 5 ? 4 : 5;
      return await open(signal);
    }
  };

  return {
    name: config.name,
    limits: LIMITS,
    // The newest value of each tag is found in the records themselves.
    takesTexts: lastValues === undefined,
    async connect(signal) {
      await deps.mayLoad;
      const limit = new AbortController();
      const late = `${context.address} did not answer as a broker within ${formatDuration(CONNECT_TIMEOUT_MS)}. Check the address, firewalls on the way, and that it is an MQTT broker.`;
      const cancel = clock.after(CONNECT_TIMEOUT_MS, () => limit.abort(new Fault(late)));
      const onAbort = () => limit.abort(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      try {
        return await openInAnyVersion(limit.signal);
      } finally {
        cancel();
        signal.removeEventListener('abort', onAbort);
      }
    },
  };
}

/** The broker refused, or may have refused, the version of the protocol. */
class VersionRefused extends Fault {}

/** Opens a client. Certificates and keys that do not fit are found at once, and thrown. */
function openOrExplain(open: typeof connect, options: IClientOptions, context: BrokerContext): MqttClient {
  try {
    return open(options);
  } catch (error) {
    throw new Fault(explainTrouble(error, context), undefined, { cause: error });
  }
}

/** Options of the library with everything turned off that would keep, repeat or reconnect behind our back. */
function optionsOf(
  config: MqttConfig,
  protocolVersion: 4 | 5,
  url: URL,
  files: TlsFiles,
  password: string | undefined,
  status: Omit<StatusPayload, 'state'>,
): IClientOptions {
  const protocol = url.protocol.slice(0, -1);
  const isWeb = protocol === 'ws' || protocol === 'wss';
  return {
    protocol: protocol as IClientOptions['protocol'],
    host: url.hostname.replace(/^\[|\]$/g, ''),
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || DEFAULT_PORTS[protocol],
    ...(isWeb && { path: `${url.pathname}${url.search}` }),
    ...(files.ca !== undefined && { ca: files.ca }),
    ...(files.cert !== undefined && { cert: files.cert }),
    ...(files.key !== undefined && { key: files.key }),
    rejectUnauthorized: true,
    protocolVersion,
    clientId: config.clientId,
    ...(config.username !== undefined && { username: config.username }),
    ...(password !== undefined && { password }),
    clean: true,
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
    will: {
      topic: `${config.topic}/status`,
      payload: Buffer.from(statusText({ state: 'offline', ...status })),
      qos: 1,
      retain: true,
    },
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
function connected(client: MqttClient, context: BrokerContext, signal: AbortSignal): Promise<IConnackPacket> {
  (client.stream as { setNoDelay?: (on: boolean) => void }).setNoDelay?.(true);
  limitIncoming(client);
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
      const text = explainTrouble(error, context);
      fail(isVersionRefusal(error) ? new VersionRefused(text) : new Fault(text));
    };
    // Brokers that know MQTT 3.1.1 only may also just hang up on MQTT 5.
    const onClose = (): void => fail(new VersionRefused(explainSilentClose(context)));
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

function limitsOf(connack: IConnackPacket): BrokerLimits {
  return {
    receiveMaximum: connack.properties?.receiveMaximum ?? 65_535,
    packetBytes: connack.properties?.maximumPacketSize ?? 268_435_455,
  };
}
