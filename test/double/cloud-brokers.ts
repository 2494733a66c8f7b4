import { createHmac } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { Aedes, type Client } from 'aedes';
import type { Clock } from '../../src/core/clock.ts';
import type { Published } from './mqtt-peers.ts';

/** The key of the device in the emulated hub. */
export const DEVICE_KEY = Buffer.from('the key of the device').toString('base64');

/** What a product refuses: the text names the rule that was broken. */
interface ProductRules {
  /** Why a client is not let in. */
  connect(
    client: { id: string; username: string; password: string; will: string | undefined },
    nowMs: number,
  ): string | undefined;
  /** Why it hangs up on a message. */
  publish(message: Published & { qos: number }, sentLastSecond: number): string | undefined;
  /** Why it hangs up on a subscription. */
  subscribe(topic: string): string | undefined;
  /** When the session of a client is ended, UTC ms. */
  endsAtMs?(password: string): number;
}

const KB = 1024;
const depthOf = (topic: string): number => topic.split('/').length - 1;

/** Limits of the products as their makers publish them; see the presets for the sources. */
const PRODUCTS: Record<'aws-iot' | 'azure-iot-hub' | 'thingsboard' | 'home-assistant', ProductRules> = {
  'aws-iot': {
    connect: ({ id }) => (id.length > 128 ? 'client id above 128' : undefined),
    publish({ topic, payload, qos }, sentLastSecond) {
      if (Buffer.byteLength(topic) > 256 || depthOf(topic) > 7) return 'topic too long or too deep';
      if (payload.length > 128 * KB) return 'message above 128 KB';
      if (qos > 1) return 'QoS 2';
      return sentLastSecond > 100 ? 'more than 100 publishes a second' : undefined;
    },
    subscribe: () => undefined,
  },
  'azure-iot-hub': {
    connect({ id, username, password, will }, nowMs) {
      if (username !== `acme.azure-devices.net/${id}/?api-version=2021-04-12`) return 'user name';
      if (will !== undefined) return 'a will on another topic than that of the device';
      return sasProblem(password, `acme.azure-devices.net/devices/${id}`, nowMs);
    },
    publish({ topic, payload, qos, retain }) {
      if (!topic.startsWith('devices/press-shop-1/messages/events/')) return 'a topic that there is not';
      if (payload.length > 256 * KB) return 'message above 256 KB';
      return qos > 1 || retain ? 'QoS 2 or retained' : undefined;
    },
    subscribe: () => 'a topic that there is not',
    endsAtMs: (password) => Number(/se=(\d+)/.exec(password)?.[1]) * 1000,
  },
  thingsboard: {
    connect: ({ username }) => (username === 'secret' ? undefined : 'token'),
    publish({ topic, payload }, sentLastSecond) {
      if (!/^v1\/(gateway\/(telemetry|connect|disconnect)|devices\/me\/telemetry)$/.test(topic))
        return 'a topic that there is not';
      if (!isTelemetry(topic, payload.toString())) return 'telemetry of another form';
      return sentLastSecond > 50 ? 'rate limit' : undefined;
    },
    subscribe: () => undefined,
  },
  'home-assistant': { connect: () => undefined, publish: () => undefined, subscribe: () => undefined },
};

/** What is wrong with the password of a device of Azure; undefined where it is right. */
export function sasProblem(password: string, resource: string, nowMs: number): string | undefined {
  const [, sr, sig, se] = /^SharedAccessSignature sr=([^&]+)&sig=([^&]+)&se=(\d+)$/.exec(password) ?? [];
  if (sr !== encodeURIComponent(resource)) return 'resource of the token';
  const mac = createHmac('sha256', Buffer.from(DEVICE_KEY, 'base64')).update(`${sr}\n${se}`).digest('base64');
  if (decodeURIComponent(sig ?? '') !== mac) return 'signature of the token';
  return Number(se) * 1000 <= nowMs ? 'the token has ended' : undefined;
}

/** Whether a message has the form of ThingsBoard's gateway API. */
export function isTelemetry(topic: string, text: string): boolean {
  const value = JSON.parse(text) as Record<string, unknown>;
  if (/connect$/.test(topic)) return typeof value.device === 'string';
  if (topic.startsWith('v1/devices')) return typeof value.ts === 'number' && typeof value.values === 'object';
  return Object.values(value).every(
    (rows) =>
      Array.isArray(rows) && rows.every(({ ts, values }) => typeof ts === 'number' && typeof values === 'object'),
  );
}

/** A broker that keeps the rules of one product, and hangs up on whoever breaks them. */
export interface CloudBroker {
  readonly port: number;
  /** What was accepted, in order. */
  readonly published: readonly Published[];
  /** Rules that were broken. */
  readonly broken: readonly string[];
  readonly connects: () => number;
  /** What becomes of the next messages: taken and confirmed, taken and the connection cut, or cut before. */
  fault(choose: () => 'none' | 'cut-after' | 'cut-before'): void;
  /** Sends to whoever subscribed. */
  say(topic: string, payload: string): Promise<void>;
  close(): Promise<void>;
}

/** @param clock whose time the product goes by */
export async function startCloudBroker(product: keyof typeof PRODUCTS, clock: Clock): Promise<CloudBroker> {
  const rules = PRODUCTS[product];
  const broker = await Aedes.createBroker();
  const published: Published[] = [];
  const broken: string[] = [];
  const recent: number[] = [];
  let connects = 0;
  let choose: () => 'none' | 'cut-after' | 'cut-before' = () => 'none';
  const cut = (client: Client | null): void => void client?.conn.destroy();
  const isBroken = (why: string | undefined): boolean => {
    if (why !== undefined) broken.push(why);
    return why !== undefined;
  };
  broker.authenticate = (client, name, secret, done) => {
    connects++;
    const password = secret?.toString() ?? '';
    const will = (client as unknown as { will?: { topic: string } }).will?.topic;
    const who = { id: client.id, username: name ?? '', password, will };
    if (isBroken(rules.connect(who, clock.wallMs()))) {
      done(Object.assign(new Error('refused'), { returnCode: 5 }) as never, false);
      return;
    }
    const endsAtMs = rules.endsAtMs?.(password);
    if (endsAtMs !== undefined)
      clock.after(endsAtMs - clock.wallMs(), () => {
        if (!client.closed) isBroken('the token ended during the session');
        cut(client);
      });
    done(null, true);
  };
  broker.authorizePublish = (client, packet, done) => {
    if (!client) return done(null);
    const nowMs = clock.monoMs();
    recent.push(nowMs);
    while (recent[0]! <= nowMs - 1000) recent.shift();
    const message = {
      topic: packet.topic,
      payload: Buffer.from(packet.payload),
      retain: packet.retain,
      qos: packet.qos,
    };
    if (isBroken(rules.publish(message, recent.length))) return cut(client);
    const fault = choose();
    if (fault !== 'cut-before') published.push(message);
    if (fault !== 'none') return cut(client);
    done(null);
  };
  broker.authorizeSubscribe = (client, subscription, done) => {
    if (isBroken(rules.subscribe(subscription.topic))) return cut(client);
    done(null, subscription);
  };
  broker.on('clientError', () => {});
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    broker.handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the broker got no port');
  return {
    port: address.port,
    published,
    broken,
    connects: () => connects,
    fault(next) {
      choose = next;
    },
    say: (topic, payload) =>
      new Promise((resolve, reject) => {
        const packet = { cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false } as const;
        broker.publish(packet, (error) => (error ? reject(error) : resolve()));
      }),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await new Promise<void>((resolve) => broker.close(resolve));
    },
  };
}
