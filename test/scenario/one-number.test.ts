/**
 * One number everywhere: a gateway lives through generated shifts, and what the API, the command, MQTT, the report and a
 * backtest of its store say of each of them is the same to the byte. MILLGATE_SHIFTS=1000 for as many as the promise is made of.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import type { Driver, ReadResult, Tag } from '../../hal/driver.ts';
import { DRIVERS } from '../../hal/registry.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { instantOf } from '../../src/core/clock.ts';
import { EXIT } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/log.ts';
import type { ProductionReport } from '../../src/core/production/production.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { Value } from '../../src/core/reading.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { startGateway } from '../../src/gateway/gateway.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { millgate, serve } from '../double/command-line.ts';
import { connack, PacketReader, puback, suback } from '../double/mqtt-wire.ts';
import { temporaryFolder } from '../store/stores.ts';

const SHIFTS = Number(process.env.MILLGATE_SHIFTS ?? 8);
const MIN = 60_000;
const DAY = 1440 * MIN;

/** Monday 2026-11-30, 00:00 in London, which is UTC then. */
const MONDAY = Date.UTC(2026, 10, 30);

/** As many shifts a day as a file may have, so that a thousand of them are three weeks; the rest of the day is outside. */
const SHIFTS_A_DAY = Math.min(SHIFTS, 50);
const SHIFT_MIN = 28;
const EVERY_MS = 30_000;

/** Of so many shifts one is written to files. */
const REPORTED = Math.max(1, Math.floor(SHIFTS / 50));

function clockText(minutes: number): string {
  return `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
}

function shiftName(index: number): string {
  return `s${index % SHIFTS_A_DAY}`;
}

const PLAN = Array.from({ length: SHIFTS_A_DAY }, (_, index) => {
  const from = index * SHIFT_MIN;
  const pause = `[{from: "${clockText(from + 10)}", to: "${clockText(from + 13)}"}]`;
  return `      - {name: ${shiftName(index)}, from: "${clockText(from)}", to: "${clockText(from + SHIFT_MIN)}"${index % 3 === 0 ? `, breaks: ${pause}` : ''}}`;
});

const fileOf = (store: string): string => `
gateway: {id: press-shop, timezone: Europe/London}
channels: {line: {driver: mock}}
devices:
  press-1:
    channel: line
    every: ${EVERY_MS / 1000}s
    tags:
      parts: {address: "1", type: uint16, counter: true, wrap: 65536}
      rejects: {address: "2", type: uint16, counter: true}
      running: {address: "3", type: bool}
      code: {address: "4", type: uint16}
      order: {address: "5"}
      kwh: {address: "6", type: float64, unit: kWh}
production:
  press-1:
    count: press-1/parts
    reject: press-1/rejects
    running: press-1/running
    reason: press-1/code
    job: press-1/order
    energy: {tag: press-1/kwh, tariff: [{price: 0.31, from: "06:00", to: "22:00"}, {price: 0.22}]}
    idealCycle: {job: {"1": 2.4s, "2": 3.7s}}
    microStop: 1m
    maxRate: 2/s
    reasons: {10: jam, 20: {name: changeover, kind: setup}, 30: {name: no order, kind: planned}}
    shifts:
${PLAN.join('\n')}
store: {path: ${store}, maxSize: 2GB, commitEvery: 10s, replay: 1h}
uplinks: {plant: {type: mqtt, url: "mqtt://broker", version: "5"}}
`;

function configOf(file: string): Config {
  const loaded = loadConfig({
    file,
    drivers: DRIVERS,
    hostname: 'bench',
    timezone: 'Europe/London',
    files: { read: () => readFileSync(file), list: () => [], exists: () => true },
    profiles: '/nowhere',
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems, undefined, 1));
  return loaded.config;
}

/** A machine that lives by chance: it stops, is coded, changes its job, is reset, is silent. */
function chanceDriver(clock: SimulatedClock): Driver {
  const random = seededRandom(19);
  const now = { parts: 65_000, rejects: 0, running: true, code: 0, order: 1, kwh: 1200 };
  const live = (): void => {
    if (random() < (now.running ? 0.06 : 0.2)) now.running = !now.running;
    if (random() < 0.05) now.code = [0, 0, 10, 20, 30, 99][Math.floor(random() * 6)]!;
    if (random() < 0.01) now.order = 1 + Math.floor(random() * 3);
    if (random() < 0.003) now.parts = Math.floor(random() * 5);
    if (now.running) now.parts = (now.parts + Math.floor(random() * 9)) % 65_536;
    if (now.running && random() < 0.1) now.rejects = (now.rejects + 1) % 65_536;
    now.kwh += random() * (now.running ? 0.11 : 0.013);
  };
  let silentUntilMs = 0;
  return {
    concurrency: 1,
    connect: async () => {},
    plan: (tags) => [tags],
    read: async (tags: readonly Tag[]) => {
      live();
      const at = instantOf(clock);
      if (random() < 0.01) silentUntilMs = at.monoMs + random() * 6 * MIN;
      if (at.monoMs < silentUntilMs) return tags.map((): ReadResult => ({ at, ok: false, why: 'timeout' }));
      return tags.map(({ name }): ReadResult => ({ at, ok: true, value: now[name as keyof typeof now] as Value }));
    },
    close: async () => {},
  };
}

/** A broker at the end of a line; keeps the texts of the events. */
function brokerLine(clock: SimulatedClock, events: string[]): Duplex {
  const reader = new PacketReader();
  const line = new Duplex({
    read() {},
    write(chunk: Buffer, _, done) {
      for (const packet of reader.push(chunk)) {
        if (packet.kind === 'connect') line.push(connack(5, 0));
        else if (packet.kind === 'subscribe') line.push(suback(5, packet.id, packet.filters));
        if (packet.kind !== 'publish') continue;
        if (packet.topic.endsWith('/events')) events.push(packet.payload.toString());
        clock.after(20, () => line.push(puback(5, packet.id)));
      }
      done();
    },
  });
  return line;
}

/** The report in an event, as it stands there. */
function reportIn(event: string): string {
  const text = /"report":(\{.*\}),"message":/.exec(event)?.[1];
  return text ?? `no report in ${event.slice(0, 200)}`;
}

/** The figures of a report in the table that `--report FILE.csv` writes. */
function figuresIn(csv: string): Record<string, string> {
  const rows = csv.split('\n').map((row) => row.split(','));
  return Object.fromEntries(
    rows.flatMap(([kind, name, value]) =>
      kind === 'figure' ? [[name!, value!]] : kind?.startsWith('hour-') ? [[`${kind} ${name}`, value!]] : [],
    ),
  );
}

function figuresOf({ stops: _, uncertain, hours, ...figures }: ProductionReport): Record<string, string> {
  const byHour = hours.flatMap(({ target, count, good }, index) =>
    Object.entries({ target, count, good }).map(([name, value]) => [`hour-${name} ${index + 1}`, value] as const),
  );
  const texts = [...Object.entries(figures), ...byHour].map(([name, value]) => [
    name,
    value === null ? '' : `${value}`,
  ]);
  return { ...Object.fromEntries(texts), uncertain: uncertain.join(' ') };
}

function percent(ratio: number | null): string {
  return ratio === null ? '–' : `${(ratio * 100).toFixed(2)} %`;
}

it(`says one number of each of ${SHIFTS} shifts, wherever it is asked`, { timeout: 3_600_000 }, async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  const store = join(folder, 'store');
  writeFileSync(file, fileOf(store));
  const config = configOf(file);
  const clock = new SimulatedClock(MONDAY + 20_000);
  const published: string[] = [];
  const driver = { ...config.channels[0]!.driver, simulated: false, create: () => chanceDriver(clock) };
  const gateway = await startGateway({
    config: { ...config, channels: [{ ...config.channels[0]!, driver: driver as never }] },
    simulate: false,
    version: '0.0.0',
    clock,
    log: silentLogger,
    random: seededRandom(1),
    environment: {},
    openStore: () => openLocalStore({ path: store, maxBytes: 2e9, clock, log: silentLogger, bootId: 'one' }),
    dial: () => async () => brokerLine(clock, published),
  });
  await import('mqtt');
  const { socketPath } = await serve(gateway.view, { clock });
  const last = SHIFTS - 1;
  const endMs = MONDAY + Math.floor(last / SHIFTS_A_DAY) * DAY + ((last % SHIFTS_A_DAY) + 1) * SHIFT_MIN * MIN;
  await clock.advance(endMs + 30_000 - clock.wallMs());

  /** Time goes on while something is asked: as slowly as on a wall, for a commit that is waited for. */
  const answered = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false;
    const done = work.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await clock.advance(1);
    }
    return done;
  };
  const world = { env: { MILLGATE_SOCKET: socketPath }, cwd: folder, clock };
  const asked = async (...words: string[]): Promise<string> => {
    const run = millgate(words, world);
    expect(await answered(run.exitCode), run.err()).toBe(EXIT.ok);
    return run.out();
  };

  const told = published.filter((text) => text.includes('"change":"shift"'));
  expect(told).toHaveLength(SHIFTS);
  for (const [index, event] of told.entries()) {
    const name = shiftName(index);
    const date = new Date(MONDAY + Math.floor(index / SHIFTS_A_DAY) * DAY).toISOString().slice(0, 10);
    const text = reportIn(event);
    const report = JSON.parse(text) as ProductionReport;
    expect(report).toMatchObject({ shift: name, plannedMs: SHIFT_MIN * MIN });
    const api = await answered(gateway.view.production!.report('press-1', { by: 'shift', shift: name, date }));
    expect(JSON.stringify(api), `API, ${name} of ${date}`).toBe(text);
    const which = ['oee', 'press-1', '--shift', name, '--date', date];
    expect(await asked(...which, '--json'), `oee, ${name} of ${date}`).toBe(`${text}\n`);
    if (index % REPORTED !== 0) continue;
    await asked(...which, '--report', 'shift.csv');
    expect(figuresIn(readFileSync(join(folder, 'shift.csv'), 'utf8'))).toEqual(figuresOf(report));
    await asked(...which, '--report', 'shift.html');
    const page = readFileSync(join(folder, 'shift.html'), 'utf8');
    for (const ratio of [report.oee, report.availability, report.performance, report.quality, report.unknownShare])
      expect(page).toContain(`<b>${percent(ratio)}</b>`);
    expect(Buffer.byteLength(page)).toBeLessThanOrEqual(60_000);
  }

  const span = { by: 'span', fromMs: MONDAY, toMs: clock.wallMs() } as const;
  const before = await answered(gateway.view.production!.report('press-1', span));
  // A reason that comes late: the shift is told of again, and everybody has the new number.
  const production = gateway.view.production!;
  const late = JSON.parse(reportIn(told.find((text) => text.includes('"kind":"unplanned"'))!)) as ProductionReport;
  const stop = late.stops.findLast(({ kind }) => kind === 'unplanned')!;
  const order = { code: '20', stop: stop.n, fromMs: undefined, join: undefined, by: 'kim' };
  await answered(production.code('press-1', order));
  await clock.advance(2000);
  const revised = published.findLast((text) => text.includes('"revised":true'))!;
  expect(JSON.parse(reportIn(revised))).toMatchObject({ from: late.from, setupMs: late.setupMs + stop.ms });
  const day = new Date(late.from).toISOString().slice(0, 10);
  const words = ['oee', 'press-1', '--shift', late.shift!, '--date', day, '--json'];
  expect(await asked(...words)).toBe(`${reportIn(revised)}\n`);

  const closed = gateway.close();
  await clock.advance(10_000);
  await closed;
  const stopped = millgate([...words, '--config', file], { cwd: folder, clock });
  expect(await stopped.exitCode, stopped.err()).toBe(EXIT.ok);
  expect(stopped.out(), 'oee while the gateway is stopped').toBe(`${reportIn(revised)}\n`);
  expect(stopped.err()).toContain('the gateway does not run');
  const run = millgate(['backtest', '--json', '--config', file]);
  expect(await run.exitCode, run.err()).toBe(EXIT.ok);
  const played = run
    .out()
    .split('\n')
    .filter((line) => line.includes('"change":"shift"'));
  expect(played.map(reportIn)).toEqual(told.map(reportIn));
  expect(/"production":\{\n"press-1":(\{.*\})\n\}/.exec(run.out())?.[1]).toBe(JSON.stringify(before));
  if (SHIFTS >= 1000) console.info(`${told.length} shifts, ${before.count} parts: one number everywhere`);
});
