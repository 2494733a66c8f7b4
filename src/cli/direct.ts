import type { Driver, NotConnected, ReadResult, Tag } from '../../hal/driver.ts';
import { type JsonReading, jsonReading } from '../api/json.ts';
import type { ChannelConfig, Config, TagConfig } from '../config/config.ts';
import { codeOf, EXIT, Fault, messageOf } from '../core/errors.ts';
import { silentLogger } from '../core/log.ts';
import { seededRandom } from '../core/random.ts';
import type { Reading } from '../core/reading.ts';
import { outcomeOf } from '../poll/outcome.ts';
import type { CliContext } from './context.ts';

/** How long a channel may take to connect, ms. */
const CONNECT_DEADLINE_MS = 10_000;

/** How long one group of tags may take, ms; drivers have shorter deadlines of their own. */
const READ_DEADLINE_MS = 30_000;

/**
 * Reads tags without a gateway: opens each channel they are on, asks once, and closes it. Throws `Fault` (exit 69) when a
 * channel cannot be opened; whatever a device does is a reading.
 */
export async function readDirectly(
  config: Config,
  tags: readonly string[],
  context: CliContext,
): Promise<JsonReading[]> {
  const wanted = new Set(tags);
  const readings = new Map<string, JsonReading>();
  for (const channel of config.channels) {
    const here = channel.devices.flatMap((device) => device.tags).filter(({ tag }) => wanted.has(tag.id));
    if (here.length === 0) continue;
    for (const reading of await readChannel(channel, here, context)) readings.set(reading.tag, jsonReading(reading));
  }
  return tags.flatMap((tag) => readings.get(tag) ?? []);
}

async function readChannel(
  channel: ChannelConfig,
  tags: readonly TagConfig[],
  context: CliContext,
): Promise<Reading[]> {
  const { clock } = context;
  const random = seededRandom(Math.floor(clock.wallMs()));
  const driver = channel.driver.create(channel.options, { clock, log: silentLogger, random });
  const late = new Fault(
    `${channel.name}: no connection in ${CONNECT_DEADLINE_MS / 1000} s. Check cable, address and power.`,
    EXIT.unavailable,
  );
  try {
    await within(context, CONNECT_DEADLINE_MS, late, (signal) => driver.connect(signal));
    const byId = new Map(tags.map((config) => [config.tag.id, config]));
    const readings: Reading[] = [];
    for (const group of driver.plan(tags.map(({ tag }) => tag)))
      readings.push(...(await readGroup(driver, channel.name, group, byId, context)));
    return readings;
  } catch (error) {
    if (isNotConnected(error)) {
      const exitCode = isRefused(error) ? EXIT.permission : EXIT.unavailable;
      throw new Fault(`${channel.name}: ${error.message}`, exitCode, { cause: error });
    }
    throw error;
  } finally {
    await driver.close();
  }
}

async function readGroup(
  driver: Driver,
  channel: string,
  group: readonly Tag[],
  byId: ReadonlyMap<string, TagConfig>,
  context: CliContext,
): Promise<Reading[]> {
  const late = new Fault(`${channel}: no answer in ${READ_DEADLINE_MS / 1000} s. Check the device.`, EXIT.unavailable);
  const results = await within(context, READ_DEADLINE_MS, late, (signal) => driver.read(group, signal));
  return group.map((tag, index) => readingOf(byId.get(tag.id)!, results[index]!));
}

function readingOf(config: TagConfig, result: ReadResult): Reading {
  return { tag: config.tag.id, ...result.at, ...outcomeOf(config, result) };
}

/** Runs `work` until the deadline or Ctrl-C; then its signal is aborted and `late`, or the abort's reason, is thrown. */
async function within<T>(
  context: CliContext,
  deadlineMs: number,
  late: Fault,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const cancel = context.clock.after(deadlineMs, () => deadline.abort(late));
  const signal = AbortSignal.any([deadline.signal, context.signal]);
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  try {
    return await Promise.race([work(signal), aborted]);
  } finally {
    cancel();
  }
}

function isNotConnected(error: unknown): error is NotConnected {
  return error instanceof Error && error.name === 'NotConnected' && messageOf(error) !== '';
}

/** Whether this user may not open the port. The serial binding says so in words only. */
function isRefused({ cause }: NotConnected): boolean {
  return /EACCES|EPERM|permission denied/i.test(`${codeOf(cause) ?? ''} ${messageOf(cause)}`);
}
