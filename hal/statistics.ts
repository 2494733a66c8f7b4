/** Counts what happens on a line, and how much of the time it is in use. */
import type { Clock } from '../src/core/clock.ts';

/** Counters since `connect` was first called, for one device. */
export interface DeviceStatistics {
  requests: number;
  responses: number;
  timeouts: number;
  /** Replies that came after their deadline, and were dropped. */
  lateReplies: number;
  /** Frames that were not the answer: wrong checksum, unit, function, length or transaction. */
  garbled: number;
  /** Exceptions by Modbus code. */
  exceptions: Record<number, number>;
  /** Response time percentiles over the last requests, ms. */
  responseMs: { p50: number; p95: number; max: number } | undefined;
  /** The deadline in use, ms. */
  timeoutMs: number;
  /** Time the line spent on this device, answered or not, ms. */
  busyMs: number;
  /** The widest gap of unasked registers that it refused to read over, though it reads both sides; undefined: none. */
  refusedGap?: number | undefined;
  /** The most registers it answered of a request that was too long for it; undefined: none was. */
  mostRegisters?: number | undefined;
}

/** Counters of the line and of each device on it. */
export interface LineStatistics {
  /** Share of the last 10 s or more in which the line was in use, 0…1. */
  utilisation: number;
  /** Time in use, ms. */
  busyMs: number;
  reconnects: number;
  /** Bytes that arrived when none were asked for: a second master, noise or late replies. */
  unsolicitedBytes: number;
  /** Questions that the adapter gave back as if they were answers. */
  echoes: number;
  devices: Record<string, DeviceStatistics>;
}

/** The counters of a line; see {@link countersOn}. */
interface Counters {
  connected(): void;
  /** The line was in use for `ms`. */
  busy(ms: number): void;
  /** The counters of one device, made at the first call. */
  device(name: string, timeoutMs: number): DeviceStatistics;
  answered(device: DeviceStatistics, tookMs: number): void;
  /** Bytes came that nobody asked for. */
  unsolicited(bytes: number): void;
  statistics(): LineStatistics;
}

/** How many response times are kept for the percentiles of a device. */
const KEPT_RESPONSES = 100;

/** Counts what happens on a line, in the form the gateway shows. */
export function countersOn(clock: Clock): Counters {
  const devices = new Map<string, DeviceStatistics>();
  const responses = new Map<DeviceStatistics, number[]>();
  let connects = 0;
  let busyMs = 0;
  let unsolicitedBytes = 0;
  const utilisation = new Utilisation(clock.monoMs());

  return {
    connected: () => void connects++,
    busy(ms: number): void {
      busyMs += ms;
    },
    device(name: string, timeoutMs: number): DeviceStatistics {
      let device = devices.get(name);
      if (!device) {
        device = { ...NOTHING_COUNTED, exceptions: {}, timeoutMs };
        devices.set(name, device);
      }
      return device;
    },
    answered(device: DeviceStatistics, tookMs: number): void {
      device.responses++;
      device.busyMs += tookMs;
      const kept = responses.get(device) ?? [];
      responses.set(device, kept);
      kept.push(tookMs);
      if (kept.length > KEPT_RESPONSES) kept.shift();
    },
    unsolicited: (bytes: number) => {
      unsolicitedBytes += bytes;
    },
    statistics(): LineStatistics {
      for (const [device, kept] of responses) device.responseMs = percentilesOf(kept);
      const copies = [...devices].map(([name, device]) => [name, { ...device }] as const);
      return {
        utilisation: utilisation.at(clock.monoMs(), busyMs),
        busyMs,
        reconnects: Math.max(0, connects - 1),
        unsolicitedBytes,
        echoes: 0,
        devices: Object.fromEntries(copies),
      };
    },
  };
}

const NOTHING_COUNTED = {
  requests: 0,
  responses: 0,
  timeouts: 0,
  lateReplies: 0,
  garbled: 0,
  responseMs: undefined,
  busyMs: 0,
};

function percentilesOf(kept: readonly number[]): { p50: number; p95: number; max: number } {
  const sorted = kept.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
  return { p50: at(0.5), p95: at(0.95), max: sorted.at(-1)! };
}

/** Utilisation is told over at least this long, and at most twice as long when it is asked for often, ms. */
const WINDOW_MS = 10_000;

/**
 * The share of the last time in which a line was in use, out of a growing total. Asking does not change what others are
 * told.
 */
export class Utilisation {
  private older: { readonly atMs: number; readonly busyMs: number };
  private newer: { readonly atMs: number; readonly busyMs: number };

  /** @param nowMs monotonic */
  constructor(nowMs: number) {
    this.older = this.newer = { atMs: nowMs, busyMs: 0 };
  }

  /**
   * @param nowMs monotonic
   * @param busyMs time in use since the beginning
   * @returns 0…1
   */
  at(nowMs: number, busyMs: number): number {
    if (nowMs - this.newer.atMs >= WINDOW_MS) {
      this.older = this.newer;
      this.newer = { atMs: nowMs, busyMs };
    }
    const elapsedMs = nowMs - this.older.atMs;
    return elapsedMs > 0 ? Math.min(1, (busyMs - this.older.busyMs) / elapsedMs) : 0;
  }
}
