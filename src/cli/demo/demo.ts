/** The command `demo`: a simulated press line with a broker inside, for a first look. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMap, isScalar, parseDocument } from 'yaml';
import { jsonReading, jsonTag } from '../../api/json.ts';
import type { GatewayView } from '../../api/view.ts';
import { failure } from '../../core/clock.ts';
import { codeOf, EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { installed } from '../../core/file-system.ts';
import { createLogger, type Logger } from '../../core/log.ts';
import { parseDuration } from '../../core/quantity.ts';
import { seededRandom } from '../../core/random.ts';
import { type CliContext, type CommonOptions, print, warn } from '../terminal/context.ts';
import { showLive } from '../terminal/live.ts';
import { createLiveTable } from '../terminal/live-table.ts';
import { fit, hasScreen } from '../terminal/screen.ts';
import { readingLine } from '../watch.ts';

/** Seed of the simulated plant: the same wear and the same faults at every demo. */
const PLANT_SEED = 7;

/** What runs during a demo, and what its pieces are called. */
interface RunningDemo {
  readonly view: GatewayView;
  readonly brokerPort: number;
  readonly socketPath: string;
  /** Address of the page, with a token that may change everything. */
  readonly page: string;
  /** Rejects when the demo cannot go on. */
  readonly failed: Promise<never>;
}

/** Where a running demo can be reached. */
type Places = Omit<RunningDemo, 'view' | 'failed'>;

/** Undoes what was done, the last first. */
type Undo = (() => Promise<void> | void)[];

/**
 * `demo`: a simulated press line through the real Modbus TCP driver, the real store and an embedded broker, until Ctrl-C
 * or for the time given. Everything it makes is in one temporary folder that it removes.
 */
export async function demo(options: CommonOptions & { readonly for?: string }, context: CliContext): Promise<ExitCode> {
  const forMs = options.for === undefined ? undefined : parseDuration(options.for);
  if (options.for !== undefined && forMs === undefined)
    throw new Fault(`--for ${options.for}: not a duration`, 'Write 10s or 5m.', EXIT.usage);
  const undo: Undo = [];
  let lastWarning = '';
  const showsTable = hasScreen(context) && !options.json;
  const log = createLogger(
    context.clock,
    (line) => {
      if (showsTable) lastWarning = line;
      else warn(context, [line]);
    },
    'warn',
  );
  try {
    const running = await start(log, context, undo);
    const ended = new AbortController();
    if (forMs !== undefined) undo.push(context.clock.after(forMs, () => ended.abort()));
    const until = AbortSignal.any([context.signal, ended.signal]);
    const { failed, ...shown } = running;
    const show = showsTable
      ? showTable(shown, () => lastWarning, context, until)
      : showLines(shown, options.json ?? false, context, until);
    await Promise.race([show, failed]);
  } finally {
    for (const step of undo.reverse()) await step();
  }
  if (showsTable) print(context, ['The demo has ended and removed what it made.']);
  return EXIT.ok;
}

async function start(log: Logger, context: CliContext, undo: Undo): Promise<RunningDemo> {
  const { clock } = context;
  const folder = mkdtempSync(join(tmpdir(), 'millgate-demo-'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const { startPlant } = await import('../../../hal/mock/plant.ts');
  const plant = await startPlant({ port: 0, seed: PLANT_SEED, clock });
  undo.push(() => plant.close());
  const broker = await startBroker();
  undo.push(() => broker.close());
  const pagePort = await freePort(PAGE_PORT);
  const file = writeFile(folder, { plantPort: plant.port, brokerPort: broker.port, pagePort });
  const socketPath = join(folder, 'api.sock');
  const env = { ...context.env, MILLGATE_SOCKET: socketPath, CACHE_DIRECTORY: join(folder, 'cache') };
  const { assemble, prepare } = await import('../../daemon.ts');
  const { failed, fail: onFailed } = failure();
  const given = { ...context, env };
  const started = await prepare({ file }, given, log);
  if (!started) throw new Fault('the file of the demo is not valid', 'This is a bug; the lines above say what of it.');
  const assembly = { simulate: false, random: seededRandom(PLANT_SEED), onFailed };
  const { gateway, applying, api } = await assemble(started, assembly, given, log);
  undo.push(async () => {
    applying.close();
    await api.close();
    await gateway.close();
  });
  await api.start();
  started.keep();
  // Behind the sign # nothing of an address is sent anywhere: the page takes the token from there.
  const { token } = api.tokens.create('demo', 'admin', 'demo');
  const page = `http://127.0.0.1:${api.port()}/#token=${token}`;
  return { view: gateway.view, brokerPort: broker.port, socketPath, page, failed };
}

/** The first port from `first` on that nobody has, of ten; else any. */
async function freePort(first: number): Promise<number> {
  const server = createServer();
  const port = await listenOnFreePort(server, first);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Writes the demo's configuration with this run's ports; gives its path. */
function writeFile(folder: string, ports: Omit<DemoPlaces, 'storePath'>): string {
  const file = join(folder, 'demo.yaml');
  const storePath = join(folder, 'store');
  mkdirSync(storePath);
  const text = readFileSync(installed('config/demo.yaml'), 'utf8');
  writeFileSync(file, placeDemo(text, { ...ports, storePath }));
  return file;
}

async function showTable(
  { view, ...places }: Omit<RunningDemo, 'failed'>,
  warning: () => string,
  context: CliContext,
  until: AbortSignal,
): Promise<void> {
  const { colors } = context;
  const table = createLiveTable(view.tags().map(jsonTag), context.clock);
  const unsubscribe = view.onReadings((readings) => table.update(readings.map(jsonReading), true));
  const frame = {
    head: () => [colors.bold(fit(context, `Millgate demo: a simulated press line, ${table.summary()}`)), ''],
    foot: () => footLines(places, warning(), context),
  };
  try {
    await showLive(() => table, frame, context, until);
  } finally {
    unsubscribe();
  }
}

/** A window lower than this shows one command line to try and no more, so that the table keeps its room. */
const LOW_WINDOW_ROWS = 20;

/** What is worth a look while the demo runs. */
const LOOK_AT = [
  'Look at: a press goes bad now and then and says why; the other tags keep their',
  'rate. Every reading is on disk before it is sent. The page shows it on "Devices"; the',
  'wear of press 1 on press-1/vibration, the drifting gauge on "Quality". Shafts have',
  'numbers, lots and a stock of blanks: millgate parts, lots and inventory list them.',
];

function footLines(places: Places, warning: string, context: CliContext): string[] {
  const { colors } = context;
  const isLow = context.rows() < LOW_WINDOW_ROWS;
  const tips = tipLines(places, context).map((line) => colors.cyan(fit(context, `  ${line}`)));
  return [
    '',
    ...(warning ? [colors.yellow(fit(context, warning))] : []),
    ...(isLow ? [] : [...LOOK_AT.map((line) => fit(context, line)), colors.dim('In a second terminal:')]),
    ...(isLow ? tips.slice(0, 1) : tips),
    colors.dim('Ctrl-C ends'),
  ];
}

function tipLines({ brokerPort, socketPath, page }: Places, { invocation }: CliContext): string[] {
  return [
    `In a browser: ${page}`,
    `mosquitto_sub -p ${brokerPort} -t '#' -v`,
    `export MILLGATE_SOCKET=${socketPath}`,
    `${invocation} status`,
    `${invocation} watch`,
  ];
}

async function showLines(
  { view, ...places }: Omit<RunningDemo, 'failed'>,
  asJson: boolean,
  context: CliContext,
  until: AbortSignal,
): Promise<void> {
  if (asJson) {
    const mqtt = `mqtt://127.0.0.1:${places.brokerPort}`;
    print(context, [
      JSON.stringify({ demo: { mqtt, socket: places.socketPath, page: places.page, tags: view.tags().length } }),
    ]);
  } else warn(context, ['Millgate demo: a simulated press line.', ...LOOK_AT, 'Try:', ...tipLines(places, context)]);
  const known = new Map(view.tags().map((tag) => [tag.tag, tag]));
  const unsubscribe = view.onReadings((readings) => {
    print(
      context,
      readings.map((reading) => readingLine(jsonReading(reading), known.get(reading.tag), asJson)),
    );
  });
  await new Promise<void>((resolve) => {
    if (until.aborted) resolve();
    else until.addEventListener('abort', () => resolve(), { once: true });
  });
  unsubscribe();
}

/** What a demo file must be told before it can run here. */
interface DemoPlaces {
  readonly plantPort: number;
  readonly brokerPort: number;
  readonly pagePort: number;
  readonly storePath: string;
}

/**
 * A demo file's text with the ports of this run: every `modbus-tcp` channel goes to the plant, every MQTT uplink to the
 * embedded broker, the page to its port, the store to its folder. Only those values change, so that lines and columns stay what they are in
 * the file; a port, a page or a store that is not written is added.
 */
export function placeDemo(text: string, { plantPort, brokerPort, pagePort, storePath }: DemoPlaces): string {
  const document = parseDocument(text);
  const places: [path: string[], value: string | number][] = [];
  const entries = (section: string): string[] => {
    const node = document.get(section);
    return isMap(node) ? node.items.map(({ key }) => String(isScalar(key) ? key.value : key)) : [];
  };
  for (const name of entries('channels')) {
    if (document.getIn(['channels', name, 'driver']) !== 'modbus-tcp') continue;
    places.push([['channels', name, 'host'], '127.0.0.1'], [['channels', name, 'port'], plantPort]);
  }
  for (const name of entries('uplinks'))
    if (document.getIn(['uplinks', name, 'type']) === 'mqtt')
      places.push([['uplinks', name, 'url'], `mqtt://127.0.0.1:${brokerPort}`]);
  places.push([['store', 'path'], storePath], [['api', 'listen'], `127.0.0.1:${pagePort}`]);

  const written = places.map(([path, value]) => ({ path, value, range: rangeOf(document.getIn(path, true)) }));
  if (written.every(({ range }) => range !== undefined)) {
    return written
      .sort((a, b) => b.range![0] - a.range![0])
      .reduce((done, { value, range }) => {
        return done.slice(0, range![0]) + JSON.stringify(value) + done.slice(range![1]);
      }, text);
  }
  for (const { path, value } of written) document.setIn(path, value);
  return String(document);
}

function rangeOf(node: unknown): readonly [number, number] | undefined {
  return isScalar(node) && node.range ? [node.range[0], node.range[1]] : undefined;
}

/** The ports of MQTT and of the API, and how many after each are tried when it is in use. */
const MQTT_PORT = 1883;
const PAGE_PORT = 8420;
const PORTS_TRIED = 10;

/** A broker inside this process, for the demo: loopback only, no password, nothing kept. */
export interface EmbeddedBroker {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts it on 127.0.0.1, on port 1883 or the next free one. */
export async function startBroker(): Promise<EmbeddedBroker> {
  const { Aedes } = await import('aedes');
  const broker = await Aedes.createBroker();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    broker.handle(socket);
  });
  const port = await listenOnFreePort(server, MQTT_PORT);
  return {
    port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
      await new Promise<void>((resolve) => broker.close(() => resolve()));
    },
  };
}

async function listenOnFreePort(server: Server, first: number): Promise<number> {
  const candidates = [...Array.from({ length: PORTS_TRIED }, (_, index) => first + index), 0];
  for (const port of candidates) {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host: '127.0.0.1', port }, () => {
          server.off('error', reject);
          resolve();
        });
      });
      break;
    } catch (error) {
      if (codeOf(error) !== 'EADDRINUSE') throw error;
    }
  }
  return (server.address() as AddressInfo).port;
}
