/** The Modbus TCP server of the gateway: listens, lets in who may ask, and answers out of the last readings. */
import { BlockList, createServer, isIP, type Server, type Socket } from 'node:net';
import type { ModbusServerConfig } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { codeOf, messageOf, notTaken } from '../core/errors.ts';
import type { Alarms } from '../core/event.ts';
import type { Logger } from '../core/log.ts';
import type { Reading, TagId } from '../core/reading.ts';
import { ModbusSession } from './modbus-session.ts';
import { createImage, EXCEPTION, type RegisterImage } from './register-image.ts';

/** Units that mean the server itself, whatever it is called (Messaging on TCP/IP V1.0b, 4.4.2.5). */
const OWN_UNITS = [0, 255];

/** A port that is taken is tried again so often, ms. */
const LISTEN_AGAIN_MS = 10_000;

/** A master that has been silent for so long gives its place to a new one when all are taken, ms. */
const SILENT_MS = 60_000;

const ALARM = 'serve/modbus';

/** What the server needs of the gateway. */
export interface ModbusServerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly alarms: Alarms;
  /** The last reading of a tag; undefined before the first. */
  readonly lastOf: (tag: TagId) => Reading | undefined;
}

/** The server at a glance. Counts are since the start of the server. */
export interface ModbusServerStatus {
  /** `HOST:PORT`, with the port that was got. */
  readonly listen: string;
  readonly state: 'listening' | 'waiting';
  /** Why it does not listen. */
  readonly reason: string | undefined;
  readonly clients: number;
  readonly requests: number;
  /** Requests that were refused, by exception code. */
  readonly exceptions: Readonly<Record<number, number>>;
  /** Connections that were not let in, and those that were ended as what came was no Modbus or came too slowly. */
  readonly refused: number;
  readonly ended: number;
}

/** The Modbus TCP server of the gateway. */
export class ModbusServer {
  private readonly config: ModbusServerConfig;
  private readonly deps: ModbusServerDeps;
  private readonly image: RegisterImage;
  private readonly mayAsk: (address: string) => boolean;
  private readonly sessions = new Map<ModbusSession, string>();
  private readonly exceptions: Record<number, number> = {};
  private server: Server | undefined;
  private port: number;
  private isClosed = false;
  private isListening = false;
  /** Whether it was told that connections cannot be taken. */
  private isTold = false;
  private reason: string | undefined;
  private cancelAgain: () => void = () => {};
  private requests = 0;
  private refused = 0;
  private ended = 0;

  constructor(config: ModbusServerConfig, deps: ModbusServerDeps) {
    this.config = config;
    this.deps = deps;
    this.port = config.listen.port;
    this.image = createImage(config, deps.lastOf);
    this.mayAsk = allowed(config.allow);
  }

  /** Listens, now or as soon as it can: the gateway polls and stores without it. Resolves after the first try. */
  listen(): Promise<void> {
    const { host, port } = this.config.listen;
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (socket) =>
      this.connected(socket),
    );
    this.server = server;
    return new Promise((resolve) => {
      server.on('error', (error) => {
        if (server.listening) this.tellOnce(error);
        else this.failed(error);
        resolve();
      });
      server.listen({ host, port }, () => {
        const address = server.address();
        if (typeof address === 'object' && address !== null) this.port = address.port;
        this.isListening = true;
        this.reason = undefined;
        this.deps.alarms.clear(ALARM, `the Modbus server listens on ${this.place()}`);
        this.deps.log.info(`listens on ${this.place()}; ${this.config.points.length} places in its map`);
        resolve();
      });
    });
  }

  /** Ends every connection. */
  close(): Promise<void> {
    this.isClosed = true;
    this.isListening = false;
    this.cancelAgain();
    this.deps.alarms.clear(ALARM, 'the Modbus server is closed');
    const { server } = this;
    if (!server?.listening) return Promise.resolve();
    return new Promise((resolve) => {
      server.close(() => resolve());
      for (const session of [...this.sessions.keys()]) session.end('the server is closed');
    });
  }

  status(): ModbusServerStatus {
    return {
      listen: this.place(),
      state: this.isListening ? 'listening' : 'waiting',
      reason: this.reason,
      clients: this.sessions.size,
      requests: this.requests,
      exceptions: { ...this.exceptions },
      refused: this.refused,
      ended: this.ended,
    };
  }

  private place(): string {
    const { host } = this.config.listen;
    return `${isIP(host) === 6 ? `[${host}]` : host}:${this.port}`;
  }

  private failed(error: Error): void {
    if (this.isClosed) return;
    this.isListening = false;
    this.reason = listenTrouble(error, this.config.listen);
    this.deps.log.error(`${this.reason} The gateway goes on without it, and tries again.`);
    this.deps.alarms.raise(ALARM, `the Modbus server does not listen: ${this.reason}`);
    this.cancelAgain = this.deps.clock.after(LISTEN_AGAIN_MS, () => void this.listen());
  }

  private tellOnce(error: Error): void {
    if (this.isTold) return;
    this.isTold = true;
    this.deps.log.warn(notTaken(error));
  }

  private connected(socket: Socket): void {
    const peer = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    const refusal = this.mayAsk(peer) ? this.noPlaceFor(peer) : 'serve.modbus.allow does not name it';
    if (refusal !== undefined) {
      this.refused++;
      this.deps.log.warn(`${peer} was not let in: ${refusal}`);
      socket.destroy();
      return;
    }
    const session: ModbusSession = new ModbusSession(socket, {
      clock: this.deps.clock,
      answer: (unit, pdu) => this.answer(unit, pdu),
      onEnd: (why) => {
        this.sessions.delete(session);
        if (why === undefined || this.isClosed) return;
        this.ended++;
        this.deps.log.warn(`the connection of ${peer} was ended: ${why}`);
      },
    });
    this.sessions.set(session, peer);
  }

  /** Why there is no place for one more connection; makes one where a master has been silent for long. */
  private noPlaceFor(peer: string): string | undefined {
    const { maxClients } = this.config;
    // One machine that opens connections without an end does not lock out the others.
    const share = Math.max(1, Math.ceil(maxClients / 2));
    const own = [...this.sessions].filter(([, other]) => other === peer).map(([session]) => session);
    if (own.length >= share && !endSilent(own)) return `it has ${own.length} connections already`;
    if (this.sessions.size < maxClients || endSilent([...this.sessions.keys()])) return undefined;
    return `all ${maxClients} connections are taken (serve.modbus.maxClients)`;
  }

  private answer(unit: number, pdu: Uint8Array): Uint8Array {
    this.requests++;
    const isOurs = this.config.unit === undefined || unit === this.config.unit || OWN_UNITS.includes(unit);
    const answer = isOurs
      ? this.image.answer(pdu, this.deps.clock.monoMs())
      : Uint8Array.of(pdu[0]! | 0x80, EXCEPTION.target);
    if (answer[0]! >= 0x80) this.exceptions[answer[1]!] = (this.exceptions[answer[1]!] ?? 0) + 1;
    return answer;
  }
}

/** Ends the session that has been silent longest, if that is long enough; false where there is none. */
function endSilent(sessions: readonly ModbusSession[]): boolean {
  const [silent] = [...sessions].sort((a, b) => b.silentMs() - a.silentMs());
  if (!silent || silent.silentMs() < SILENT_MS) return false;
  silent.end('it was silent, and its place was needed');
  return true;
}

/** Who may ask. */
function allowed(allow: readonly string[] | undefined): (address: string) => boolean {
  if (!allow) return () => true;
  const list = new BlockList();
  for (const text of allow) {
    const [address = '', bits] = text.split('/');
    const type = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, type);
    else list.addSubnet(address, Number(bits), type);
  }
  return (address) => isIP(address) !== 0 && list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function listenTrouble(error: Error, { host, port }: ModbusServerConfig['listen']): string {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return `port ${port} is in use. Choose another for serve.modbus.listen, or stop the program that has it (ss -ltnp).`;
    case 'EACCES':
      return `port ${port} needs more rights. Choose one above 1023 for serve.modbus.listen, such as ${host}:1502, or allow it to all programs: sysctl net.ipv4.ip_unprivileged_port_start=${port}.`;
    case 'EADDRNOTAVAIL':
      return `this machine has no address ${host}. Name one that it has (ip address), or 0.0.0.0 for all.`;
    default:
      return `cannot listen on ${host}:${port}: ${messageOf(error)}. Check serve.modbus.listen.`;
  }
}
