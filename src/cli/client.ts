/** Speaks to a running gateway over its Unix socket. */
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import type { JsonReading } from '../api/json.ts';
import type { GatewayStatus } from '../api/view.ts';
import { CHANGE_DEADLINE_MS } from '../core/configuration.ts';
import { codeOf, EXIT, type ExitCode, Fault, messageOf } from '../core/errors.ts';
import { programVersion } from '../core/file-system.ts';
import { splitTagId } from '../core/reading.ts';
import { load } from './configuration.ts';
import { type CliContext, type CommonOptions, configFile, warn } from './terminal/context.ts';
import { plain } from './terminal/format.ts';

/** The socket of the service. */
const SERVICE_SOCKET = '/run/millgate/api.sock';

/** How long the gateway may take to begin its answer, ms; a little more than the API's own deadline. */
const DEADLINE_MS = 32_000;

/** The same for what checks a file and puts it in force. */
export const LONG_DEADLINE_MS = CHANGE_DEADLINE_MS + 2000;

/** How long the gateway may take to accept a connection, ms. */
const CONNECT_DEADLINE_MS = 3000;

/** A stream says every 15 s that it is alive; one that is silent for longer than this is not, ms. */
const SILENCE_DEADLINE_MS = 40_000;

/** The largest answer that is taken, bytes. */
const MAX_ANSWER_BYTES = 64_000_000;

/** The longest line of an event stream, characters. */
const MAX_LINE_LENGTH = 16_000_000;

/** One event of the stream of readings. */
interface StreamEvent {
  readonly event: string;
  readonly readings: readonly JsonReading[];
}

/** A running gateway, spoken to over its Unix socket. */
export interface GatewayClient {
  readonly socketPath: string;
  /** Throws `Fault`: exit 69 when no gateway answers, 77 when this user may not, else what the API said. */
  get<T>(path: string): Promise<T>;
  /** @param deadlineMs how long the answer may take to begin; by default what everything else may take */
  post<T>(path: string, body: unknown, deadlineMs?: number): Promise<T>;
  /** Readings as they are made, until the signal ends it or the gateway goes away. */
  stream(path: string, signal: AbortSignal): AsyncGenerator<StreamEvent>;
  /** Lines of text as they are made, some at a time, until the signal ends it or the gateway goes away. */
  lines(path: string, signal: AbortSignal): AsyncGenerator<readonly string[]>;
}

/** Where the API has the history of a tag, `device/tag`. */
export function historyPath(tag: string): string {
  const { device, name } = splitTagId(tag)!;
  return `/api/v1/tags/${encodeURIComponent(device)}/${encodeURIComponent(name)}/history`;
}

/** A client of the gateway on one socket. */
export function createClient(socketPath: string, context: CliContext): GatewayClient {
  let isWarned = false;
  /** A gateway of another version may answer what this program does not know, and the other way round. */
  const compareVersions = (response: IncomingMessage): void => {
    const theirs = response.headers['x-millgate-version'];
    const ours = programVersion();
    if (isWarned || typeof theirs !== 'string' || theirs === ours) return;
    isWarned = true;
    warn(context, [
      `millgate: warning: the gateway is version ${plain(theirs)}, this command ${ours}. ` +
        'Restart the gateway after an update: systemctl restart millgate.',
    ]);
  };
  const call = async <T>(method: string, path: string, body?: unknown, deadlineMs?: number): Promise<T> => {
    const response = await open(socketPath, context, { method, path, body, deadlineMs });
    compareVersions(response);
    const text = await readAll(response, socketPath, context);
    if ((response.statusCode ?? 500) >= 300) throw faultOf(response.statusCode ?? 500, text);
    return parseAnswer<T>(socketPath, text);
  };
  const follow = async (path: string, signal: AbortSignal): Promise<IncomingMessage> => {
    const response = await open(socketPath, context, { method: 'GET', path, signal });
    compareVersions(response);
    if (response.statusCode === 200) return response;
    throw faultOf(response.statusCode ?? 500, await readAll(response, socketPath, context));
  };
  return {
    socketPath,
    get: (path) => call('GET', path),
    post: (path, body, deadlineMs) => call('POST', path, body, deadlineMs),
    async *stream(path, signal) {
      let event = '';
      for await (const lines of linesOf(await follow(path, signal), socketPath, context, signal)) {
        for (const line of lines) {
          if (line.startsWith('event: ')) event = line.slice(7);
          else if (line.startsWith('data: ')) yield { event, readings: JSON.parse(line.slice(6)) as JsonReading[] };
        }
      }
    },
    async *lines(path, signal) {
      for await (const lines of linesOf(await follow(path, signal), socketPath, context, signal)) {
        // An empty one only says that the gateway is still there.
        const told = lines.filter((line) => line !== '');
        if (told.length > 0) yield told;
      }
    },
  };
}

/**
 * The running gateway: the one on `MILLGATE_SOCKET`, else the service's, else the one beside the configured store. When
 * a configuration is named, only a gateway that runs this very file will do. Throws `Fault` with exit 69 when none
 * answers.
 */
export async function findGateway(options: CommonOptions, context: CliContext): Promise<GatewayClient> {
  if (context.env.MILLGATE_SOCKET) return answering(context.env.MILLGATE_SOCKET, context);
  const { file, absolute, named } = configFile(options, context);
  const service = named ? undefined : await answeringIfThere(SERVICE_SOCKET, context);
  if (service) return service;
  const loaded = await load(file, context);
  const storePath = loaded.ok ? loaded.config.store.path : loaded.storePath;
  const besideStore = storePath === undefined ? undefined : join(storePath, 'api.sock');
  const own = loaded.ok && besideStore !== undefined ? await answeringIfThere(besideStore, context) : undefined;
  if (own) return own;
  if (named)
    for (const socketPath of new Set([besideStore, SERVICE_SOCKET])) {
      if (socketPath === undefined || !mayBeThere(socketPath)) continue;
      const client = createClient(socketPath, context);
      if (await runsFile(client, absolute)) return client;
    }
  if (named && !loaded.ok) {
    // A file that is gone, or broken, no longer says where its store is; whoever runs it still does.
    for (const socketPath of listeningSockets()) {
      const client = createClient(socketPath, context);
      if (await runsFile(client, absolute).catch(() => false)) return client;
    }
    throw whereaboutsUnknown(file, absolute);
  }
  throw notStarted(besideStore ?? SERVICE_SOCKET, named ? file : undefined);
}

function whereaboutsUnknown(file: string, absolute: string): Fault {
  if (existsSync(absolute))
    return new Fault(
      `${file} is not valid, so it does not say where its store is, and no gateway that runs it was found`,
      `Mend it: millgate check ${file}. A gateway in another place is named by its socket: MILLGATE_SOCKET=STORE/api.sock.`,
      EXIT.configInvalid,
    );
  return new Fault(
    `there is no file ${file}, and no gateway that runs it was found`,
    'Check the path, or put the file back. A gateway in another place is named by its socket: MILLGATE_SOCKET=STORE/api.sock.',
    EXIT.configInvalid,
  );
}

/** Sockets of gateways on this machine, as the kernel lists them (unix(7), /proc/net/unix); none where it does not. */
function listeningSockets(): readonly string[] {
  try {
    const paths = readFileSync('/proc/net/unix', 'utf8').matchAll(/ (\/\S.*\/api\.sock)$/gm);
    return [...new Set([...paths].map(([, path]) => path!))];
  } catch {
    return [];
  }
}

/**
 * Whether there is a socket, as far as this user can see. One in a folder that is closed to him counts: to take it for
 * absent would call a running gateway stopped, and put a second master on its lines.
 */
function mayBeThere(socketPath: string): boolean {
  try {
    lstatSync(socketPath);
    return true;
  } catch (error) {
    return codeOf(error) === 'EACCES';
  }
}

/** Whether a gateway answers there and runs this very file. */
async function runsFile(client: GatewayClient, absolute: string): Promise<boolean> {
  try {
    const status = await client.get<GatewayStatus>('/api/v1/status');
    return status.config.file === absolute;
  } catch (error) {
    if (error instanceof Fault && error.code === EXIT.unavailable) return false;
    throw error;
  }
}

function notStarted(socketPath: string, file: string | undefined): Fault {
  return new Fault(`no gateway answers on ${socketPath}`, `${howToStart(file)}`, EXIT.unavailable);
}

/** How to start a gateway with the file that was named; without one, that the same file has to be named. */
export function howToStart(file: string | undefined): string {
  return file === undefined
    ? 'Start it: systemctl start millgate. One that was started with --config FILE is found with the same --config.'
    : `Start it: millgate run --config ${file}.`;
}

/** The gateway, or undefined when none runs; a gateway that refuses this user is a fault. */
export async function runningGateway(options: CommonOptions, context: CliContext): Promise<GatewayClient | undefined> {
  try {
    return await findGateway(options, context);
  } catch (error) {
    if (error instanceof Fault && isWithoutGateway(error)) return undefined;
    throw error;
  }
}

/** The gateway on a socket; undefined where nobody answers on it, be it that a killed gateway left it behind. */
async function answeringIfThere(socketPath: string, context: CliContext): Promise<GatewayClient | undefined> {
  if (!mayBeThere(socketPath)) return undefined;
  try {
    return await answering(socketPath, context);
  } catch (error) {
    if (error instanceof Fault && error.code === EXIT.unavailable) return undefined;
    throw error;
  }
}

async function answering(socketPath: string, context: CliContext): Promise<GatewayClient> {
  const client = createClient(socketPath, context);
  await client.get('/healthz');
  return client;
}

/** What is asked of the gateway. */
interface Question {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  readonly deadlineMs?: number | undefined;
}

function open(
  socketPath: string,
  context: CliContext,
  { method, path, body, signal = context.signal, deadlineMs = DEADLINE_MS }: Question,
): Promise<IncomingMessage> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = text === undefined ? {} : { 'Content-Type': 'application/json' };
    const outgoing = request({ socketPath, method, path, headers, signal, agent: false });
    const late = () => outgoing.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }));
    const cancelConnect = context.clock.after(CONNECT_DEADLINE_MS, late);
    const cancel = context.clock.after(deadlineMs, late);
    outgoing.on('socket', (socket) => socket.once('connect', cancelConnect));
    outgoing.on('response', (response) => {
      cancel();
      cancelConnect();
      resolve(response);
    });
    outgoing.on('error', (error) => {
      cancel();
      cancelConnect();
      reject(signal.aborted ? signal.reason : transportFault(socketPath, error));
    });
    outgoing.end(text);
  });
}

async function readAll(response: IncomingMessage, socketPath: string, context: CliContext): Promise<string> {
  const cancel = context.clock.after(DEADLINE_MS, () => response.destroy(new Error('no answer in time')));
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) throw new Error(`the answer is larger than ${MAX_ANSWER_BYTES} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (context.signal.aborted) throw context.signal.reason;
    throw transportFault(socketPath, error);
  } finally {
    cancel();
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseAnswer<T>(socketPath: string, text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new Fault(
      `${socketPath}: what answers there is no gateway`,
      'Check MILLGATE_SOCKET and store.path.',
      EXIT.unavailable,
      { cause: error },
    );
  }
}

/**
 * The whole lines of an answer as they come; ends with the connection, also when it is silent for too long. What has no line
 * end yet is not given out.
 */
async function* linesOf(
  response: IncomingMessage,
  socketPath: string,
  { clock }: CliContext,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  const late = () => response.destroy(Object.assign(new Error('the stream is silent'), { code: 'ETIMEDOUT' }));
  let cancel = clock.after(SILENCE_DEADLINE_MS, late);
  response.setEncoding('utf8');
  let rest = '';
  try {
    for await (const chunk of response as AsyncIterable<string>) {
      cancel();
      cancel = clock.after(SILENCE_DEADLINE_MS, late);
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MAX_LINE_LENGTH) throw new Error('a line is too long');
      if (lines.length > 0) yield lines;
    }
  } catch (error) {
    if (!signal.aborted && codeOf(error) !== 'ECONNRESET') throw transportFault(socketPath, error);
  } finally {
    cancel();
    response.destroy();
  }
}

/** Whether a fault of `findGateway` says that there is none, or none to be found: a command may do without it. */
export function isWithoutGateway({ code }: Fault): boolean {
  return code === EXIT.unavailable || code === EXIT.configInvalid;
}

/** That no gateway runs, in the words every command uses. */
export function noGateway(socketPath: string, cause?: unknown): Fault {
  return new Fault(
    `no gateway answers on ${socketPath}`,
    'Start it: systemctl start millgate, or millgate run.',
    EXIT.unavailable,
    { cause },
  );
}

function transportFault(socketPath: string, error: unknown): Fault {
  const code = codeOf(error);
  if (code === 'EACCES' || code === 'EPERM')
    return new Fault(
      `${socketPath}: this user may not use it`,
      'Join its group and log in again: sudo usermod -aG millgate $USER.',
      EXIT.permission,
      { cause: error },
    );
  if (code === 'ETIMEDOUT')
    return new Fault(
      `${socketPath}: the gateway does not answer in time`,
      'See its log: journalctl -u millgate.',
      EXIT.unavailable,
      { cause: error },
    );
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'EPIPE' || code === 'ENOTSOCK')
    return noGateway(socketPath, error);
  return new Fault(
    `${socketPath}: talking to the gateway failed: ${messageOf(error)}`,
    'See its log: journalctl -u millgate.',
    EXIT.unavailable,
    { cause: error },
  );
}

function faultOf(status: number, text: string): Fault {
  let error = `the gateway answered ${status}`;
  let remedy = 'See its log: journalctl -u millgate.';
  let code: ExitCode = EXIT.failed;
  try {
    const body = JSON.parse(text) as { detail?: unknown; remedy?: unknown; code?: unknown };
    if (typeof body.detail === 'string') error = body.detail;
    if (typeof body.remedy === 'string') remedy = body.remedy;
    code = Object.values(EXIT).find((known) => known === body.code) ?? code;
  } catch {
    // An answer that is not ours has no better words than its status.
  }
  return new Fault(error, remedy, code);
}
