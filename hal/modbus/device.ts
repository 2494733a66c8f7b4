/** What is known of one Modbus device, how a question is put to it, and how long its answer is waited for. */
import type { Clock } from '../../src/core/clock.ts';
import type { Identification, RawAnswer, RawBlock } from './abilities.ts';
import { type IdentificationObject, type ModbusRequest, parseIdentification, questionOf } from './line/frame.ts';
import { type Ask, type DeviceCounters, type Line, newCounters, type Outcome } from './line/line.ts';
import type { ModbusAddress } from './map/address.ts';
import { failureOf, isBusy } from './refusals.ts';

/** Rests before a busy device is asked again, ms; after the last it is `device-busy`. The line serves others meanwhile. */
const BUSY_RESTS_MS = [50, 100, 200];

/** What is known and counted of one device of a channel. */
export interface DeviceState {
  readonly counters: DeviceCounters;
  /** How long each block that is read took, by its place. */
  readonly blocks: Map<string, BlockTimes>;
  /** Kinds of writes that it showed not to know. */
  readonly unknownFunctions: Set<ModbusRequest['kind']>;
  configuredMs: number;
  /** Questions in a row that went unanswered: no second tries are spent on it until it speaks. */
  silentQuestions: number;
  /** The longest deadline that fitted a block while the device answered; undefined before it was known well. */
  provenMs: number | undefined;
  /** The deadline of the last question, ms. */
  deadlineMs: number;
}

/** How long the answers to one block took beyond the wire time: the slowest of late, and how many in a row there were. */
interface BlockTimes {
  slowestMs: number;
  answers: number;
}

/** A device nobody has spoken to. */
export function newDevice(configuredMs: number): DeviceState {
  return {
    counters: newCounters(),
    blocks: new Map(),
    unknownFunctions: new Set(),
    configuredMs,
    silentQuestions: 0,
    provenMs: undefined,
    deadlineMs: configuredMs,
  };
}

/** Answers in a row before the deadline of a block is drawn closer than the configured one. */
const TRUST_AFTER = 16;

/** A deadline is never shorter than this beside the wire time: the jitter of a busy host and of USB adapters. */
export const SHORTEST_TIMEOUT_MS = 50;

/** How much slower than the slowest answer of late the next one may be. */
const SLOWER = 3;

/** The slowest answer of late is forgotten by this factor with each answer. */
const FORGET = 0.995;

/** Blocks of one device whose times are kept; the plan of a device has fewer. */
const MOST_BLOCKS = 512;

/**
 * The deadline of a question, ms beyond the wire time of question and answer: the configured one, until the very block
 * has been answered often enough; from then on three times what it took at most of late. How long other blocks take says
 * nothing of this one. Writes always have the configured deadline.
 */
export function deadlineMs(configuredMs: number, took: BlockTimes | undefined): number {
  if (!took || took.answers < TRUST_AFTER) return configuredMs;
  return Math.min(configuredMs, Math.max(SHORTEST_TIMEOUT_MS, SLOWER * took.slowestMs));
}

/**
 * What a silent device is given to answer: twice what it needed before, or, where it never spoke, twice what the slowest
 * of its neighbours needs, within bounds; a guess where nobody is known. It may be slower than that, so that every fourth
 * question has the configured deadline. Short deadlines keep the line for the others, and find the one that returned sooner.
 */
const SHORTEST_PROBE_MS = 100;
const PROBE_OF_A_STRANGER_MS = 250;
const FULL_PROBE_EACH = 4;

function timeoutMsOf({ neighbours }: Asking, device: DeviceState, took: BlockTimes | undefined): number {
  const { configuredMs, silentQuestions } = device;
  // The second question has the full deadline too: silence has to show before a device is taken to be gone.
  if (silentQuestions < 2 || silentQuestions % FULL_PROBE_EACH === 0) return deadlineMs(configuredMs, took);
  let provenMs = device.provenMs ?? 0;
  if (provenMs === 0)
    for (const neighbour of neighbours.values()) provenMs = Math.max(provenMs, neighbour.provenMs ?? 0);
  const probeMs = provenMs === 0 ? PROBE_OF_A_STRANGER_MS : Math.max(SHORTEST_PROBE_MS, 2 * provenMs);
  return Math.min(configuredMs, probeMs);
}

/** The times of a read's block, made at the first question; undefined for anything but a read. */
function timesOf({ blocks }: DeviceState, request: ModbusRequest): BlockTimes | undefined {
  if (request.kind !== 'read') return undefined;
  const key = `${request.table}/${request.start}/${request.count}`;
  let times = blocks.get(key);
  if (!times) {
    times = { slowestMs: 0, answers: 0 };
    if (blocks.size >= MOST_BLOCKS) blocks.delete(blocks.keys().next().value!);
    blocks.set(key, times);
  }
  return times;
}

function noteAnswer(device: DeviceState, took: BlockTimes | undefined, thoughtMs: number): void {
  if (!took) return;
  took.slowestMs = Math.max(thoughtMs, took.slowestMs * FORGET);
  took.answers++;
  if (took.answers < TRUST_AFTER) return;
  device.provenMs = Math.max(deadlineMs(device.configuredMs, took), (device.provenMs ?? 0) * FORGET);
}

/** From so many devices on that fell silent with nobody heard between them, it is the line that is going. */
const SPREADS_FROM = 2;

/** How a question is put: over which line, how often again. */
export interface Asking {
  readonly line: Line;
  readonly clock: Clock;
  /** Tries after the first, for timeouts and damaged answers. */
  readonly retries: number;
  /**
   * Who fell silent since anybody was heard. When one after the other does, second tries would only keep the living ones
   * waiting: they are left to the next scan. One alone says nothing of its neighbours, nor does one known to be silent.
   */
  readonly fallen: Set<DeviceState>;
  /** The devices of the line by name. */
  readonly neighbours: ReadonlyMap<string, DeviceState>;
}

/**
 * Asks one question until it is answered, refused, or tried often enough. `sentMs` of the outcome is that of the first
 * try: its answer may be the one that came.
 *
 * @param otherwise how else a read may be put while a late reply could pass for its answer; absent: not at all
 * @throws the signal's reason while it waits for a busy device
 */
export async function askDevice(
  asking: Asking,
  device: DeviceState,
  request: ModbusRequest,
  signal: AbortSignal,
  otherwise: Pick<Ask, 'widest' | 'isDivisible'> = {},
): Promise<Outcome> {
  const question = questionOf(request);
  const took = timesOf(device, request);
  const { fallen, clock } = asking;
  const { counters } = device;
  const isSpreading = fallen.size >= SPREADS_FROM && !fallen.has(device);
  const wasSilent = device.silentQuestions > 0;
  const mostRetries = wasSilent || isSpreading ? 0 : asking.retries;
  const about = {
    question,
    counters,
    attemptOf: {},
    ...(device.silentQuestions > 1 ? { isProbe: true } : otherwise),
  };
  let firstSentMs: number | undefined;
  let rests = 0;
  for (let retries = 0; ; ) {
    const startedMs = clock.monoMs();
    device.deadlineMs = timeoutMsOf(asking, device, took);
    const outcome = await asking.line.ask({ ...about, timeoutMs: device.deadlineMs });
    switch (outcome.kind) {
      case 'answer':
        onHeard(asking, device);
        noteAnswer(device, took, outcome.thoughtMs);
        return firstSentMs === undefined ? outcome : { ...outcome, sentMs: firstSentMs };
      case 'exception':
        onHeard(asking, device);
        if (!isBusy(outcome.code) || rests >= BUSY_RESTS_MS.length) return outcome;
        await clock.sleep(BUSY_RESTS_MS[rests++]!, signal);
        break;
      case 'timeout':
      case 'garbled':
        // The configured deadline holds again until the block has proved itself anew.
        if (outcome.kind === 'timeout' && took) took.answers = 0;
        if (retries++ < mostRetries && !signal.aborted) {
          firstSentMs ??= startedMs;
          break;
        }
        if (outcome.kind === 'timeout') onSilent(asking, device, wasSilent);
        else onHeard(asking, device);
        return outcome;
      case 'hung-up':
        onSilent(asking, device, wasSilent);
        return outcome;
      default:
        return outcome;
    }
  }
}

function onHeard({ fallen }: Asking, device: DeviceState): void {
  device.silentQuestions = 0;
  fallen.clear();
}

function onSilent({ fallen }: Asking, device: DeviceState, wasSilent: boolean): void {
  device.silentQuestions++;
  if (!wasSilent) fallen.add(device);
}

/** The request that reads an address by itself, for reading back. */
export function readRequestOf(address: ModbusAddress): ModbusRequest {
  const { unit, table, start, count } = address;
  return { kind: 'read', unit, table, start, count };
}

/**
 * Reads a block as it is, with one question (and its retries).
 *
 * @throws NotConnected when the line is lost
 */
export async function readRawBlock(
  asking: Asking,
  device: DeviceState,
  { unit, table, start, count }: RawBlock,
  signal: AbortSignal,
): Promise<RawAnswer> {
  const outcome = await askDevice(asking, device, { kind: 'read', unit, table, start, count }, signal);
  if (outcome.kind === 'lost') throw outcome.cause;
  if (outcome.kind !== 'answer') {
    const { why, detail } = failureOf(outcome);
    return { ok: false, why, detail };
  }
  const { data } = outcome;
  const isBits = table === 'coil' || table === 'discrete';
  const itemAt = isBits
    ? (index: number) => (data[index >> 3]! >> (index & 7)) & 1
    : (index: number) => (data[2 * index]! << 8) | data[2 * index + 1]!;
  return { ok: true, items: Array.from({ length: count }, (_, index) => itemAt(index)) };
}

/** Objects of the basic and regular categories (Modbus Application Protocol V1.1b3, 6.21). */
const OBJECT_NAMES: Record<number, keyof Identification['names']> = {
  0: 'vendor',
  1: 'productCode',
  2: 'revision',
  3: 'vendorUrl',
  4: 'productName',
  5: 'modelName',
  6: 'applicationName',
};

/** An identification that needs more requests than this goes round in circles. */
const MAX_REQUESTS = 16;

/** Printable ASCII in a row that is taken for a word of a server id, characters. */
const LEAST_WORD = 3;

/**
 * Asks a unit who it is: device identification (function 43/14), the regular objects and where those are refused the
 * basic ones, and the server id (function 17). Neither changes anything in a device.
 *
 * @returns `isThere` false when nothing answered; a device that knows neither function is there without names
 * @throws NotConnected when the line is lost
 */
export async function identifyUnit(
  asking: Asking,
  device: DeviceState,
  unit: number,
  signal: AbortSignal,
): Promise<Identification> {
  const ask = async (request: Parameters<typeof askDevice>[2]): Promise<Outcome> => {
    const outcome = await askDevice(asking, device, request, signal);
    if (outcome.kind === 'lost') throw outcome.cause;
    return outcome;
  };
  let heard = false;
  const objects = new Map<number, string>();
  for (const category of [2, 1] as const) {
    const answer = await readObjects(ask, unit, category);
    heard ||= answer.heard;
    for (const { id, text } of answer.objects) objects.set(id, text);
    if (objects.size > 0 || !answer.heard) break;
  }
  const server = await ask({ kind: 'report-server-id', unit });
  heard ||= server.kind === 'answer' || server.kind === 'exception';
  const serverId = server.kind === 'answer' ? server.data : undefined;
  const names: Identification['names'] = {};
  for (const [id, text] of objects) {
    const name = OBJECT_NAMES[id];
    if (name && text !== '') names[name] = text;
  }
  return { isThere: heard, names, serverId, serverText: serverId && textIn(serverId) };
}

async function readObjects(
  ask: (request: Parameters<typeof askDevice>[2]) => Promise<Outcome>,
  unit: number,
  category: 1 | 2,
): Promise<{ heard: boolean; objects: readonly IdentificationObject[] }> {
  const objects: IdentificationObject[] = [];
  let firstObject = 0;
  for (let requests = 0; requests < MAX_REQUESTS; requests++) {
    const outcome = await ask({ kind: 'read-identification', unit, category, firstObject });
    if (outcome.kind !== 'answer') return { heard: requests > 0 || outcome.kind === 'exception', objects };
    const { objects: found, next } = parseIdentification(outcome.data);
    objects.push(...found);
    if (next === undefined || next <= firstObject) break;
    firstObject = next;
  }
  return { heard: true, objects };
}

/** The words in a server id, which is device specific: most put their name into it. */
function textIn(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder('latin1').decode(bytes);
  const words = text.match(new RegExp(`[\\x20-\\x7e]{${LEAST_WORD},}`, 'g'))?.map((word) => word.trim());
  return words?.filter((word) => word.length >= LEAST_WORD).join(' ') || undefined;
}
