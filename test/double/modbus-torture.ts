import type { Tag } from '../../hal/driver.ts';
import { ModbusDriver } from '../../hal/modbus/driver.ts';
import { lateReplyWindowMsOf } from '../../hal/modbus/line/line.ts';
import { MbapLine } from '../../hal/modbus/line/mbap-line.ts';
import { RtuLine } from '../../hal/modbus/line/rtu-line.ts';
import { silenceMsOf } from '../../hal/modbus/line/timing.ts';
import { type ModbusAddress, PLAIN } from '../../hal/modbus/map/address.ts';
import { characterMsOn } from '../../hal/serial/settings.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import type { Fault, FaultShares } from './modbus-faults.ts';
import { memoryBus } from './modbus-memory.ts';
import { expectedRegister, modbusSlaves } from './modbus-slave.ts';

export interface TortureOptions {
  readonly seed: number;
  readonly transactions: number;
  readonly framing: 'rtu' | 'mbap';
  /** Default: a bad day, on which one transaction in four goes wrong. */
  readonly shares?: FaultShares;
  /** Tries after the first. Default: 1. */
  readonly retries?: number;
  /** Registers nobody asked for that a request may span. Default: 16. */
  readonly maxGap?: number;
}

export interface TortureResult {
  transactions: number;
  good: number;
  bad: number;
  /** Readings lost for each transaction that went wrong. */
  lostPerFault: number;
  /** Values that were not those of the asked register, read after the question was first sent. */
  misattributed: number;
  why: Record<string, number>;
  happened: Record<string, number>;
}

const UNITS = [1, 2, 3, 4, 5, 6, 7, 8];
const BAUD = 19_200;
const TIMEOUT_MS = 300;

/** What 5 % flips, 10 % late answers and the rest of a bad day look like. */
const BAD_DAY: FaultShares = {
  flip: 0.05,
  late: 0.1,
  split: 0.05,
  duplicated: 0.01,
  echo: 0.02,
  'wrong-unit': 0.02,
  'wrong-function': 0.005,
  'wrong-length': 0.005,
  truncated: 0.005,
  noise: 0.02,
  silence: 0.01,
  exception: 0.01,
};

/** A line that loses a question in a hundred, as many answers, and garbles as many. */
export const A_PERCENT_EACH: FaultShares = { 'lost-question': 0.01, silence: 0.01, flip: 0.01 };

/** Two groups of the same form on each unit: a late answer of the one would pass for the other if it could. */
function groups(maxGap: number): Tag<ModbusAddress>[][] {
  return UNITS.flatMap((unit) =>
    [0, 200].map((base) => Array.from({ length: 10 }, (_, index) => tag(unit, base + index, maxGap))),
  );
}

function tag(unit: number, start: number, maxGap: number): Tag<ModbusAddress> {
  const id = `unit-${unit}/r${start}`;
  return {
    id,
    device: `unit-${unit}`,
    name: `r${start}`,
    address: {
      unit,
      table: 'holding',
      start,
      count: 1,
      type: 'uint16',
      order: 'ABCD',
      ...PLAIN,
      maxGap,
    },
  };
}

/** Reads through a bad bus until it has seen so many transactions, and checks every value. */
export async function torture({
  seed,
  transactions,
  framing,
  shares = BAD_DAY,
  retries = 1,
  maxGap = PLAIN.maxGap,
}: TortureOptions): Promise<TortureResult> {
  const clock = new SimulatedClock();
  const slaves = modbusSlaves({ units: UNITS });
  const windowMs = lateReplyWindowMsOf(TIMEOUT_MS);
  const times = { turnaroundMs: 18, lateMs: [40, windowMs] as const, splitMs: 12 };
  const bus = memoryBus({ clock, slaves, framing, units: UNITS, times, shares, seed, forgetful: true });
  const timing = {
    characterMs: characterMsOn({ port: '', baud: BAUD, parity: 'even', dataBits: 8, stopBits: 1 }),
    silenceMs: silenceMsOf(BAUD),
    pauseMs: 0,
    lateReplyWindowMs: windowMs,
  };
  const line =
    framing === 'rtu'
      ? new RtuLine(bus.transport, timing, clock)
      : new MbapLine(bus.transport, { pipeline: 4, pauseMs: 0, lateReplyWindowMs: windowMs }, clock);
  const channel = {
    kind: 'tcp',
    host: 'memory',
    port: 502,
    framing: framing === 'rtu' ? 'rtu' : 'tcp',
    pipeline: 4,
    foreignUnit: 'accept',
    tls: undefined,
    timeoutMs: TIMEOUT_MS,
    retries,
    pauseMs: 0,
    connectPauseMs: 0,
    closeAfterMs: undefined,
  } as const;
  const driver = new ModbusDriver(channel, line, { clock, log: silentLogger, random: seededRandom(seed) });
  const { signal } = new AbortController();
  const result: TortureResult = {
    transactions: 0,
    good: 0,
    bad: 0,
    lostPerFault: 0,
    misattributed: 0,
    why: {},
    happened: {},
  };
  const all = groups(maxGap);
  const seen = () => UNITS.reduce((sum, unit) => sum + slaves.scans(unit), 0);
  let next = 0;

  const judge = (
    group: readonly Tag<ModbusAddress>[],
    values: Awaited<ReturnType<typeof driver.read>>,
    from: number,
  ) => {
    const { unit } = group[0]!.address;
    const scans = Array.from({ length: slaves.scans(unit) - from }, (_, index) => from + 1 + index);
    // Values of one instant came by one request; a refused request is asked again in parts, each with its own.
    const instants = [...new Set(values.map(({ at }) => at))];
    const fits = (at: object) => (scan: number) =>
      values.every(
        (each, index) =>
          each.at !== at || (each.ok && each.value === expectedRegister(unit, group[index]!.address.start, scan)),
      );
    if (!values.every((each) => each.ok)) {
      result.bad++;
      for (const each of values.slice(0, 1)) if (!each.ok) result.why[each.why] = (result.why[each.why] ?? 0) + 1;
    } else if (instants.every((at) => scans.some(fits(at)))) result.good++;
    else result.misattributed++;
  };
  const poll = async (): Promise<void> => {
    while (seen() < transactions) {
      const group = all[next++ % all.length]!;
      const from = slaves.scans(group[0]!.address.unit);
      try {
        judge(group, await driver.read(group, signal), from);
      } catch {
        await clock.sleep(10);
        await driver.connect(signal);
      }
    }
  };

  await driver.connect(signal);
  let running = true;
  const polls = Promise.all(Array.from({ length: driver.concurrency }, poll)).finally(() => {
    running = false;
  });
  while (running) await clock.advance(60_000);
  await polls;
  await driver.close();
  result.transactions = seen();
  result.happened = Object.fromEntries<number>(bus.happened as Map<Fault, number>);
  const faults = Object.values(result.happened).reduce((sum, count) => sum + count, 0);
  result.lostPerFault = faults > 0 ? result.bad / faults : 0;
  return result;
}
