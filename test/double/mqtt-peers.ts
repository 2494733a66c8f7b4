import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Aedes } from 'aedes';

/** A broker that a test can take hold of. */
export interface Peer {
  readonly port: number;
  /** Stops confirming, keeps the connections. */
  freeze(): void;
  thaw(): void;
  /** Closes every connection; a new one is welcome. */
  dropClients(): Promise<void>;
  close(): Promise<void>;
}

/** A free port of the loopback. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** A message as the broker got it. */
export interface Published {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retain: boolean;
}

/** An aedes broker in this process. `user` is the only one let in when given; `mayRead` says who may read which topics. */
export async function startAedes(
  user?: { name: string; password: string },
  mayRead: (topic: string) => boolean = () => true,
): Promise<Peer & { published: Published[] }> {
  const broker = await Aedes.createBroker();
  const sockets = new Set<Socket>();
  const published: Published[] = [];
  let frozen = false;
  broker.authenticate = (_client, name, password, done) =>
    done(null, !user || (name === user.name && password?.toString() === user.password));
  broker.authorizePublish = (client, packet, done) => {
    if (frozen) return;
    if (client) published.push({ topic: packet.topic, payload: Buffer.from(packet.payload), retain: packet.retain });
    done(null);
  };
  broker.authorizeSubscribe = (_client, wanted, done) => done(null, mayRead(wanted.topic) ? wanted : null);
  broker.on('clientError', () => {});
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    broker.handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('aedes got no port');
  return {
    port: address.port,
    published,
    freeze() {
      frozen = true;
    },
    thaw() {
      frozen = false;
    },
    async dropClients() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await new Promise<void>((resolve) => broker.close(resolve));
    },
  };
}

/** Runs a program to its end; fails with its output, and names it when it is missing. */
export function runTool(tool: string, args: readonly string[], cwd: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (output += text));
    child.on('error', (error) => reject(new Error(`this test needs the program "${tool}": ${error.message}`)));
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${tool} ${args.join(' ')}: ${output}`))));
  });
}

/** A mosquitto of the machine's own, with the given configuration lines, on a free port. */
export async function startMosquitto(lines: (port: number) => readonly string[]): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), 'millgate-mosquitto-'));
  const port = await freePort();
  const file = join(folder, 'mosquitto.conf');
  writeFileSync(file, `${lines(port).join('\n')}\n`);
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  let child = await start(file, port).catch((error: unknown) => {
    removeFolder();
    throw error;
  });
  return {
    port,
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async dropClients() {
      await ended(child);
      child = await start(file, port);
    },
    async close() {
      await ended(child);
      removeFolder();
    },
  };
}

async function start(file: string, port: number): Promise<ChildProcess> {
  const child = spawn('mosquitto', ['-c', file], { stdio: 'ignore' });
  let missing: Error | undefined;
  child.on('error', (error) => {
    missing = new Error(`this test needs the program "mosquitto": ${error.message}`);
  });
  for (let tries = 0; tries < 400; tries++) {
    if (missing) throw missing;
    if (child.exitCode !== null) throw new Error(`mosquitto refused its configuration ${file}`);
    if (await reachable(port)) return child;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('mosquitto does not listen after two seconds');
}

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.on('close', () => resolve());
    child.kill('SIGKILL');
  });
}
