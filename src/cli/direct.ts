/** Reads and writes tags straight through a driver, for when no gateway runs. */
import {
  type Driver,
  isWritable,
  type NotConnected,
  type ReadResult,
  type Tag,
  type WriteResult,
} from '../../hal/driver.ts';
import { type JsonReading, jsonReading } from '../api/json.ts';
import type { ChannelConfig, Config, TagConfig } from '../config/config.ts';
import { within } from '../core/clock.ts';
import { codeOf, EXIT, Fault, messageOf } from '../core/errors.ts';
import { silentLogger } from '../core/log.ts';
import { seededRandom } from '../core/random.ts';
import type { Reading, Value } from '../core/reading.ts';
import { outcomeOf, rawOf, writtenIn } from '../poll/outcome.ts';
import { WriteGuard } from '../poll/write-guard.ts';
import type { CliContext } from './terminal/context.ts';

/** How long a channel may take to connect, ms. */
const CONNECT_DEADLINE_MS = 10_000;

/** How long one group of tags, or one write, may take, ms; drivers have shorter deadlines of their own. */
const ANSWER_DEADLINE_MS = 30_000;

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

/**
 * Writes a tag without a gateway: the limits of the configuration hold as they do for the gateway, but for the rate,
 * which one call cannot know. Throws `Fault` (exit 69) when the channel cannot be opened.
 *
 * @param onSend called before anything is sent
 */
export async function writeDirectly(
  config: Config,
  id: string,
  value: Value,
  context: CliContext,
  onSend: () => void,
): Promise<WriteResult> {
  const channel = config.channels.find(({ devices }) =>
    devices.some(({ tags }) => tags.some(({ tag }) => tag.id === id)),
  )!;
  const tag = channel.devices.flatMap(({ tags }) => tags).find((each) => each.tag.id === id)!;
  const refusal = new WriteGuard().refusal(tag, value, context.clock.monoMs());
  if (refusal !== undefined) return { ok: false, kind: 'refused', why: refusal };
  const raw = rawOf(tag, value);
  if (raw === undefined) return { ok: false, kind: 'refused', why: `${value} cannot be written` };
  return onChannel(channel, context, async (driver) => {
    if (!isWritable(driver)) return { ok: false, kind: 'refused', why: `channel ${channel.name} cannot write` };
    const write = (signal: AbortSignal) => driver.write(tag.tag, raw, signal);
    onSend();
    const result = await within(context.clock, ANSWER_DEADLINE_MS, write, noAnswer(channel.name), context.signal);
    return writtenIn(tag, result, value);
  });
}

function readChannel(channel: ChannelConfig, tags: readonly TagConfig[], context: CliContext): Promise<Reading[]> {
  return onChannel(channel, context, async (driver) => {
    const byId = new Map(tags.map((config) => [config.tag.id, config]));
    const readings: Reading[] = [];
    for (const group of driver.plan(tags.map(({ tag }) => tag)))
      readings.push(...(await readGroup(driver, channel.name, group, byId, context)));
    return readings;
  });
}

/** Opens a channel, works on it, and closes it whatever happens. Throws `Fault` (exit 69 or 77) when it cannot be opened. */
export async function onChannel<T>(
  channel: ChannelConfig,
  context: CliContext,
  work: (driver: Driver) => Promise<T>,
): Promise<T> {
  const { clock } = context;
  const random = seededRandom(Math.floor(clock.wallMs()));
  const driver = channel.driver.create(channel.options, { clock, log: silentLogger, random });
  const late = (): never => {
    const what = `${channel.name}: no connection in ${CONNECT_DEADLINE_MS / 1000} s`;
    throw new Fault(what, 'Check cable, address and power.', EXIT.unavailable);
  };
  try {
    await within(clock, CONNECT_DEADLINE_MS, (signal) => driver.connect(signal), late, context.signal);
    return await work(driver);
  } catch (error) {
    throw isNotConnected(error) ? noConnection(error, channel.name) : error;
  } finally {
    await driver.close();
  }
}

/** A channel that could not be opened, as the fault it is: exit 77 where this user may not, else 69. */
export function noConnection(error: NotConnected, channel?: string): Fault {
  const exitCode = isRefused(error) ? EXIT.permission : EXIT.unavailable;
  const where = channel === undefined ? '' : `${channel}: `;
  return new Fault(`${where}${error.message}`, '', exitCode, { cause: error });
}

function noAnswer(channel: string): () => never {
  return () => {
    throw new Fault(`${channel}: no answer in ${ANSWER_DEADLINE_MS / 1000} s`, 'Check the device.', EXIT.unavailable);
  };
}

async function readGroup(
  driver: Driver,
  channel: string,
  group: readonly Tag[],
  byId: ReadonlyMap<string, TagConfig>,
  context: CliContext,
): Promise<Reading[]> {
  const read = (signal: AbortSignal) => driver.read(group, signal);
  const results = await within(context.clock, ANSWER_DEADLINE_MS, read, noAnswer(channel), context.signal);
  return group.map((tag, index) => readingOf(byId.get(tag.id)!, results[index]!));
}

function readingOf(config: TagConfig, result: ReadResult): Reading {
  return { tag: config.tag.id, ...result.at, ...outcomeOf(config, result) };
}

/** Whether a channel could not be opened or was lost. */
export function isNotConnected(error: unknown): error is NotConnected {
  return error instanceof Error && error.name === 'NotConnected' && messageOf(error) !== '';
}

/** Whether this user may not open the port. The serial binding says so in words only. */
function isRefused({ cause }: NotConnected): boolean {
  return /EACCES|EPERM|permission denied/i.test(`${codeOf(cause) ?? ''} ${messageOf(cause)}`);
}
