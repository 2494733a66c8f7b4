/** The other sides of the presets. Each keeps the limits of its product: who breaks one is written down and treated as there. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import mqttPacket, { type IConnectPacket, type IPublishPacket, type Packet } from 'mqtt-packet';
import type { Random } from '../../src/core/random.ts';
import type { SimulatedClock } from '../../src/core/simulated-clock.ts';
import type { Dial } from '../../src/uplink/mqtt-dial.ts';
import { type Answer, type Batch, HTTP_PRODUCTS, MQTT_PRODUCTS, type MqttProduct, rowsIn } from './preset-products.ts';

/**
 * What is wrong with a product at an instant. `busy`: most messages are beyond the quota; `full`: all are; `denied`: it takes none for want
 * of a right; `partial`: of each request it takes a part; `rival`: another client has the same id.
 */
export type Weather =
  | 'fair'
  | 'down'
  | 'flapping'
  | 'silent'
  | 'refusing'
  | 'busy'
  | 'full'
  | 'locked'
  | 'denied'
  | 'partial'
  | 'rival';

/** What is wrong from when to when, as shares of an hour. */
export type Troubles = readonly (readonly [from: number, to: number, weather: Weather])[];

/** An hour of faults of many kinds; beside that lines are cut now and then. */
const TROUBLES: Troubles = [
  [0.1, 0.18, 'down'],
  [0.25, 0.29, 'flapping'],
  [0.36, 0.4, 'silent'],
  [0.46, 0.5, 'refusing'],
  [0.56, 0.72, 'busy'],
];

/** How often a message is cut off before, and as often after it was taken, while the weather is fair. */
const CUT_SHARE = 0.02;

const MINUTE_MS = 60_000;

/** How long each answer takes. */
const LATENCY_MS = 30;

/** Other side of one uplink. */
export interface PresetPeer {
  readonly dial: Dial;
  /** Says something to the client that is connected, over MQTT. */
  readonly say?: (topic: string, payload: string, retain?: boolean) => void;
  /** What the client said on topics that hold no readings. */
  readonly heard?: readonly { readonly topic: string; readonly payload: string }[];
  /** Limits that were broken. */
  readonly broken: string[];
  /** What a table with the product's own key holds. */
  readonly rows: Map<string, string>;
  readonly counted: Counted;
}

/** What was counted since the beginning. */
interface Counted {
  /** Messages with readings that came, or requests. */
  messages: number;
  /** Bytes of the line, both ways. */
  bytes: number;
  /** What the product bills. */
  units: number;
  /** Records that came again under their key. */
  again: number;
  /** Of all the answers and ends, those that were no confirmation. */
  faults: number;
  sessions: number;
  /** How old live records were when they were taken, by the gateway's wall clock. */
  readonly agesMs: number[];
}

/** An hour of faults, of any length, and calm afterwards. */
export class Hour {
  private readonly clock: SimulatedClock;
  private readonly lengthMs: number;
  private readonly random: Random;
  private readonly troubles: Troubles;

  constructor(clock: SimulatedClock, lengthMs: number, random: Random, troubles = TROUBLES) {
    this.clock = clock;
    this.lengthMs = lengthMs;
    this.random = random;
    this.troubles = troubles;
  }

  /** Calls whenever something begins that ends what is connected. */
  onEnd(callback: () => void): void {
    for (const [from, , weather] of this.troubles)
      if (['down', 'refusing', 'locked', 'rival'].includes(weather)) this.clock.after(from * this.lengthMs, callback);
  }

  weather(): Weather {
    const at = this.clock.monoMs() / this.lengthMs;
    return this.troubles.find(([from, to]) => at >= from && at < to)?.[2] ?? 'fair';
  }

  /** Whether a message is cut off, and whether it was taken before. */
  cut(): 'before' | 'after' | undefined {
    const isCut = this.troubles === TROUBLES && this.weather() === 'fair' && this.clock.monoMs() < this.lengthMs;
    if (!isCut) return undefined;
    const fate = this.random();
    return fate < CUT_SHARE ? 'before' : fate < 2 * CUT_SHARE ? 'after' : undefined;
  }

  chance(share: number): boolean {
    return this.clock.monoMs() < this.lengthMs && this.random() < share;
  }
}

/** Keeps the table and the counts of one peer. */
class Books {
  readonly broken: string[] = [];
  readonly rows = new Map<string, string>();
  readonly counted: Counted = { messages: 0, bytes: 0, units: 0, again: 0, faults: 0, sessions: 0, agesMs: [] };

  take(rows: readonly (readonly [string, string])[]): void {
    for (const [key, content] of rows) {
      const before = this.rows.get(key);
      if (before !== undefined) this.counted.again++;
      if (before !== undefined && before !== content) this.broken.push(`${key} came again with another content`);
      this.rows.set(key, content);
    }
  }

  /** Notes how old the live records of a batch in our own form are. */
  age(text: string, wallMs: number): void {
    const { lane, records = [] } = JSON.parse(text) as Batch;
    if (lane === 'live') this.counted.agesMs.push(...records.map(({ t }) => wallMs - t));
  }

  message(payloadBytes: number, unitBytes: number | undefined): void {
    this.counted.messages++;
    if (unitBytes !== undefined) this.counted.units += Math.max(1, Math.ceil(payloadBytes / unitBytes));
  }
}

/** Two ends of a line in memory; the first is the gateway's. */
function lineOf(books: Books): readonly [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const end = (other: number): Duplex =>
    new Duplex({
      allowHalfOpen: false,
      read() {},
      write(chunk: Buffer, _encoding, done) {
        books.counted.bytes += chunk.length;
        if (!ends[other]!.destroyed) ends[other]!.push(chunk);
        done();
      },
      final(done) {
        if (!ends[other]!.destroyed) ends[other]!.push(null);
        done();
      },
      destroy(error, done) {
        if (!ends[other]!.destroyed) ends[other]!.push(null);
        done(error);
      },
    });
  ends.push(end(1), end(0));
  // What Node's HTTP asks of a socket beside a stream.
  const asSocket = { setKeepAlive() {}, setNoDelay() {}, setTimeout() {}, ref() {}, unref() {} };
  for (const one of ends) Object.assign(one, asSocket).on('error', () => {});
  return [ends[0]!, ends[1]!];
}

function dialerOf(books: Books, clock: SimulatedClock, hour: Hour, accept: (stream: Duplex) => void): Dial {
  return async (_target, signal) => {
    await clock.sleep(LATENCY_MS, signal);
    if (hour.weather() === 'down') {
      books.counted.faults++;
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    }
    const [near, far] = lineOf(books);
    accept(far);
    return near;
  };
}

/** Return codes and reasons of the protocol. */
const UNAVAILABLE = { 4: 3, 5: 0x88 } as const;
const BANNED = { 4: 5, 5: 0x8a } as const;
const REFUSED = { 4: 5, 5: 0x87 } as const;
const QUOTA_EXCEEDED = 0x97;
const NOT_AUTHORIZED = 0x87;
const SESSION_TAKEN_OVER = 0x8e;

/** How long a session lasts until the rival is there again. */
const RIVAL_MS = 3000;

/** A product behind MQTT. @param fastMs how far its clock is ahead of the gateway's */
export function mqttPeer(name: string, clock: SimulatedClock, hour: Hour, fastMs = () => 0): PresetPeer {
  const product = MQTT_PRODUCTS[name]!;
  const books = new Books();
  const connects: number[] = [];
  const ends: number[] = [];
  let bannedUntilMs = 0;
  const within = (list: readonly number[], ms: number): number => list.filter((at) => at > clock.monoMs() - ms).length;
  const welcome = (packet: IConnectPacket): keyof typeof CODES | undefined => {
    connects.push(clock.monoMs());
    if (product.connectsPerSecond && within(connects, 1000) > product.connectsPerSecond)
      books.broken.push(`${within(connects, 1000)} CONNECTs within a second`);
    if (product.flaps && within(ends, MINUTE_MS) > product.flaps) bannedUntilMs = clock.monoMs() + 5 * MINUTE_MS;
    if (clock.monoMs() < bannedUntilMs) return 'banned';
    if (hour.weather() === 'refusing') return 'unavailable';
    if (hour.weather() === 'locked') return 'refused';
    if ((packet.keepalive ?? 0) > (product.keepaliveS ?? 65_535)) books.broken.push('keep-alive too long');
    const why = product.connect(packet, clock.wallMs() + fastMs());
    if (why !== undefined && fastMs() === 0) books.broken.push(why);
    return why === undefined ? undefined : 'refused';
  };
  const heard: { topic: string; payload: string }[] = [];
  let session: MqttPeerSession | undefined;
  hour.onEnd(() => session?.end());
  const accept = (stream: Duplex): void => {
    session = new MqttPeerSession(stream, {
      heard,
      product,
      books,
      clock,
      hour,
      welcome,
      ended: () => ends.push(clock.monoMs()),
    });
  };
  return {
    heard,
    say: (topic, payload, retain = false) => session?.tell(topic, payload, retain),
    ...books,
    dial: dialerOf(books, clock, hour, accept),
    broken: books.broken,
    rows: books.rows,
    counted: books.counted,
  };
}

const CODES = { unavailable: UNAVAILABLE, banned: BANNED, refused: REFUSED };

interface PeerParts {
  readonly heard: { topic: string; payload: string }[];
  readonly product: MqttProduct;
  readonly books: Books;
  readonly clock: SimulatedClock;
  readonly hour: Hour;
  readonly welcome: (packet: IConnectPacket) => keyof typeof CODES | undefined;
  readonly ended: () => void;
}

class MqttPeerSession {
  private readonly stream: Duplex;
  private readonly parts: PeerParts;
  private version: 4 | 5 = 4;
  private isOver = false;
  private underWay = 0;
  private readonly recent: { readonly atMs: number; readonly bytes: number }[] = [];

  constructor(stream: Duplex, parts: PeerParts) {
    this.stream = stream;
    this.parts = parts;
    const parser = mqttPacket.parser();
    parser.on('packet', (packet: Packet) => this.heard(packet));
    parser.on('error', () => this.hangUp());
    stream.on('data', (chunk: Buffer) => {
      if (!this.isOver) parser.parse(chunk);
    });
    stream.on('close', () => this.hangUp(true));
    stream.on('end', () => this.hangUp(true));
  }

  private hangUp(byClient = false): void {
    if (this.isOver) return;
    this.isOver = true;
    if (!byClient) this.parts.books.counted.faults++;
    this.parts.ended();
    this.stream.destroy();
  }

  end(): void {
    if (this.parts.hour.weather() === 'rival') this.takeOver();
    else this.hangUp();
  }

  /** Delivers a message to the client. */
  tell(topic: string, payload: string, retain: boolean): void {
    this.say({ cmd: 'publish', topic, payload, qos: 0, retain, dup: false });
  }

  private soon(work: () => void): void {
    this.parts.clock.after(LATENCY_MS, () => {
      if (!this.isOver) work();
    });
  }

  private say(packet: Packet): void {
    if (!this.isOver) this.stream.write(mqttPacket.generate(packet, { protocolVersion: this.version }));
  }

  private heard(packet: Packet): void {
    const { hour } = this.parts;
    if (packet.cmd === 'connect') this.asked(packet);
    else if (hour.weather() === 'silent') return;
    else if (packet.cmd === 'publish') this.published(packet);
    else if (packet.cmd === 'pingreq') this.say({ cmd: 'pingresp' });
    else if (packet.cmd === 'disconnect') this.hangUp(true);
    else if (packet.cmd === 'subscribe')
      this.say({ cmd: 'suback', messageId: packet.messageId!, granted: packet.subscriptions.map(() => 1) });
  }

  private asked(packet: IConnectPacket): void {
    const { product, hour, books, welcome, clock } = this.parts;
    this.version = packet.protocolVersion === 5 ? 5 : 4;
    if (hour.weather() === 'down') {
      this.hangUp();
      return;
    }
    if (!product.versions.includes(this.version)) {
      const code = this.version === 5 ? 0x84 : 1;
      this.say({ cmd: 'connack', returnCode: code, reasonCode: code, sessionPresent: false });
      this.hangUp();
      return;
    }
    const refused = welcome(packet);
    const code = refused === undefined ? 0 : CODES[refused][this.version];
    this.soon(() => {
      const properties = this.version === 5 && code === 0 ? (product.properties ?? {}) : {};
      this.say({ cmd: 'connack', returnCode: code, reasonCode: code, sessionPresent: false, properties });
      if (code !== 0) this.hangUp();
      else books.counted.sessions++;
      if (code === 0 && hour.weather() === 'rival') clock.after(RIVAL_MS, () => this.takeOver());
    });
  }

  /** Another client signed in under the same id. */
  private takeOver(): void {
    if (this.version === 5) this.say({ cmd: 'disconnect', reasonCode: SESSION_TAKEN_OVER });
    this.hangUp();
  }

  private published(packet: IPublishPacket): void {
    const { product, hour, books, clock } = this.parts;
    const payload = String(packet.payload);
    const why = product.publish(packet) ?? this.tooMuch(packet);
    if (why !== undefined) {
      books.broken.push(why);
      this.hangUp();
      return;
    }
    const isCounted =
      !/(^|\/)(status|events|config)$/.test(packet.topic) && !/(connect|kind=event[^/]*)$/.test(packet.topic);
    if (isCounted) books.message(payload.length, product.unitBytes);
    if (packet.qos === 1) this.underWay++;
    const rows = rowsIn(packet.topic.replace(/&kind=readings$/, '/readings'), payload);
    if (rows.length === 0) this.parts.heard.push({ topic: packet.topic, payload });
    const weather = hour.weather();
    const fate = weather === 'flapping' ? 'before' : hour.cut();
    const refusal = this.refusalIn(weather);
    clock.after(LATENCY_MS, () => {
      if (this.isOver) return;
      this.underWay--;
      if (fate === 'after' || (fate === undefined && refusal === 0)) books.take(rows);
      if (fate !== undefined || (refusal !== 0 && !product.saysQuota)) {
        this.hangUp();
        return;
      }
      if (refusal !== 0) books.counted.faults++;
      else if (/\/readings$/.test(packet.topic)) books.age(payload, clock.wallMs());
      if (packet.qos === 1) this.say({ cmd: 'puback', messageId: packet.messageId!, reasonCode: refusal });
    });
  }

  /** By which code a message is refused. */
  private refusalIn(weather: Weather): number {
    if (weather === 'denied') return NOT_AUTHORIZED;
    const isBeyond = weather === 'full' || (weather === 'busy' && this.parts.hour.chance(0.7));
    return isBeyond ? QUOTA_EXCEEDED : 0;
  }

  private tooMuch(packet: IPublishPacket): string | undefined {
    const { most } = this.parts.product;
    if (!most) return undefined;
    const nowMs = this.parts.clock.monoMs();
    this.recent.push({ atMs: nowMs, bytes: packet.payload.length });
    while (this.recent[0]!.atMs <= nowMs - 1000) this.recent.shift();
    if (this.recent.length > most.messages) return `more than ${most.messages} publishes a second`;
    if (this.recent.reduce((sum, { bytes }) => sum + bytes, 0) > most.bytes)
      return `more than ${most.bytes} bytes a second`;
    return this.underWay > most.underWay ? `more than ${most.underWay} without an answer` : undefined;
  }
}

/** Headers that such servers send with each answer, and those of InfluxDB 2. */
const INFLUX = { 'x-influxdb-build': 'OSS', 'x-influxdb-version': 'v2.7.6' };
const USUAL = { 'x-request-id': '6f0d3e54-8f4c-11ee-8001-0242ac110002', 'x-server-version': '1.6.7' };

/** A product behind HTTP. */
export function httpPeer(name: string, clock: SimulatedClock, hour: Hour): PresetPeer {
  const books = new Books();
  const take = (request: IncomingMessage, body: string, some: boolean): Answer => {
    try {
      return HTTP_PRODUCTS[name]!(request, body, some);
    } catch (error) {
      books.broken.push(String(error));
      return { status: 400, rows: [] };
    }
  };
  const answerOf = (request: IncomingMessage, body: string): Answer | 'cut' => {
    const weather = hour.weather();
    const nothing = (status: number, headers = {}, text = ''): Answer => ({ status, headers, body: text, rows: [] });
    if (weather === 'flapping') return 'cut';
    if (weather === 'refusing') return nothing(503);
    if (weather === 'locked') return nothing(401);
    if (weather === 'denied') return nothing(403);
    if (weather === 'busy') return nothing(429, { 'retry-after': '20' });
    if (hour.chance(0.03)) return nothing(500, {}, '<h1>broken</h1>');
    if (hour.chance(0.03)) return nothing(408);
    return take(request, body, weather === 'partial' || (name === 'kafka-rest' && hour.chance(0.05)));
  };
  const answer = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    if (hour.weather() === 'silent') return;
    books.message(body.length, undefined);
    const cut = hour.cut();
    const reply = cut === 'before' ? 'cut' : answerOf(request, body);
    clock.after(LATENCY_MS, () => {
      if (reply === 'cut' || cut === 'after') {
        if (reply !== 'cut') books.take(reply.rows);
        books.counted.faults++;
        request.socket.destroy();
        return;
      }
      books.take(reply.rows);
      if (reply.status >= 300 || reply.body?.includes('"error_code":2')) books.counted.faults++;
      response.writeHead(reply.status, { ...(name === 'influxdb' ? INFLUX : USUAL), ...reply.headers }).end(reply.body);
    });
  };
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, (request, response) => {
    let body = '';
    request.on('error', () => {});
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => answer(request, response, body));
  });
  let open: Duplex | undefined;
  hour.onEnd(() => open?.destroy());
  const accept = (stream: Duplex): void => {
    open = stream;
    books.counted.sessions++;
    server.emit('connection', stream);
  };
  return { dial: dialerOf(books, clock, hour, accept), broken: books.broken, rows: books.rows, counted: books.counted };
}
