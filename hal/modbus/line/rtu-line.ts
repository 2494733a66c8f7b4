/** A line of RTU frames: one question at a time, told from late replies and other masters by its form. */
import { afterDeadline, type Clock } from '../../../src/core/clock.ts';
import { NotConnected } from '../../driver.ts';
import type { Transport } from '../../transport.ts';
import { type Question, readDataBytes } from './frame.ts';
import {
  type Ask,
  countException,
  countResponse,
  type Line,
  type LineCounters,
  newLineCounters,
  type Outcome,
} from './line.ts';
import { OwedReplies } from './owed.ts';
import {
  type ForeignFrame,
  framesIn,
  type Oddity,
  type RtuQuestion,
  type RtuScan,
  rtuQuestion,
  scanRtu,
} from './scan-rtu.ts';
import { atInstant } from './timing.ts';

/** Times of an RTU line, ms. */
interface RtuTiming {
  /** One character on the wire; 0 where the wire is behind a network. */
  readonly characterMs: number;
  /** Least silence between frames, t3.5. */
  readonly silenceMs: number;
  /** Least time from the end of an answer to the next question, over the silence. */
  readonly pauseMs: number;
  readonly lateReplyWindowMs: number;
  /**
   * Least silence after a question that nothing at all came back to. Default: 25 ms, so that an answer a little late
   * does not meet the next question; a search, which knows every frame by its unit, asks on sooner.
   */
  readonly quietMs?: number;
  /** Whether the adapter gives back what is sent; default `auto`: it is found out. */
  readonly echo?: 'auto' | 'yes' | 'no';
}

/** The questions handed to the line at once: one under way, one made ready or waiting out a late reply. */
const CONCURRENCY = 2;

/** What a line receives for one question, echo and noise included; more than four frames is no answer but babble. */
const BUFFER_BYTES = 1024;

/** After this long without a byte no more of a frame will come: USB adapters hand over what they have every 16 ms. */
const QUIET_MS = 25;

/** A line that is never silent for this long is used by somebody else, or noise. */
const BABBLE_MS = 2000;

/**
 * A unit that so often in a row did not answer a read that was made wider is asked for no more than it needs for this
 * long, ms. A line that loses questions comes to that by chance, so that it does not hold for good.
 */
const NARROW_AFTER = 2;
const NARROW_MS = 60_000;

interface Job {
  readonly ask: Ask;
  readonly settle: (outcome: Outcome) => void;
}

/** A job as it is put: its question may ask for more than is wanted. */
interface Put extends Job {
  readonly question: RtuQuestion;
  readonly isWider: boolean;
}

const NOTHING = (): void => {};

/** A line of RTU frames: a serial port, or a TCP connection that carries the same bytes. */
export class RtuLine implements Line {
  readonly counters: LineCounters = newLineCounters();
  readonly concurrency = CONCURRENCY;
  private readonly clock: Clock;
  private readonly transport: Transport;
  private readonly timing: RtuTiming;
  private readonly owed: OwedReplies;
  private readonly queue: Job[] = [];
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private received = 0;
  private current: Put | undefined;
  /** How often in a row each unit left a read unanswered that was made wider, and until when that counts. */
  private readonly narrow = new Map<number, { times: number; untilMs: number }>();
  private isOpen = false;
  /** Why the line is not open. */
  private lost = new NotConnected('the line is not open. Connect first.');
  private isAwaiting = false;
  private echo: 'yes' | 'no' | 'unknown';
  private sentMs = 0;
  private startedMs = 0;
  private deadlineMs = 0;
  /** Silence to keep before the next question: longer after anything but a clean answer. */
  private silenceMs: number;
  private lastByteMs = Number.NEGATIVE_INFINITY;
  private endedMs = Number.NEGATIVE_INFINITY;
  private cancelDeadline = NOTHING;
  private cancelGap = NOTHING;
  private cancelQuiet = NOTHING;
  private cancelWait = NOTHING;

  constructor(transport: Transport, timing: RtuTiming, clock: Clock) {
    this.transport = transport;
    this.timing = timing;
    this.clock = clock;
    this.owed = new OwedReplies(timing.lateReplyWindowMs);
    this.silenceMs = timing.silenceMs;
    this.echo = timing.echo === undefined || timing.echo === 'auto' ? 'unknown' : timing.echo;
  }

  async open(signal: AbortSignal, onLost?: (cause: NotConnected) => void): Promise<void> {
    await this.transport.connect(
      {
        onBytes: (bytes) => this.onBytes(bytes),
        onLost: (lost) => {
          this.endAll(lost);
          onLost?.(lost);
        },
      },
      signal,
    );
    this.isOpen = true;
    this.counters.connects++;
    // Whoever spoke before we listened may still be speaking.
    this.lastByteMs = this.clock.monoMs();
  }

  ask(ask: Ask): Promise<Outcome> {
    return new Promise((resolve) => {
      if (!this.isOpen) return resolve({ kind: 'lost', cause: this.lost, wasSent: false });
      this.queue.push({ ask, settle: resolve });
      this.pump();
    });
  }

  async close(): Promise<void> {
    this.endAll(new NotConnected('the line was closed.'));
    await this.transport.close();
  }

  private endAll(cause: NotConnected): void {
    if (this.isOpen) this.lost = cause;
    const wasSent = this.isAwaiting;
    const { current } = this;
    const unsent = [...this.queue];
    this.isOpen = false;
    this.isAwaiting = false;
    this.cancelTimers();
    this.cancelWait();
    this.current = undefined;
    this.queue.length = 0;
    if (current && wasSent) this.owed.add(current.ask, current.question, this.clock.monoMs());
    current?.settle({ kind: 'lost', cause, wasSent });
    for (const job of unsent) job.settle({ kind: 'lost', cause, wasSent: false });
  }

  /** Takes the first question that may be asked now; lets one wait for its unit's late reply, and no more. */
  private pump(): void {
    if (this.current || !this.isOpen) return;
    this.cancelWait();
    const nowMs = this.clock.monoMs();
    let waiting: { untilMs: number } | undefined;
    for (let index = 0; index < this.queue.length; ) {
      const job = this.queue[index]!;
      const narrow = this.narrow.get(job.ask.question.unit);
      const mayWiden = narrow === undefined || narrow.times < NARROW_AFTER || nowMs >= narrow.untilMs;
      const clearance = this.owed.clearance(job.ask, mayWiden, nowMs);
      if ('question' in clearance) {
        this.queue.splice(index, 1);
        this.begin(job, clearance.question, nowMs);
        return;
      }
      const { untilMs } = clearance;
      // A probe waits for nothing: that would only look as if the line had spent the time on it.
      if (waiting || job.ask.isProbe || job.ask.isDivisible) {
        this.queue.splice(index, 1);
        job.settle({ kind: 'not-asked', detail: 'its unit still owes the answer to an earlier question' });
      } else {
        waiting = { untilMs };
        index++;
      }
    }
    if (waiting) this.cancelWait = this.clock.after(waiting.untilMs - nowMs, () => this.pump());
  }

  private begin(job: Job, question: Question, nowMs: number): void {
    this.current = { ...job, question: rtuQuestion(question), isWider: question !== job.ask.question };
    this.startedMs = nowMs;
    this.sendWhenSilent();
  }

  /** The silence runs from the last byte on the line, whoever sent it. */
  private sendWhenSilent(): void {
    const { silenceMs } = this;
    const dueMs = Math.max(this.lastByteMs + silenceMs, this.endedMs + this.timing.silenceMs + this.timing.pauseMs);
    this.cancelGap = atInstant(this.clock, dueMs, () => {
      const nowMs = this.clock.monoMs();
      if (nowMs < this.lastByteMs + silenceMs - 1e-6) {
        if (nowMs - this.startedMs > BABBLE_MS) {
          this.giveUpOnBabble();
          return;
        }
        this.sendWhenSilent();
        return;
      }
      this.send(nowMs);
    });
  }

  private giveUpOnBabble(): void {
    this.end({ kind: 'garbled', detail: 'the line is never silent: another master, or noise. Check the wiring' });
  }

  private send(nowMs: number): void {
    const { ask, question } = this.current!;
    this.received = 0;
    this.isAwaiting = true;
    this.sentMs = nowMs;
    ask.counters.requests++;
    this.deadlineMs = ask.timeoutMs + this.wireMs(question);
    this.cancelDeadline = afterDeadline(this.clock, this.deadlineMs, () => this.onDeadline());
    this.transport.write(question.frame);
  }

  /** Time on the wire of a question, the silence after it, and its answer, ms. */
  private wireMs(question: RtuQuestion): number {
    const { request } = question;
    const answerBytes = request.kind === 'read' ? 5 + readDataBytes(request.table, request.count) : 8;
    return (question.frame.length + answerBytes) * this.timing.characterMs + this.timing.silenceMs;
  }

  private onBytes(bytes: Uint8Array): void {
    const nowMs = this.clock.monoMs();
    const sinceMs = nowMs - this.lastByteMs;
    this.lastByteMs = nowMs;
    if (!this.isAwaiting) {
      this.onUnsolicited(bytes, nowMs, sinceMs);
      return;
    }
    if (this.received + bytes.length > BUFFER_BYTES) {
      this.owed.add(this.current!.ask, this.current!.question, nowMs);
      this.end({ kind: 'garbled', detail: 'far more bytes came than the answer has: another master, or noise' });
      return;
    }
    this.buffer.set(bytes, this.received);
    this.received += bytes.length;
    const scan = this.scan(false);
    if (scan.kind !== 'more') {
      this.onAnswer(scan, nowMs);
      return;
    }
    this.cancelQuiet();
    this.cancelQuiet = scan.clean ? NOTHING : this.clock.after(QUIET_MS, () => this.onQuiet());
  }

  /** Nothing is asked: what comes is a late reply, another master's, or noise. */
  private onUnsolicited(bytes: Uint8Array, nowMs: number, sinceMs: number): void {
    this.counters.unsolicitedBytes += bytes.length;
    // What stood before a rest, or has no room, will not become a frame any more.
    if (sinceMs > QUIET_MS || this.received + bytes.length > BUFFER_BYTES) this.received = 0;
    if (bytes.length > BUFFER_BYTES) return;
    this.buffer.set(bytes, this.received);
    this.received += bytes.length;
    const { frames, taken } = framesIn(this.buffer.subarray(0, this.received));
    this.buffer.copyWithin(0, taken, this.received);
    this.received -= taken;
    for (const frame of frames) this.noteForeign(frame, nowMs);
  }

  /** A whole frame that is no answer to what is asked; true when it was the late reply to something. */
  private noteForeign({ unit, code, bytes, asks }: ForeignFrame, nowMs: number): boolean {
    if (asks !== undefined) {
      this.counters.otherMasterMs = nowMs;
      this.owed.addForeign(unit, code, asks, nowMs);
      // Its answer comes next: to speak into it would garble two.
      this.silenceMs = Math.max(this.silenceMs, QUIET_MS);
      return false;
    }
    this.owed.payForeign(unit, code, bytes - 3);
    const debtor = this.owed.debtorOf(unit, code, nowMs);
    if (debtor) debtor.lateReplies++;
    return debtor !== undefined;
  }

  private scan(quiet: boolean): RtuScan {
    const { ask, question } = this.current!;
    return scanRtu(this.buffer.subarray(0, this.received), question, {
      quiet,
      echo: this.echo,
      believeExceptions: !this.owed.doubtsExceptions(ask, this.clock.monoMs()),
    });
  }

  /** The bytes stopped: what looked like the beginning of something longer is not. */
  private onQuiet(): void {
    const scan = this.scan(true);
    if (scan.kind !== 'more') {
      this.onAnswer(scan, this.lastByteMs);
      return;
    }
    if (!scan.damaged) return;
    // The answer did come, in full length, but damaged: nothing more is owed than before.
    this.owed.settle(this.current!.ask, this.clock.monoMs());
    this.countOddities(scan.oddities);
    this.end({ kind: 'garbled', detail: 'wrong checksum' });
  }

  private onDeadline(): void {
    const nowMs = this.clock.monoMs();
    const flowsUntilMs = this.lastByteMs + QUIET_MS;
    // An answer that is on its way is heard out: to speak into it would garble two.
    if (this.received > 0 && nowMs < flowsUntilMs && nowMs - this.sentMs < this.deadlineMs + BABBLE_MS) {
      this.cancelDeadline = this.clock.after(flowsUntilMs - nowMs, () => this.onDeadline());
      return;
    }
    const scan = this.scan(true);
    if (scan.kind !== 'more') {
      this.onAnswer(scan, this.lastByteMs);
      return;
    }
    const { ask, question, isWider } = this.current!;
    this.countOddities(scan.oddities);
    this.owed.add(ask, question, nowMs);
    if (isWider) {
      const times = (this.narrow.get(question.unit)?.times ?? 0) + 1;
      this.narrow.set(question.unit, { times, untilMs: nowMs + NARROW_MS });
    }
    const heard = scan.oddities.some((oddity) => oddity.kind !== 'echo');
    if (heard) {
      this.end({ kind: 'garbled', detail: heardText(scan.oddities, question) });
    } else {
      ask.counters.timeouts++;
      this.end({ kind: 'timeout' });
      this.transport.verify();
    }
  }

  private onAnswer(scan: Exclude<RtuScan, { kind: 'more' }>, receivedMs: number): void {
    const { ask, question, isWider } = this.current!;
    if (isWider) this.narrow.delete(question.unit);
    const sentMs = this.sentMs;
    const elapsedMs = receivedMs - sentMs;
    const thoughtMs = Math.max(0, elapsedMs - this.wireMs(question));
    this.owed.settle(ask, receivedMs);
    this.countOddities(scan.oddities);
    countResponse(ask.counters, elapsedMs);
    if (scan.kind === 'exception') {
      countException(ask.counters, scan.code);
      this.end({ kind: 'exception', code: scan.code, sentMs, receivedMs, thoughtMs });
      return;
    }
    // The buffer is used again for the next question.
    const data = scan.data.slice(0, isWider ? ask.question.answerPduBytes! - 2 : undefined);
    this.end({ kind: 'answer', data, sentMs, receivedMs, thoughtMs });
  }

  private countOddities(oddities: readonly Oddity[]): void {
    const { counters } = this.current!.ask;
    for (const oddity of oddities) {
      if (oddity.kind === 'echo') {
        this.echo = 'yes';
        this.counters.echoes++;
      } else if (oddity.kind === 'noise' || !this.noteForeign(oddity, this.clock.monoMs())) {
        counters.garbled++;
      }
    }
  }

  private cancelTimers(): void {
    this.cancelDeadline();
    this.cancelGap();
    this.cancelQuiet();
    this.cancelDeadline = this.cancelGap = this.cancelQuiet = NOTHING;
  }

  private end(outcome: Outcome): void {
    this.cancelTimers();
    const job = this.current!;
    const nowMs = this.clock.monoMs();
    if (this.isAwaiting) {
      this.counters.busyMs += nowMs - this.sentMs;
      job.ask.counters.busyMs += nowMs - this.sentMs;
    }
    this.isAwaiting = false;
    this.endedMs = this.lastByteMs > this.sentMs ? this.lastByteMs : nowMs;
    const isClean = outcome.kind === 'answer' || outcome.kind === 'exception';
    const quietMs = outcome.kind === 'timeout' ? (this.timing.quietMs ?? QUIET_MS) : QUIET_MS;
    this.silenceMs = isClean ? this.timing.silenceMs : Math.max(this.timing.silenceMs, quietMs);
    this.current = undefined;
    job.settle(outcome);
    this.pump();
  }
}

/** What came in place of an answer. */
function heardText(oddities: readonly Oddity[], { unit, code, answerPduBytes }: Question): string {
  for (const oddity of oddities) {
    if (oddity.kind !== 'frame') continue;
    if (oddity.asks !== undefined)
      return `another master asked unit ${oddity.unit} meanwhile. Only one may be on the line`;
    if (oddity.unit !== unit) return `unit ${oddity.unit} answered in place of unit ${unit}`;
    if (oddity.code === code)
      return `it answered ${oddity.bytes - 3} bytes where ${answerPduBytes ?? 'others'} were expected`;
    if (oddity.code !== (code | 0x80)) return `it answered function ${oddity.code} where ${code} was asked`;
  }
  return 'what came was not the answer';
}
