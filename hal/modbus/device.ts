/** What is known and counted of one device: response times, retries and holes. */
import type { Clock } from '../../src/core/clock.ts';
import type { Identification, RawAnswer, RawBlock } from '../driver.ts';
import { type IdentificationObject, type ModbusRequest, parseIdentification, questionOf } from './line/frame.ts';
import type { Line, Outcome } from './line/line.ts';
import { type DeviceCounters, newCounters } from './line/statistics.ts';
import type { ModbusAddress } from './map/address.ts';
import { failureOf, isBusy } from './result.ts';

/** Rests before a busy device is asked again, ms; after the last it is `device-busy`. The line serves others meanwhile. */
const BUSY_RESTS_MS = [50, 100, 200];

/** What is known and counted of one device of a channel. */
export interface DeviceState {
  readonly counters: DeviceCounters;
  times: ResponseTimes;
  configuredMs: number;
  /** Questions in a row that went unanswered: no second tries are spent on it until it speaks. */
  silentQuestions: number;
  /** The deadline that fitted it while it answered; undefined before it was known well. */
  provenMs: number | undefined;
}

/**
 * What a silent device is given to answer: twice what it needed before, within bounds, or a guess. It may have become
 * slower, so that every fourth question has the configured deadline. Short deadlines keep the line for the others, and
 * find the one that returned sooner.
 */
const SHORTEST_PROBE_MS = 100;
const PROBE_OF_A_STRANGER_MS = 250;
const FULL_PROBE_EACH = 4;

/** A device nobody has spoken to. */
export function newDevice(configuredMs: number): DeviceState {
  return { counters: newCounters(), times: noResponseTimes, configuredMs, silentQuestions: 0, provenMs: undefined };
}

/** The deadline that a device has now, ms beyond the wire time. */
export function timeoutMsOf(device: DeviceState): number {
  const { times, configuredMs, silentQuestions, provenMs } = device;
  // The second question has the full deadline too: silence has to show before a device is taken to be gone.
  if (silentQuestions < 2 || silentQuestions % FULL_PROBE_EACH === 0) return deadlineMs(times, configuredMs);
  return Math.min(
    configuredMs,
    provenMs === undefined ? PROBE_OF_A_STRANGER_MS : Math.max(SHORTEST_PROBE_MS, 2 * provenMs),
  );
}

/** How a question is put: over which line, how often again. */
export interface Asking {
  readonly line: Line;
  readonly clock: Clock;
  /** Tries after the first, for timeouts and damaged answers. */
  readonly retries: number;
  /**
   * Who was asked last and did not answer. When one after the other falls silent, second tries would only keep the
   * living ones waiting: they are left to the next scan.
   */
  readonly lastAsked: { silent: DeviceState | undefined };
}

/**
 * Asks one question until it is answered, refused, or tried often enough. `sentMs` of the outcome is that of the first
 * try: its answer may be the one that came.
 *
 * @throws the signal's reason while it waits for a busy device
 */
export async function askDevice(
  asking: Asking,
  device: DeviceState,
  request: ModbusRequest,
  signal: AbortSignal,
): Promise<Outcome> {
  const question = questionOf(request);
  const attemptOf = {};
  let firstSentMs: number | undefined;
  let rests = 0;
  const { lastAsked } = asking;
  const isSpreading = lastAsked.silent !== undefined && lastAsked.silent !== device;
  const mostRetries = device.silentQuestions > 0 || isSpreading ? 0 : asking.retries;
  for (let retries = 0; ; ) {
    const startedMs = asking.clock.monoMs();
    const ask = { question, timeoutMs: timeoutMsOf(device), counters: device.counters, attemptOf };
    const outcome = await asking.line.ask(ask);
    switch (outcome.kind) {
      case 'answer':
        device.silentQuestions = 0;
        lastAsked.silent = undefined;
        device.times = answered(device.times, outcome.thoughtMs);
        if (isProven(device.times)) device.provenMs = deadlineMs(device.times, device.configuredMs);
        return firstSentMs === undefined ? outcome : { ...outcome, sentMs: firstSentMs };
      case 'exception':
        device.silentQuestions = 0;
        lastAsked.silent = undefined;
        if (!isBusy(outcome.code) || rests >= BUSY_RESTS_MS.length) return outcome;
        await asking.clock.sleep(BUSY_RESTS_MS[rests++]!, signal);
        break;
      case 'timeout':
      case 'garbled':
        if (outcome.kind === 'timeout') device.times = timedOut(device.times);
        if (retries++ >= mostRetries || signal.aborted) {
          device.silentQuestions = outcome.kind === 'timeout' ? device.silentQuestions + 1 : 0;
          lastAsked.silent = outcome.kind === 'timeout' ? device : undefined;
          return outcome;
        }
        firstSentMs ??= startedMs;
        break;
      default:
        return outcome;
    }
  }
}

/** The request that reads an address by itself, for reading back. */
export function readRequestOf(address: ModbusAddress): ModbusRequest {
  const { unit, table, start, count } = address;
  return { kind: 'read', unit, table, start, count };
}

/**
 * What is known of how fast a device answers: smoothed response time and deviation (Jacobson, "Congestion Avoidance and
 * Control", 1988; gains 1/8 and 1/4 as in RFC 6298), the slowest answer of late, and how many answers since a timeout.
 */
interface ResponseTimes {
  readonly smoothedMs: number;
  readonly deviationMs: number;
  readonly slowestMs: number;
  readonly answers: number;
}

/** Nothing known. */
export const noResponseTimes: ResponseTimes = { smoothedMs: 0, deviationMs: 0, slowestMs: 0, answers: 0 };

/** Answers in a row before the deadline is drawn closer than the configured one. */
const TRUST_AFTER = 16;

/** A deadline is never shorter than this beside the wire time: the jitter of a busy host and of USB adapters. */
export const SHORTEST_TIMEOUT_MS = 50;

/** The slowest answer of late is forgotten by this factor with each answer. */
const FORGET = 0.995;

/** After an answer that took `elapsedMs` beyond the wire time. */
export function answered(times: ResponseTimes, elapsedMs: number): ResponseTimes {
  const slowestMs = Math.max(elapsedMs, times.slowestMs * FORGET);
  if (times.answers === 0) return { smoothedMs: elapsedMs, deviationMs: elapsedMs / 2, slowestMs, answers: 1 };
  const error = elapsedMs - times.smoothedMs;
  return {
    smoothedMs: times.smoothedMs + error / 8,
    deviationMs: times.deviationMs + (Math.abs(error) - times.deviationMs) / 4,
    slowestMs,
    answers: Math.min(times.answers + 1, TRUST_AFTER),
  };
}

/** Whether there were answers enough for the deadline to fit the device. */
function isProven(times: ResponseTimes): boolean {
  return times.answers >= TRUST_AFTER;
}

/** After a timeout: the configured deadline holds again until the device has proved itself anew. */
export function timedOut(times: ResponseTimes): ResponseTimes {
  return { ...times, answers: Math.min(times.answers, 1) };
}

/**
 * The deadline to use, ms beyond the wire time: four deviations above the smoothed time and twice the slowest answer
 * of late, never below {@link SHORTEST_TIMEOUT_MS}, never above `configuredMs`.
 */
export function deadlineMs(times: ResponseTimes, configuredMs: number): number {
  if (!isProven(times)) return configuredMs;
  const wantedMs = Math.max(times.smoothedMs + 4 * times.deviationMs, 2 * times.slowestMs, SHORTEST_TIMEOUT_MS);
  return Math.min(wantedMs, configuredMs);
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
