/** A broker made of packets: keeps all that was said to it, and can refuse, freeze, cut and speak as a host. */
import { createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import mqttPacket, { type IConnectPacket, type IPublishPacket, type Packet } from 'mqtt-packet';
import { decodePayload, type Metric, type Payload } from '../../src/uplink/sparkplug/payload.ts';

/** A packet that came, with the number of its connection (from 1). */
export interface Heard {
  readonly connection: number;
  readonly packet: Packet;
}

/** A Sparkplug message as it came: `DDATA press-1`. */
export interface Said extends Payload {
  readonly connection: number;
  readonly type: string;
  readonly device: string | undefined;
  readonly topic: string;
  readonly packet: IPublishPacket;
  /** The broker spoke it for a client that went without a word. */
  readonly isWill?: boolean;
}

/** What becomes of a CONNECT. */
export type Welcome = 'accept' | 'close' | 'silence' | number;

interface Connection {
  readonly number: number;
  readonly stream: Duplex;
  version: number;
  connect: IConnectPacket | undefined;
  readonly topics: Set<string>;
  isClean: boolean;
}

/** One MQTT message as Sparkplug. */
export function saidIn(connection: number, packet: IPublishPacket, isWill = false): Said {
  const [, , type = '', , device] = packet.topic.split('/');
  const payload = decodePayload(Buffer.from(packet.payload));
  return { ...payload, connection, type, device, topic: packet.topic, packet, ...(isWill && { isWill }) };
}

/** The double. */
export class SparkplugBroker {
  readonly heard: Heard[] = [];
  readonly said: Said[] = [];
  /** Asked for each CONNECT. */
  welcome: (connection: number) => Welcome = () => 'accept';
  /** Topics that nobody may subscribe. */
  refuses: (topic: string) => boolean = () => false;
  /** Called with each message; false closes the connection in place of an answer. */
  takes: (said: Said) => boolean = () => true;
  connections = 0;
  /** The CONNECT of each that was let in, in order. */
  readonly accepted: IConnectPacket[] = [];
  /** Connections that stood at once, at most. */
  mostAtOnce = 0;
  private readonly open = new Set<Connection>();
  private readonly retained = new Map<string, Buffer>();
  private held: (() => void)[] | undefined;
  private server: ReturnType<typeof createServer> | undefined;

  /** Listens on a free port of the loopback. */
  async listen(): Promise<number> {
    const server = createServer((socket: Socket) => this.accept(socket));
    this.server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  }

  accept(stream: Duplex): void {
    const connection: Connection = {
      ...{
        number: ++this.connections,
        stream,
        version: 4,
        connect: undefined,
        topics: new Set<string>(),
        isClean: false,
      },
    };
    this.open.add(connection);
    this.mostAtOnce = Math.max(this.mostAtOnce, this.open.size);
    const parser = mqttPacket.parser();
    parser.on('packet', (packet: Packet) => this.whenThawed(() => this.take(connection, packet)));
    stream.on('data', (chunk: Buffer) => parser.parse(chunk));
    stream.on('error', () => {});
    stream.on('close', () => this.gone(connection));
    stream.on('end', () => this.gone(connection));
  }

  /** Reads nothing from now on, and answers nothing; the connections stand. */
  freeze(): void {
    this.held ??= [];
  }

  /** What came while it was frozen is lost with its connections: a half-open link carries nothing. */
  cut(): void {
    this.held = undefined;
    for (const connection of [...this.open]) connection.stream.destroy();
  }

  /** Reads what came meanwhile. */
  thaw(): void {
    const held = this.held ?? [];
    this.held = undefined;
    for (const work of held) work();
  }

  /** Publishes to whoever subscribed; a retained message also to who subscribes later. */
  publish(topic: string, payload: Buffer | string, retain = false): void {
    const bytes = Buffer.from(payload);
    if (retain) this.retained.set(topic, bytes);
    for (const connection of this.open) if (connection.topics.has(topic)) this.deliver(connection, topic, bytes, false);
  }

  /** A STATE message of a host, retained. */
  state(host: string, online: boolean, timestamp: number): void {
    this.publish(`spBv1.0/STATE/${host}`, JSON.stringify({ online, timestamp }), true);
  }

  /** The messages of a connection, or of all. */
  of(connection?: number): Said[] {
    return this.said.filter((said) => connection === undefined || said.connection === connection);
  }

  packets(cmd: Packet['cmd'], connection?: number): Packet[] {
    return this.heard
      .filter((heard) => heard.packet.cmd === cmd && (connection === undefined || heard.connection === connection))
      .map(({ packet }) => packet);
  }

  async close(): Promise<void> {
    for (const { stream } of this.open) stream.destroy();
    const { server } = this;
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  private whenThawed(work: () => void): void {
    if (this.held) this.held.push(work);
    else work();
  }

  private take(connection: Connection, packet: Packet): void {
    if (!this.open.has(connection)) return;
    this.heard.push({ connection: connection.number, packet });
    const answer = (reply: Packet) => this.write(connection, reply);
    if (packet.cmd === 'connect') this.letIn(connection, packet);
    else if (packet.cmd === 'pingreq') answer({ cmd: 'pingresp' });
    else if (packet.cmd === 'publish') this.takeMessage(connection, packet);
    else if (packet.cmd === 'disconnect') {
      connection.isClean = packet.reasonCode !== 0x04;
      connection.stream.end();
    } else if (packet.cmd === 'subscribe') {
      const topics = packet.subscriptions.map(({ topic }) => topic);
      const granted = topics.map((topic) => (this.refuses(topic) ? 0x80 : 1));
      answer({ cmd: 'suback', messageId: packet.messageId!, granted });
      for (const topic of topics) if (!this.refuses(topic)) this.subscribe(connection, topic);
    }
  }

  private subscribe(connection: Connection, topic: string): void {
    connection.topics.add(topic);
    const kept = this.retained.get(topic);
    if (kept) this.deliver(connection, topic, kept, true);
  }

  private letIn(connection: Connection, packet: IConnectPacket): void {
    connection.version = packet.protocolVersion ?? 4;
    const how = this.welcome(connection.number);
    if (how === 'silence') return;
    if (how === 'close') return void connection.stream.destroy();
    const code = how === 'accept' ? 0 : how;
    if (how === 'accept') {
      connection.connect = packet;
      this.accepted.push(packet);
    }
    this.write(connection, { cmd: 'connack', returnCode: code, reasonCode: code, sessionPresent: false });
    if (how !== 'accept') connection.stream.end();
  }

  private takeMessage(connection: Connection, packet: IPublishPacket): void {
    const said = saidIn(connection.number, packet);
    if (!this.takes(said)) return void connection.stream.destroy();
    this.said.push(said);
    if (packet.qos === 1) this.write(connection, { cmd: 'puback', messageId: packet.messageId! });
  }

  private gone(connection: Connection): void {
    if (!this.open.delete(connection)) return;
    const will = connection.connect?.will;
    connection.stream.destroy();
    if (!will || connection.isClean) return;
    const packet = {
      cmd: 'publish',
      topic: will.topic,
      payload: will.payload,
      qos: will.qos ?? 0,
      retain: false,
      dup: false,
    } as const;
    this.said.push(saidIn(connection.number, packet as IPublishPacket, true));
  }

  private deliver(connection: Connection, topic: string, payload: Buffer, retain: boolean): void {
    this.write(connection, { cmd: 'publish', topic, payload, qos: 0, retain, dup: false });
  }

  private write({ stream, version }: Connection, packet: Packet): void {
    if (stream.writable) stream.write(mqttPacket.generate(packet, { protocolVersion: version }));
  }
}

/** The metric of a name or alias. */
export function metricOf({ metrics }: Payload, key: string | number): Metric | undefined {
  return metrics.find(({ name, alias }) => (typeof key === 'string' ? name === key : alias === key));
}
