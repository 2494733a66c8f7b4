import type { Clock } from '../../src/core/clock.ts';
import { type ModbusRequest, questionOf } from './line/frame.ts';
import type { Line, Outcome } from './line/line.ts';
import { type DeviceCounters, newCounters } from './line/statistics.ts';
import type { ModbusAddress } from './map/address.ts';
import { isBusy } from './result.ts';
import { answered, deadlineMs, isProven, noResponseTimes, type ResponseTimes, timedOut } from './timeout.ts';

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
