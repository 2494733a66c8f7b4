/** One master on a connection: cuts its bytes into requests and answers them, at a bounded rate and out of bounded memory. */
import type { Socket } from 'node:net';
import { encodeMbap, MAX_MBAP_BYTES } from '../../hal/modbus/line/frame.ts';
import type { Clock } from '../core/clock.ts';

/** Requests a second that a connection may make for good, and as many at once; beyond, its bytes wait. */
const REQUESTS_PER_SECOND = 100;

/** A request has to be whole so long after its first byte, ms. */
const FRAME_DEADLINE_MS = 5000;

/** Answers that a master does not fetch, bytes; and how long it may leave them there, ms. */
const MOST_UNFETCHED_BYTES = 16_384;
const FETCH_DEADLINE_MS = 10_000;

/** Transaction, protocol, length and unit (Messaging on TCP/IP V1.0b, 3.1.3). */
const HEADER_BYTES = 7;

/** What a session is told and asks. */
interface SessionDeps {
  readonly clock: Clock;
  /** The answer to a request of a unit. */
  readonly answer: (unit: number, pdu: Uint8Array) => Uint8Array;
  /** Called once, when the connection is over; with the reason where it was ended here. */
  readonly onEnd: (why: string | undefined) => void;
}

/** One master on a connection. */
export class ModbusSession {
  private readonly socket: Socket;
  private readonly deps: SessionDeps;
  private waiting: Buffer = Buffer.alloc(0);
  /** Requests that may be answered at once. */
  private budget = REQUESTS_PER_SECOND;
  private budgetAtMs: number;
  private lastRequestMs: number;
  private isWaiting = false;
  private why: string | undefined;
  private cancelFrame: (() => void) | undefined;
  private cancelWait: () => void = () => {};

  constructor(socket: Socket, deps: SessionDeps) {
    this.socket = socket;
    this.deps = deps;
    this.budgetAtMs = deps.clock.monoMs();
    this.lastRequestMs = this.budgetAtMs;
    socket.on('data', (bytes: Buffer) => {
      this.waiting = this.waiting.length === 0 ? bytes : Buffer.concat([this.waiting, bytes]);
      this.work();
    });
    // A broken connection is followed by its end.
    socket.on('error', () => {});
    socket.once('end', () => socket.end());
    socket.once('close', () => {
      this.cancelFrame?.();
      this.cancelWait();
      deps.onEnd(this.why);
    });
  }

  /** How long the master has been silent, ms. */
  silentMs(): number {
    return this.deps.clock.monoMs() - this.lastRequestMs;
  }

  /** Ends the connection. */
  end(why: string): void {
    this.why ??= why;
    this.socket.destroy();
  }

  /** Answers what is whole, as far as the budget goes. */
  private work(): void {
    if (this.isWaiting || this.socket.destroyed) return;
    let at = 0;
    while (this.waiting.length - at >= HEADER_BYTES) {
      const protocol = this.waiting.readUInt16BE(at + 2);
      const length = this.waiting.readUInt16BE(at + 4);
      if (protocol !== 0 || length < 2 || length > MAX_MBAP_BYTES - 6) {
        this.end('what came is no Modbus TCP');
        return;
      }
      const end = at + 6 + length;
      if (end > this.waiting.length) break;
      if (!this.mayAnswer()) break;
      this.answer(this.waiting.subarray(at, end));
      at = end;
    }
    this.waiting = at === this.waiting.length ? Buffer.alloc(0) : this.waiting.subarray(at);
    this.watchFrame(at > 0);
  }

  private answer(frame: Buffer): void {
    this.lastRequestMs = this.deps.clock.monoMs();
    const unit = frame[6]!;
    const pdu = this.deps.answer(unit, frame.subarray(HEADER_BYTES));
    this.socket.write(encodeMbap(frame.readUInt16BE(0), unit, pdu));
    if (this.socket.writableLength <= MOST_UNFETCHED_BYTES) return;
    this.pause(FETCH_DEADLINE_MS, () => this.end('it does not fetch its answers'));
    this.socket.once('drain', () => this.resume());
  }

  /** Whether one more request may be answered now; else it is answered as soon as it may. */
  private mayAnswer(): boolean {
    if (this.isWaiting) return false;
    const nowMs = this.deps.clock.monoMs();
    const earned = ((nowMs - this.budgetAtMs) / 1000) * REQUESTS_PER_SECOND;
    this.budget = Math.min(REQUESTS_PER_SECOND, this.budget + earned);
    this.budgetAtMs = nowMs;
    if (this.budget < 1) {
      this.pause(((1 - this.budget) / REQUESTS_PER_SECOND) * 1000, () => this.resume());
      return false;
    }
    this.budget -= 1;
    return true;
  }

  /** The beginning of a request may not lie around for ever. */
  private watchFrame(isNew: boolean): void {
    if (isNew || this.waiting.length === 0) {
      this.cancelFrame?.();
      this.cancelFrame = undefined;
    }
    if (this.waiting.length > 0 && !this.isWaiting)
      this.cancelFrame ??= this.deps.clock.after(FRAME_DEADLINE_MS, () => this.end('a request was not finished'));
  }

  private pause(ms: number, then: () => void): void {
    this.isWaiting = true;
    this.socket.pause();
    this.cancelWait();
    this.cancelWait = this.deps.clock.after(ms, then);
  }

  private resume(): void {
    this.cancelWait();
    this.isWaiting = false;
    if (this.socket.destroyed) return;
    this.socket.resume();
    this.work();
  }
}
