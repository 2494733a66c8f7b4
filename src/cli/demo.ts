import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jsonReading, jsonTag } from '../api/json.ts';
import { createApi } from '../api/server.ts';
import type { GatewayView } from '../api/view.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import { createLogger, type Logger } from '../core/log.ts';
import { installed, programVersion } from '../core/program.ts';
import { parseDuration } from '../core/quantity.ts';
import { seededRandom } from '../core/random.ts';
import { type EmbeddedBroker, startBroker } from './broker.ts';
import { loadOrFail } from './configuration.ts';
import { placeDemo } from './demo-file.ts';
import { type CliContext, type CommonOptions, print, warn } from './terminal/context.ts';
import { showLive } from './terminal/live.ts';
import { createLiveTable } from './terminal/live-table.ts';
import { fit, hasScreen } from './terminal/screen.ts';
import { readingLine } from './watch.ts';

/** Seed of the simulated plant: the same wear and the same faults at every demo. */
const PLANT_SEED = 7;

/** What runs during a demo, and what its pieces are called. */
interface RunningDemo {
  readonly view: GatewayView;
  readonly brokerPort: number;
  readonly socketPath: string;
}

/** Where a running demo can be reached. */
type Places = Omit<RunningDemo, 'view'>;

/** Undoes what was done, the last first. */
type Undo = (() => Promise<void> | void)[];

/**
 * `demo`: a simulated press line through the real Modbus TCP driver, the real store and an embedded broker, until Ctrl-C
 * or for the time given. Everything it makes is in one temporary folder that it removes.
 */
export async function demo(options: CommonOptions & { readonly for?: string }, context: CliContext): Promise<ExitCode> {
  const forMs = options.for === undefined ? undefined : parseDuration(options.for);
  if (options.for !== undefined && forMs === undefined)
    throw new Fault(`--for ${options.for}: not a duration. Write 10s or 5m.`, EXIT.usage);
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
    if (showsTable) await showTable(running, () => lastWarning, context, until);
    else await showLines(running, options.json ?? false, context, until);
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
  const { startPlant } = await import('../../hal/mock/plant.ts');
  const plant = await startPlant({ port: 0, seed: PLANT_SEED, clock });
  undo.push(() => plant.close());
  const broker = await startBroker();
  undo.push(() => broker.close());
  const config = await loadOrFail({ config: writeFile(folder, plant, broker) }, context);
  const { startGateway } = await import('../gateway/gateway.ts');
  const version = programVersion();
  const random = seededRandom(PLANT_SEED);
  const environment = context.env;
  const gateway = await startGateway({ config, simulate: false, version, clock, log, random, environment });
  undo.push(() => gateway.close());
  const socketPath = join(folder, 'api.sock');
  const api = createApi({ view: gateway.view, socketPath, listen: undefined, clock, log: log.scoped('api'), version });
  undo.push(() => api.close());
  await api.start();
  return { view: gateway.view, brokerPort: broker.port, socketPath };
}

/** Writes the demo's configuration with this run's ports; gives its path. */
function writeFile(folder: string, plant: { readonly port: number }, broker: EmbeddedBroker): string {
  const file = join(folder, 'demo.yaml');
  const storePath = join(folder, 'store');
  mkdirSync(storePath);
  const text = readFileSync(installed('config/demo.yaml'), 'utf8');
  writeFileSync(file, placeDemo(text, { plantPort: plant.port, brokerPort: broker.port, storePath }));
  return file;
}

async function showTable(
  { view, ...places }: RunningDemo,
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
  'rate. Every reading is on disk before it is sent.',
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

function tipLines({ brokerPort, socketPath }: Places, { invocation }: CliContext): string[] {
  return [
    `mosquitto_sub -p ${brokerPort} -t '#' -v`,
    `export MILLGATE_SOCKET=${socketPath}`,
    `${invocation} status`,
    `${invocation} watch`,
  ];
}

async function showLines(
  { view, ...places }: RunningDemo,
  asJson: boolean,
  context: CliContext,
  until: AbortSignal,
): Promise<void> {
  if (asJson) {
    const mqtt = `mqtt://127.0.0.1:${places.brokerPort}`;
    print(context, [JSON.stringify({ demo: { mqtt, socket: places.socketPath, tags: view.tags().length } })]);
  } else warn(context, ['Millgate demo: a simulated press line.', ...LOOK_AT, 'Try:', ...tipLines(places, context)]);
  const units = new Map(view.tags().map(({ tag, unit }) => [tag, unit]));
  const unsubscribe = view.onReadings((readings) => {
    print(
      context,
      readings.map((reading) => readingLine(jsonReading(reading), units.get(reading.tag), asJson)),
    );
  });
  await new Promise<void>((resolve) => {
    if (until.aborted) resolve();
    else until.addEventListener('abort', () => resolve(), { once: true });
  });
  unsubscribe();
}
