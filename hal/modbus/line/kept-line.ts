/** Keeps the connection of a line: opens it again when it ends, and says whose question its end concerns. */
import type { Clock } from '../../../src/core/clock.ts';
import { NotConnected } from '../../driver.ts';
import type { Ask, Line, LineCounters, Outcome } from './line.ts';

/** How a connection is kept. */
interface KeepOptions {
  /** Rest after a connection is made, before the first question, ms. */
  readonly connectPauseMs: number;
  /** A connection that was idle for so long is closed by us, ms; undefined: it is kept open. */
  readonly closeAfterMs: number | undefined;
}

/** A connection that ends so soon after its only answer was ended because of it, ms. */
const ENDED_BY_ANSWER_MS = 100;

/** So many connections in a row that ended with their first answer show a device that serves one question each. */
const ONE_SHOT_AFTER = 2;

/** A question that could not be sent is put again on so many connections. */
const MOST_UNSENT = 3;

const NOTHING = (): void => {};

/**
 * A line whose connection may come and go.
 *
 * A connection that gave an answer is opened again at once when it ends; any other is opened by the next question. A
 * question that never left is put again. One that did leave is `hung-up`, a fault of the unit that was asked: a read is
 * put once more before that, where the connection had served another question, whose fault it may be. Only a connection that cannot be made is
 * `lost`. With a device that ends each connection with its answer, the connection is changed before each question.
 */
export class KeptLine implements Line {
  readonly counters: LineCounters;
  readonly concurrency: number;
  private readonly line: Line;
  private readonly options: KeepOptions;
  private readonly clock: Clock;
  private state: 'closed' | 'open' | 'away' = 'closed';
  private why = new NotConnected('the line is not open. Connect first.');
  private opening: Promise<NotConnected | undefined> | undefined;
  private stop = new AbortController();
  /** Questions put by this connection, and answers that it gave. */
  private asked = 0;
  private answers = 0;
  private lastAnswerMs = 0;
  private endedByAnswer = 0;
  private turn: Promise<unknown> = Promise.resolve();
  private underWay = 0;
  private cancelIdle = NOTHING;

  constructor(line: Line, options: KeepOptions, clock: Clock) {
    this.line = line;
    this.options = options;
    this.clock = clock;
    this.counters = line.counters;
    this.concurrency = line.concurrency;
  }

  async open(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.stop.abort();
    await this.opening;
    this.stop = new AbortController();
    this.state = 'away';
    this.endedByAnswer = 0;
    const { stop } = this;
    const abort = (): void => stop.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      const failed = await this.ready();
      signal.throwIfAborted();
      if (failed) throw failed;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  ask(ask: Ask): Promise<Outcome> {
    if (!this.isOneShot) return this.put(ask);
    const outcome = this.turn.then(() => this.put(ask));
    this.turn = outcome;
    return outcome;
  }

  async close(): Promise<void> {
    this.state = 'closed';
    this.why = new NotConnected('the line was closed.');
    this.stop.abort(this.why);
    this.cancelIdle();
    await this.line.close();
  }

  private get isOneShot(): boolean {
    return this.endedByAnswer >= ONE_SHOT_AFTER;
  }

  private async put(ask: Ask): Promise<Outcome> {
    let unsent = 0;
    let hungUp = 0;
    this.underWay++;
    this.cancelIdle();
    try {
      for (;;) {
        const failed = await this.ready();
        if (failed) return { kind: 'lost', cause: failed, wasSent: false };
        const isFirst = this.asked++ === 0;
        const outcome = await this.line.ask(ask);
        if (outcome.kind !== 'lost') {
          if (outcome.kind === 'answer' || outcome.kind === 'exception') await this.onAnswer();
          return outcome;
        }
        if (this.state === 'closed') return outcome;
        if (!outcome.wasSent) {
          if (++unsent >= MOST_UNSENT) return outcome;
        } else if (isFirst || hungUp++ > 0 || ask.isProbe || ask.question.request.kind !== 'read') {
          return hungUpBy(outcome.cause);
        }
      }
    } finally {
      if (--this.underWay === 0) this.startIdle();
    }
  }

  /** Opens the connection where there is none; says why that was not possible. */
  private ready(): Promise<NotConnected | undefined> {
    if (this.state === 'open') return Promise.resolve(undefined);
    if (this.state === 'closed') return Promise.resolve(this.why);
    this.opening ??= this.reopen().finally(() => {
      this.opening = undefined;
    });
    return this.opening;
  }

  private async reopen(): Promise<NotConnected | undefined> {
    const { stop } = this;
    let lost: NotConnected | undefined;
    try {
      await this.line.open(stop.signal, (cause) => {
        lost = cause;
        this.onLost(cause);
      });
      this.answers = this.asked = 0;
      if (this.options.connectPauseMs > 0) await this.clock.sleep(this.options.connectPauseMs, stop.signal);
      if (stop.signal.aborted) return this.why;
      if (lost) return lost;
      this.state = 'open';
      return undefined;
    } catch (error) {
      if (error instanceof NotConnected) return error;
      if (stop.signal.aborted) return this.why;
      throw error;
    }
  }

  private onLost(cause: NotConnected): void {
    if (this.state !== 'open') return;
    this.state = 'away';
    this.why = cause;
    const isEndedByAnswer = this.answers === 1 && this.clock.monoMs() - this.lastAnswerMs <= ENDED_BY_ANSWER_MS;
    this.endedByAnswer = isEndedByAnswer ? this.endedByAnswer + 1 : 0;
    if (this.answers > 0) void this.ready();
  }

  private async onAnswer(): Promise<void> {
    this.answers++;
    this.lastAnswerMs = this.clock.monoMs();
    if (!this.isOneShot || this.state !== 'open') return;
    this.state = 'away';
    await this.line.close();
    void this.ready();
  }

  private startIdle(): void {
    const { closeAfterMs } = this.options;
    if (closeAfterMs === undefined || this.state !== 'open') return;
    this.cancelIdle = this.clock.after(closeAfterMs, () => {
      if (this.state !== 'open') return;
      this.state = 'away';
      void this.line.close();
    });
  }
}

function hungUpBy(cause: NotConnected): Outcome {
  return { kind: 'hung-up', detail: `the connection ended when this unit was asked: ${cause.message}` };
}
