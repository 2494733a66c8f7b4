/** Asks brokers whether they are there, who they are, and whether they let this gateway in. */
import { readFile } from 'node:fs/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { IClientOptions } from 'mqtt';
import type { MqttConfig, UplinkConfig } from '../../config/config.ts';
import { readSecret } from '../../config/file/secrets.ts';
import { codeOf, EXIT, Fault, messageOf } from '../../core/errors.ts';
import type { BrokerFacts } from '../../doctor/facts.ts';
import {
  type CertificateFinding,
  judgeCertificate,
  loadTls,
  type TlsFiles,
  tlsOptions,
} from '../../uplink/mqtt-tls.ts';
import {
  type BrokerContext,
  explainSilentClose,
  explainTrouble,
  isVersionRefusal,
  reasonCodeOf,
} from '../../uplink/mqtt-trouble.ts';
import type { CliContext } from '../terminal/context.ts';

/** How long a connection, and a sign-in, may take, ms. */
const DEADLINE_MS = 5000;

const DEFAULT_PORTS: Record<string, number> = {
  'mqtt:': 1883,
  'mqtts:': 8883,
  'ws:': 80,
  'wss:': 443,
  'http:': 80,
  'https:': 443,
};

/** Why an address is not reached, by Node's code. */
const UNREACHED: Record<string, string> = {
  ECONNREFUSED: 'refuses connections: it is there, but nothing listens on this port',
  ETIMEDOUT: `does not answer within ${DEADLINE_MS / 1000} s`,
  EHOSTUNREACH: 'cannot be reached: there is no way there, or it is switched off',
  ENETUNREACH: 'cannot be reached: this machine has no network that leads there',
  ENOTFOUND: 'is not known: no such name',
  EAI_AGAIN: 'could not be looked up: the DNS server does not answer',
};

/** The answer to an attempt to connect: `detail` goes on from the address. */
interface Reach {
  readonly ok: boolean;
  readonly detail: string;
}

/** Whether something listens at an address. Sends nothing. */
export async function reach(host: string, port: number, context: CliContext): Promise<Reach> {
  const startMs = context.clock.monoMs();
  try {
    const socket = await opened(connectTcp({ host, port }), 'connect', context);
    socket.destroy();
    return { ok: true, detail: `answers in ${Math.max(1, Math.round(context.clock.monoMs() - startMs))} ms` };
  } catch (error) {
    return { ok: false, detail: UNREACHED[codeOf(error) ?? ''] ?? `cannot be reached: ${messageOf(error)}` };
  }
}

/**
 * Asks a broker for its certificate, and whether it takes this gateway. Beside a gateway that runs nobody signs in: it
 * tells of its own attempts, and a broker that allows a user one session would end the gateway's.
 */
export async function askBroker(uplink: UplinkConfig, isRunning: boolean, context: CliContext): Promise<BrokerFacts> {
  const url = new URL(uplink.url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || DEFAULT_PORTS[url.protocol]!;
  const broker: BrokerContext = {
    address: `${url.hostname}:${port}`,
    secure: ['mqtts:', 'wss:', 'https:'].includes(url.protocol),
    clientId: uplink.type === 'mqtt' ? uplink.clientId : '',
    username: uplink.username,
    ca: uplink.tls?.ca,
    cert: uplink.tls?.cert,
    peer: uplink.type === 'mqtt' ? 'broker' : 'server',
  };
  const serverName = uplink.tls?.serverName ?? (isIP(host) ? undefined : host);
  const facts = { uplink: uplink.name, address: broker.address };
  const certificates: CertificateFinding[] = [];
  const judge = (what: string, pem: string | undefined): void => {
    const finding = pem === undefined ? undefined : judgeCertificate(what, pem, context.clock.wallMs());
    if (finding) certificates.push(finding);
  };
  try {
    const files = await loadTls(
      uplink.tls,
      (path) => readFile(path),
      (ref) => readSecret(ref, { env: context.env }),
    );
    judge(`tls.cert ${uplink.tls?.cert}`, files.cert);
    judge(`tls.ca ${uplink.tls?.ca}`, files.ca);
    const trouble = await askConnection({ host, port, broker, files, serverName }, judge, context);
    // A server is asked who sends with each request, and a request would put something into it.
    if (trouble !== undefined || isRunning || uplink.type === 'http')
      return { ...facts, asked: 'connection', trouble, certificates };
    const password = passwordOf(uplink, context);
    if (password === 'unreadable') return { ...facts, asked: 'connection', trouble: undefined, certificates };
    const refusal = await signIn(uplink, url, { host, port, broker, files, serverName }, password, context);
    return {
      ...facts,
      asked: refusal === 'not asked' ? 'connection' : 'login',
      trouble: refusal === 'not asked' ? undefined : refusal,
      certificates,
    };
  } catch (error) {
    return {
      ...facts,
      asked: 'nothing',
      trouble: error instanceof Fault ? error.message : explainTrouble(error, broker),
      certificates,
    };
  }
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly broker: BrokerContext;
  readonly files: TlsFiles;
  /** The name that the certificate must have; undefined for an address. */
  readonly serverName: string | undefined;
}

/** Connects, with TLS where the broker has it; gives what is wrong with the network or the certificate. */
async function askConnection(
  { host, port, broker, files, serverName }: Target,
  judge: (what: string, pem: string) => void,
  context: CliContext,
): Promise<string | undefined> {
  try {
    if (!broker.secure) {
      (await opened(connectTcp({ host, port }), 'connect', context)).destroy();
      return undefined;
    }
    const secure = connectTls({ ...tlsOptions(files, serverName), host, port, rejectUnauthorized: false });
    const socket = await opened(secure, 'secureConnect', context);
    const { raw } = socket.getPeerCertificate();
    if (raw) judge(`the certificate of ${broker.address}`, pemOf(raw));
    const code = socket.authorized ? undefined : String(socket.authorizationError);
    socket.destroy();
    // An expired certificate was judged above, with its day.
    if (code === undefined || code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return undefined;
    return explainTrouble(Object.assign(new Error(code), { code }), broker);
  } catch (error) {
    return explainTrouble(error, broker);
  }
}

function pemOf(der: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
}

/** Resolves with the socket once it has said `event`; rejects with its error, or after the deadline. */
function opened<T extends Socket | TLSSocket>(
  socket: T,
  event: 'connect' | 'secureConnect',
  context: CliContext,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
    const cancel = context.clock.after(DEADLINE_MS, () => socket.destroy(late));
    const end = () => socket.destroy(late);
    context.signal.addEventListener('abort', end, { once: true });
    const settled = () => {
      cancel();
      context.signal.removeEventListener('abort', end);
    };
    socket.once(event, () => {
      settled();
      resolve(socket);
    });
    socket.on('error', (error) => {
      settled();
      reject(context.signal.aborted ? context.signal.reason : error);
    });
  });
}

/** The password; `unreadable` when it is there but not for this user, who then does not sign in. */
function passwordOf({ password }: MqttConfig, { env }: CliContext): string | undefined {
  if (password === undefined) return undefined;
  try {
    return readSecret(password, { env });
  } catch (error) {
    const isElsewhere = 'env' in password || (error instanceof Fault && error.code === EXIT.permission);
    if (isElsewhere) return 'unreadable';
    throw error;
  }
}

/** Signs in under a client id of its own, publishes nothing, and leaves. Gives what the broker refused. */
async function signIn(
  uplink: MqttConfig,
  url: URL,
  { host, port, broker, files, serverName }: Target,
  password: string | undefined,
  context: CliContext,
): Promise<string | undefined | 'not asked'> {
  const { connect } = await import('mqtt');
  const attempt = (protocolVersion: 4 | 5): Promise<unknown> =>
    new Promise((resolve) => {
      const protocol = url.protocol.slice(0, -1) as 'mqtt';
      const client = connect({
        protocol,
        host,
        hostname: host,
        port,
        path: `${url.pathname}${url.search}`,
        protocolVersion,
        clean: true,
        reconnectPeriod: 0,
        ...(broker.secure && (tlsOptions(files, serverName) as IClientOptions)),
        clientId: `${uplink.clientId}-doctor`,
        connectTimeout: DEADLINE_MS,
        ...(uplink.username !== undefined && { username: uplink.username }),
        ...(password !== undefined && { password }),
      });
      const cancel = context.clock.after(DEADLINE_MS, () =>
        settle(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })),
      );
      const settle = (outcome: unknown): void => {
        cancel();
        context.signal.removeEventListener('abort', onAbort);
        client.end(true);
        resolve(outcome);
      };
      const onAbort = (): void => settle(undefined);
      context.signal.addEventListener('abort', onAbort, { once: true });
      client.on('connect', () => settle(undefined));
      client.on('error', settle);
      client.on('close', () => settle(new Fault(explainSilentClose(broker), '')));
    });
  let outcome = await attempt(uplink.protocolVersion ?? 5);
  if (uplink.protocolVersion === undefined && (isVersionRefusal(outcome ?? {}) || outcome instanceof Fault))
    outcome = await attempt(4);
  if (outcome === undefined) return undefined;
  // A broker that knows its clients by their ids cannot be asked under another one.
  const code = reasonCodeOf(outcome);
  if (code === 2 || code === 133) return 'not asked';
  return outcome instanceof Fault ? messageOf(outcome) : explainTrouble(outcome, broker);
}
