/** A Modbus TCP line: questions with transaction ids on a stream, or in datagrams. */
import { afterDeadline, type Clock } from '../../../src/core/clock.ts';
import { NotConnected } from '../../driver.ts';
import type { Transport } from '../../transport.ts';
import { encodeMbap, judgePdu } from './frame.ts';
import {
  type Ask,
  countException,
  countResponse,
  type DeviceCounters,
  type Line,
  type LineCounters,
  newLineCounters,
  type Outcome,
} from './line.ts';
import { type MbapFrame, scanMbap, type Transaction } from './mbap.ts';

/** How a Modbus TCP line is used. */
interface MbapOptions {
  /** Questions under way at once. */
  readonly pipeline: number;
  /** Least time from an answer to the next question, ms. */
  readonly pauseMs: number;
  readonly lateReplyWindowMs: number;
  /** Whether an answer that names another unit than was asked counts: its transaction id says whose it is. */
  readonly foreignUnit?: 'accept' | 'refuse';
  /** Told each time that an answer names another unit and is accepted. */
  readonly onForeignUnit?: (asked: number, answered: number) => void;
}

/** Questions handed to the line at once at least: while one rests between looks at a slow write, others are asked. */
const LEAST_CONCURRENCY = 2;

/** This many frames in a row that answer nothing we asked, and the connection is made anew. */
const MISMATCHES_TO_RECONNECT = 5;

/** So many timeouts in a row, and so long without a byte, mean that the connection is half open. */
const SILENT_TIMEOUTS = 5;
const SILENT_MS = 10_000;

/** Transactions given up whose ids are still kept out of use; more of them, and the connection is made anew. */
const MAX_ABANDONED = 4096;

/** A part of a frame waits for the rest; what is unread beyond this is noise. */
const MAX_UNREAD_BYTES = 4096;

/** Bytes of noise that are shown. */
const SHOWN_BYTES = 12;

interface Job {
  readonly ask: Ask;
  readonly settle: (outcome: Outcome) => void;
  sentMs: number;
  cancelDeadline: () => void;
  /** What came in place of the answer, if anything did. */
  heard: string | undefined;
}

const NOTHING = (): void => {};
const NO_BYTES = new Uint8Array(0);

/** Modbus TCP: every answer names its question by a 16-bit transaction id. */
export class MbapLine implements Line {
  readonly counters: LineCounters = newLineCounters();
  readonly concurrency: number;
  private readonly clock: Clock;
  private readonly transport: Transport;
  private readonly options: MbapOptions;
  private readonly queue: Job[] = [];
  private readonly underWay = new Map<number, Job>();
  private readonly abandoned = new Map<number, { readonly untilMs: number; readonly counters: DeviceCounters }>();
  private unread: Uint8Array = NO_BYTES;
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
  private tellLost: ((cause: NotConnected) => void) | undefined;

  constructor(transport: Transport, options: MbapOptions, clock: Clock) {
    this.transport = transport;
    this.options = options;
    this.concurrency = Math.max(LEAST_CONCURRENCY, options.pipeline);
    this.clock = clock;
  }

  async open(signal: AbortSignal, onLost?: (cause: NotConnected) => void): Promise<void> {
    this.unread = NO_BYTES;
    await this.transport.connect(
      {
        onBytes: (bytes) => this.onBytes(bytes),
        onLost: (lost) => {
          this.onLost(lost);
          onLost?.(lost);
        },
      },
      signal,
    );
    this.isOpen = true;
    this.counters.connects++;
    this.mismatches = this.timeouts = 0;
    this.lastByteMs = this.clock.monoMs();
    this.tellLost = onLost;
  }

  ask(ask: Ask): Promise<Outcome> {
    return new Promise((settle) => {
      if (!this.isOpen) return settle({ kind: 'lost', cause: this.lost, wasSent: false });
      this.queue.push({ ask, settle, sentMs: 0, cancelDeadline: NOTHING, heard: undefined });
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
    const sent = [...this.underWay.values()];
    const unsent = [...this.queue];
    if (this.underWay.size > 0) this.counters.busyMs += this.clock.monoMs() - this.busySinceMs;
    this.underWay.clear();
    this.queue.length = 0;
    // Nothing of the old connection can come by the new one.
    this.abandoned.clear();
    for (const job of sent) {
      job.cancelDeadline();
      job.settle({ kind: 'lost', cause, wasSent: true });
    }
    for (const job of unsent) job.settle({ kind: 'lost', cause, wasSent: false });
  }

  /** The stream cannot be trusted any more: end it; the next `open` makes a new one. */
  private giveUp(why: string): void {
    const cause = new NotConnected(`${why}. A new connection is made.`);
    this.onLost(cause);
    void this.transport.close();
    this.tellLost?.(cause);
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
    job.cancelDeadline = afterDeadline(this.clock, job.ask.timeoutMs, () => this.onDeadline(transaction, job));
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
    // What waited for the rest of a frame that never came may hide the answer.
    this.digest(NO_BYTES, true);
    if (this.underWay.get(transaction) !== job) return;
    const nowMs = this.clock.monoMs();
    this.abandoned.set(transaction, {
      untilMs: nowMs + this.options.lateReplyWindowMs,
      counters: job.ask.counters,
    });
    if (job.heard === undefined) {
      job.ask.counters.timeouts++;
      this.timeouts++;
    }
    this.end(transaction, job, job.heard === undefined ? { kind: 'timeout' } : { kind: 'garbled', detail: job.heard });
    if (this.abandoned.size > MAX_ABANDONED) {
      this.giveUp('too many questions were left unanswered');
      return;
    }
    if (this.timeouts >= SILENT_TIMEOUTS && nowMs - this.lastByteMs >= SILENT_MS)
      this.giveUp(`the connection has been silent for ${Math.round((nowMs - this.lastByteMs) / 1000)} s`);
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
    this.digest(bytes, false);
  }

  /** Looks what came. While nothing is asked, no byte can be of an answer: greetings and signs of life cost nothing. */
  private digest(bytes: Uint8Array, isQuiet: boolean): void {
    const isAsked = this.underWay.size > 0;
    const stream = this.unread.length === 0 ? bytes : concatenated(this.unread, bytes);
    const scan = scanMbap(stream, (id) => this.transactionOf(id), isQuiet || !isAsked);
    // Copied: the transport may use its array again.
    const rest = stream.slice(scan.taken);
    this.unread = rest.length > MAX_UNREAD_BYTES ? NO_BYTES : rest;
    if (scan.noise.length > 0) this.onNoise(scan.noise);
    for (const frame of scan.frames) {
      this.onFrame(frame);
      if (!this.isOpen) return;
    }
    // What follows the last answer was sent before the next question was.
    if (this.underWay.size === 0 || (isAsked && scan.frames.length > 0 && this.options.pipeline === 1)) {
      this.counters.unsolicitedBytes += this.unread.length;
      this.unread = NO_BYTES;
    }
  }

  private transactionOf(id: number): Transaction {
    return this.underWay.get(id)?.ask.question ?? (this.abandoned.has(id) ? 'late' : undefined);
  }

  private onNoise(noise: Uint8Array): void {
    this.counters.unsolicitedBytes += noise.length;
    const shown = [...noise.subarray(0, SHOWN_BYTES)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    for (const job of this.underWay.values())
      job.heard ??= `what came is no Modbus TCP: ${shown}${noise.length > SHOWN_BYTES ? ' …' : ''}. Does the device send RTU frames? Then write framing: rtu`;
  }

  private onFrame(frame: MbapFrame): void {
    const job = this.underWay.get(frame.transaction);
    if (!job) {
      this.onUnknown(frame);
      return;
    }
    const { ask, sentMs } = job;
    const { unit } = ask.question;
    const judged = judgePdu(ask.question, frame.pdu);
    const isForeign = frame.unit !== unit;
    if (judged.kind === 'other' || (isForeign && this.options.foreignUnit === 'refuse')) {
      ask.counters.garbled++;
      const detail =
        judged.kind === 'other'
          ? OTHER_ANSWER[judged.why]
          : `unit ${frame.unit} answered in place of unit ${unit}. With foreignUnit: accept such answers count`;
      this.end(frame.transaction, job, { kind: 'garbled', detail });
      return;
    }
    if (isForeign) this.options.onForeignUnit?.(unit, frame.unit);
    if (frame.wrongLength !== undefined) ask.counters.garbled++;
    this.mismatches = this.timeouts = 0;
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
    if (this.underWay.size === 0) return;
    for (const [transaction, job] of this.underWay)
      job.heard ??= `an answer came with transaction ${frame.transaction}, where ${transaction} was asked: the device does not give the transaction id back`;
    if (++this.mismatches >= MISMATCHES_TO_RECONNECT)
      this.giveUp(`${this.mismatches} answers in a row belonged to no question`);
  }
}

/** What is wrong with an answer whose transaction id fits. */
const OTHER_ANSWER = {
  function: 'the answer is of another function than was asked',
  length: 'the answer has another length than was asked for',
  echo: 'the answer does not repeat what was written',
} as const;

function concatenated(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (second.length === 0) return first;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
