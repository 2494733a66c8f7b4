/** A line of Modbus TCP, whose answers are told apart by transaction ids. */
import type { Clock } from '../../../src/core/clock.ts';
import { NotConnected } from '../../driver.ts';
import type { Transport } from '../../transport.ts';
import { encodeMbap, judgePdu, MAX_MBAP_BYTES } from './frame.ts';
import type { Ask, Line, LineCounters, Outcome } from './line.ts';
import { countException, countResponse, type DeviceCounters } from './statistics.ts';

/** How a Modbus TCP line is used. */
interface MbapOptions {
  /** Questions under way at once. */
  readonly pipeline: number;
  /** Least time from an answer to the next question, ms. */
  readonly pauseMs: number;
  readonly lateReplyWindowMs: number;
}

/** This many frames in a row that answer nothing we asked, and the connection is made anew. */
const MISMATCHES_TO_RECONNECT = 5;

/** So many timeouts in a row, and so long without a byte, mean that the connection is half open. */
const SILENT_TIMEOUTS = 5;
const SILENT_MS = 10_000;

/** Beyond the deadline, for bytes that are here but not read yet. */
const HOST_GRACE_MS = 5;

/** Transactions given up whose ids are still kept out of use; more of them, and the connection is made anew. */
const MAX_ABANDONED = 4096;

/** A part of a frame waits for the rest; a stream that keeps more than this unread is no Modbus. */
const MAX_UNREAD_BYTES = 4096;

interface Job {
  readonly ask: Ask;
  readonly settle: (outcome: Outcome) => void;
  sentMs: number;
  cancelDeadline: () => void;
}

const NOTHING = (): void => {};

/** Modbus TCP: every answer names its question by a 16-bit transaction id. */
export class MbapLine implements Line {
  readonly counters: LineCounters = { unsolicitedBytes: 0, echoes: 0, busyMs: 0 };
  readonly concurrency: number;
  private readonly clock: Clock;
  private readonly transport: Transport;
  private readonly options: MbapOptions;
  private readonly queue: Job[] = [];
  private readonly underWay = new Map<number, Job>();
  private readonly abandoned = new Map<number, { readonly untilMs: number; readonly counters: DeviceCounters }>();
  private unread: Uint8Array = new Uint8Array(0);
  private isOpen = false;
  /** Why the line is not open. */
  private lost = new NotConnected('the line is not open. Connect first.');
  private transaction = 0;
  private mismatches = 0;
  private timeouts = 0;
  private lastByteMs = 0;
  private busySinceMs = 0;
  private readyMs = 0;
  private cancelPause = NOTHING;

  constructor(transport: Transport, options: MbapOptions, clock: Clock) {
    this.transport = transport;
    this.options = options;
    this.concurrency = options.pipeline;
    this.clock = clock;
  }

  async open(signal: AbortSignal): Promise<void> {
    this.unread = new Uint8Array(0);
    await this.transport.connect(
      { onBytes: (bytes) => this.onBytes(bytes), onLost: (lost) => this.onLost(lost) },
      signal,
    );
    this.isOpen = true;
    this.mismatches = this.timeouts = 0;
    this.lastByteMs = this.clock.monoMs();
  }

  ask(ask: Ask): Promise<Outcome> {
    return new Promise((settle) => {
      if (!this.isOpen) return settle({ kind: 'lost', cause: this.lost });
      this.queue.push({ ask, settle, sentMs: 0, cancelDeadline: NOTHING });
      this.pump();
    });
  }

  async close(): Promise<void> {
    this.onLost(new NotConnected('the line was closed.'));
    await this.transport.close();
  }

  private onLost(cause: NotConnected): void {
    if (this.isOpen) this.lost = cause;
    this.isOpen = false;
    this.cancelPause();
    const jobs = [...this.underWay.values(), ...this.queue];
    if (this.underWay.size > 0) this.counters.busyMs += this.clock.monoMs() - this.busySinceMs;
    this.underWay.clear();
    this.queue.length = 0;
    // Nothing of the old connection can come by the new one.
    this.abandoned.clear();
    for (const job of jobs) {
      job.cancelDeadline();
      job.settle({ kind: 'lost', cause });
    }
  }

  /** The stream cannot be trusted any more: end it; the next `open` makes a new one. */
  private giveUp(why: string): void {
    this.onLost(new NotConnected(`${why}. A new connection is made.`));
    void this.transport.close();
  }

  private pump(): void {
    while (this.isOpen && this.queue.length > 0 && this.underWay.size < this.options.pipeline) {
      const nowMs = this.clock.monoMs();
      if (nowMs < this.readyMs) {
        this.cancelPause();
        this.cancelPause = this.clock.after(this.readyMs - nowMs, () => this.pump());
        return;
      }
      this.send(this.queue.shift()!, nowMs);
    }
  }

  private send(job: Job, nowMs: number): void {
    const transaction = this.nextTransaction(nowMs);
    if (this.underWay.size === 0) this.busySinceMs = nowMs;
    this.underWay.set(transaction, job);
    job.sentMs = nowMs;
    job.ask.counters.requests++;
    job.cancelDeadline = this.clock.after(job.ask.timeoutMs, () => {
      // A busy host may run late timers before it looks at bytes that came in time: it gets the chance to.
      job.cancelDeadline = this.clock.after(HOST_GRACE_MS, () => this.onDeadline(transaction, job));
    });
    this.transport.write(encodeMbap(transaction, job.ask.question.unit, job.ask.question.pdu));
  }

  /** The next id that neither is under way nor may come late. */
  private nextTransaction(nowMs: number): number {
    for (const [transaction, { untilMs }] of this.abandoned) {
      if (untilMs > nowMs) break;
      this.abandoned.delete(transaction);
    }
    do this.transaction = (this.transaction + 1) & 0xffff;
    while (this.underWay.has(this.transaction) || this.abandoned.has(this.transaction));
    return this.transaction;
  }

  private onDeadline(transaction: number, job: Job): void {
    const nowMs = this.clock.monoMs();
    this.abandoned.set(transaction, {
      untilMs: nowMs + this.options.lateReplyWindowMs,
      counters: job.ask.counters,
    });
    job.ask.counters.timeouts++;
    this.timeouts++;
    this.end(transaction, job, { kind: 'timeout' });
    if (this.abandoned.size > MAX_ABANDONED) {
      this.giveUp('too many questions were left unanswered');
      return;
    }
    if (this.timeouts >= SILENT_TIMEOUTS && nowMs - this.lastByteMs >= SILENT_MS)
      this.giveUp(`the connection is silent since ${Math.round((nowMs - this.lastByteMs) / 1000)} s`);
  }

  private end(transaction: number, job: Job, outcome: Outcome): void {
    job.cancelDeadline();
    this.underWay.delete(transaction);
    const nowMs = this.clock.monoMs();
    if (this.underWay.size === 0) this.counters.busyMs += nowMs - this.busySinceMs;
    job.ask.counters.busyMs += nowMs - job.sentMs;
    this.readyMs = nowMs + this.options.pauseMs;
    job.settle(outcome);
    this.pump();
  }

  private onBytes(bytes: Uint8Array): void {
    if (!this.isOpen) return;
    this.lastByteMs = this.clock.monoMs();
    const stream = this.unread.length === 0 ? bytes : concatenated(this.unread, bytes);
    const scan = scanMbap(stream);
    if (scan.kind === 'broken') {
      this.giveUp(`what came is no Modbus TCP: ${scan.why}`);
      return;
    }
    // Copied: the transport may use its array again.
    const rest = stream.slice(scan.taken);
    for (const frame of scan.frames) {
      this.onFrame(frame);
      if (!this.isOpen) return;
    }
    this.unread = rest;
    if (rest.length > MAX_UNREAD_BYTES) this.giveUp('what came is no Modbus TCP');
  }

  private onFrame(frame: MbapFrame): void {
    const job = this.underWay.get(frame.transaction);
    if (!job) {
      this.onUnknown(frame);
      return;
    }
    const { ask } = job;
    const judged = judgePdu(ask.question, frame.pdu);
    if (frame.unit !== ask.question.unit || judged.kind === 'other') {
      this.onMismatch(ask.counters);
      return;
    }
    this.mismatches = this.timeouts = 0;
    const { sentMs } = job;
    const receivedMs = this.lastByteMs;
    const thoughtMs = receivedMs - sentMs;
    countResponse(ask.counters, thoughtMs);
    if (judged.kind === 'exception') {
      countException(ask.counters, judged.code);
      this.end(frame.transaction, job, { ...judged, sentMs, receivedMs, thoughtMs });
    } else {
      const data = judged.data.slice();
      this.end(frame.transaction, job, { kind: 'answer', data, sentMs, receivedMs, thoughtMs });
    }
  }

  private onUnknown(frame: MbapFrame): void {
    const late = this.abandoned.get(frame.transaction);
    if (late) {
      late.counters.lateReplies++;
      return;
    }
    this.counters.unsolicitedBytes += frame.pdu.length + 7;
    this.onMismatch(undefined);
  }

  private onMismatch(counters: DeviceCounters | undefined): void {
    if (counters) counters.garbled++;
    if (++this.mismatches >= MISMATCHES_TO_RECONNECT)
      this.giveUp(`${this.mismatches} answers in a row belonged to no question`);
  }
}

function concatenated(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** One frame of a Modbus TCP stream. */
interface MbapFrame {
  readonly transaction: number;
  readonly unit: number;
  readonly pdu: Uint8Array;
}

/** What a Modbus TCP stream holds: whole frames, and how many bytes they took; or that it is none. */
type MbapScan =
  | { readonly kind: 'frames'; readonly frames: readonly MbapFrame[]; readonly taken: number }
  | { readonly kind: 'broken'; readonly why: string };

/**
 * Cuts a stream into frames by the length each names; a part of a frame is left for later. A protocol other than 0 or
 * an impossible length means that the stream cannot be followed any more: the connection has to be made anew.
 */
export function scanMbap(bytes: Uint8Array): MbapScan {
  const frames: MbapFrame[] = [];
  let at = 0;
  while (bytes.length - at >= 7) {
    if (bytes[at + 2] !== 0 || bytes[at + 3] !== 0) return { kind: 'broken', why: 'the protocol id is not 0' };
    const length = (bytes[at + 4]! << 8) | bytes[at + 5]!;
    if (length < 3 || length > MAX_MBAP_BYTES - 6)
      return { kind: 'broken', why: `a frame says it has ${length} bytes` };
    if (at + 6 + length > bytes.length) break;
    frames.push({
      transaction: (bytes[at]! << 8) | bytes[at + 1]!,
      unit: bytes[at + 6]!,
      pdu: bytes.subarray(at + 7, at + 6 + length),
    });
    at += 6 + length;
  }
  return { kind: 'frames', frames, taken: at };
}
