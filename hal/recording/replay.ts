/** Answers questions as they were answered in a recording. */
import type { Clock } from '../../src/core/clock.ts';
import { LONGEST_FRAME_BYTES, type Request, unwrap, wrap } from '../mock/framing.ts';
import { hexOf } from './recording.ts';
import {
  differing,
  type Exchange,
  keyOf,
  type Piece,
  type RecordedLine,
  transactionOf,
} from './recording-exchanges.ts';

/** Whoever is served: a TCP connection, a pseudo terminal, a test. */
interface ReplayPeer {
  send(bytes: Uint8Array): void;
  /** Ends the connection, and refuses others for so long, ms. */
  hangUp(forMs: number): void;
}

/** A connection that is served. */
interface ReplayConnection {
  /** Takes what the other side sent. */
  receive(bytes: Uint8Array): void;
  /** The connection is gone: what was still to be sent is not sent. */
  end(): void;
}

/** What a replay tells as it goes. */
interface ReplayEvents {
  /** A question came that is not in the recording; `request` names it. Told each time. */
  onNotRecorded(request: string): void;
  /** Every recorded answer to a question was played, for the first time: from now on they are played again. */
  onPlayedOut(): void;
}

/** How a line is played. */
interface ReplayOptions {
  readonly line: RecordedLine;
  readonly clock: Clock;
  /** 2 plays twice as fast. */
  readonly speed: number;
  /**
   * Whether a recorded serial line is served over a network, where bytes take no time: then the time that question and
   * answer took on the wire is taken off, as the other side does not add it to its deadline either.
   */
  readonly overNetwork: boolean;
  readonly events: ReplayEvents;
}

/** What was played. */
interface ReplayCounts {
  /** Questions that came. */
  asked: number;
  /** Of them: found in the recording, and not. */
  recorded: number;
  notRecorded: number;
  /** Recorded exchanges that were played at least once. */
  played: number;
}

/** Modbus: the target behind a gateway does not answer. What the replay says where the recording has nothing to say. */
const TARGET_FAILED = 0x0b;

/** What may come in one piece; more is a peer that speaks something else. */
const MOST_BUFFERED_BYTES = 16 * LONGEST_FRAME_BYTES;

/** Answers of one connection that may be under way at once; further questions go unanswered. */
const MOST_UNDER_WAY = 64;

/** Times of a recording are whole µs; what is nearer than this is now, or a timer might be set again and again for nothing. */
const ROUNDING_MS = 0.0005;

/** Rest before what a device sent by itself is played again, ms. */
const REST_MS = 1000;

/**
 * Plays a recorded line: answers each question with what followed the same question in the recording, in recorded order and
 * with its timing and faults. Lines that a device sent by itself are played from the connection on. What is not in the
 * recording gets exception 0B, or silence where a serial line has no such unit.
 */
export class ReplayPlayer {
  readonly counts: ReplayCounts = { asked: 0, recorded: 0, notRecorded: 0, played: 0 };
  readonly line: RecordedLine;
  private readonly options: ReplayOptions;
  private readonly byKey = new Map<string, { readonly exchanges: Exchange[]; next: number; rounds: number }>();
  private readonly units = new Set<number>();
  private hasPlayedOut = false;

  constructor(options: ReplayOptions) {
    this.options = options;
    this.line = options.line;
    const { framing } = options.line.channel;
    for (const exchange of options.line.exchanges) {
      const known = this.byKey.get(exchange.key);
      if (known) known.exchanges.push(exchange);
      else this.byKey.set(exchange.key, { exchanges: [exchange], next: 0, rounds: 0 });
      if (framing !== 'text') this.units.add(exchange.question[framing === 'rtu' ? 0 : 6]!);
    }
  }

  /** Serves one more connection. */
  attach(peer: ReplayPeer): ReplayConnection {
    const waiting = new Set<() => void>();
    let buffer: Uint8Array = new Uint8Array(0);
    if (this.line.uncalled.length > 0) this.playUncalled(peer, waiting);
    return {
      receive: (bytes) => {
        const joined = Buffer.concat([buffer, bytes]);
        if (joined.length > MOST_BUFFERED_BYTES) {
          buffer = new Uint8Array(0);
          peer.hangUp(0);
          return;
        }
        buffer = this.serve(joined, peer, waiting);
      },
      end() {
        for (const cancel of waiting) cancel();
        waiting.clear();
      },
    };
  }

  /** Answers the questions in front of `bytes`; gives what is left. */
  private serve(bytes: Uint8Array, peer: ReplayPeer, waiting: Set<() => void>): Uint8Array {
    const { framing } = this.line.channel;
    if (framing === 'text') return this.serveText(bytes, peer, waiting);
    let rest = bytes;
    for (;;) {
      const unwrapped = unwrap(rest, framing);
      if (unwrapped.kind === 'more') return rest;
      const question = rest.subarray(0, unwrapped.used);
      rest = rest.subarray(unwrapped.used);
      if (unwrapped.kind === 'request') this.answer(question.slice(), unwrapped.request, peer, waiting);
      else if (framing === 'tcp') {
        peer.hangUp(0);
        return new Uint8Array(0);
      }
    }
  }

  private serveText(bytes: Uint8Array, peer: ReplayPeer, waiting: Set<() => void>): Uint8Array {
    let rest = hexOf(bytes);
    while (rest !== '') {
      const keys = [...this.byKey.keys()].filter((key) => rest.startsWith(key));
      const key = keys.sort((a, b) => b.length - a.length)[0];
      if (key === undefined) {
        if ([...this.byKey.keys()].some((each) => each.startsWith(rest))) break;
        this.counts.asked++;
        this.refuse(`text ${JSON.stringify(Buffer.from(rest, 'hex').toString('latin1').slice(0, 80))}`);
        return new Uint8Array(0);
      }
      this.counts.asked++;
      this.play(key, Buffer.from(key, 'hex'), peer, waiting);
      rest = rest.slice(key.length);
    }
    return Buffer.from(rest, 'hex');
  }

  private answer(question: Uint8Array, request: Request, peer: ReplayPeer, waiting: Set<() => void>): void {
    const framing = this.line.channel.framing === 'tcp' ? 'tcp' : 'rtu';
    this.counts.asked++;
    const key = keyOf(question, framing);
    if (this.byKey.has(key)) {
      this.play(key, question, peer, waiting);
      return;
    }
    this.refuse(describe(request));
    const isSilent = framing === 'rtu' && !this.units.has(request.unit);
    if (!isSilent) peer.send(wrap(Uint8Array.of(request.pdu[0]! | 0x80, TARGET_FAILED), request, framing));
  }

  private refuse(request: string): void {
    this.counts.notRecorded++;
    this.options.events.onNotRecorded(request);
  }

  private play(key: string, question: Uint8Array, peer: ReplayPeer, waiting: Set<() => void>): void {
    const queue = this.byKey.get(key)!;
    const exchange = queue.exchanges[queue.next]!;
    this.counts.recorded++;
    if (queue.rounds === 0) this.counts.played++;
    queue.next = (queue.next + 1) % queue.exchanges.length;
    if (queue.next === 0) queue.rounds++;
    if (waiting.size < MOST_UNDER_WAY) this.send(exchange, question, peer, waiting);
    if (queue.next !== 0 || this.hasPlayedOut) return;
    this.hasPlayedOut = true;
    this.options.events.onPlayedOut();
  }

  private send(exchange: Exchange, question: Uint8Array, peer: ReplayPeer, waiting: Set<() => void>): void {
    const { channel } = this.line;
    const { speed, overNetwork } = this.options;
    const wireMs = overNetwork && channel.framing === 'rtu' ? wireMsOf(exchange.question, channel.characterMs) : 0;
    const afterMs = (us: number): number => Math.max(0, us / 1000 - wireMs) / speed;
    const bytesOf = ({ bytes, transactionAt }: Piece): Uint8Array =>
      transactionAt ? differing(bytes, transactionAt, transactionOf(question)) : bytes;
    const steps = exchange.pieces.map((piece) => ({
      afterMs: afterMs(piece.afterUs),
      act: () => peer.send(bytesOf(piece)),
    }));
    const { loss } = exchange;
    if (loss) steps.push({ afterMs: afterMs(loss.afterUs), act: () => peer.hangUp(loss.forUs / 1000 / speed) });
    this.inTurn(steps, waiting);
  }

  /** Takes one step after the other, each so long after now; with one timer, however many they are. */
  private inTurn(steps: readonly { afterMs: number; act(): void }[], waiting: Set<() => void>): void {
    const { clock } = this.options;
    const startMs = clock.monoMs();
    let next = 0;
    let cancel = (): void => {};
    const stop = (): void => cancel();
    const go = (): void => {
      while (next < steps.length && steps[next]!.afterMs - (clock.monoMs() - startMs) <= ROUNDING_MS)
        steps[next++]!.act();
      if (next === steps.length) waiting.delete(stop);
      else cancel = clock.after(steps[next]!.afterMs - (clock.monoMs() - startMs), go);
    };
    waiting.add(stop);
    go();
  }

  private playUncalled(peer: ReplayPeer, waiting: Set<() => void>): void {
    const { speed, events } = this.options;
    const { uncalled } = this.line;
    const steps = uncalled.map(({ afterUs, bytes }) => ({
      afterMs: afterUs / 1000 / speed,
      act: () => peer.send(bytes),
    }));
    const again = (): void => {
      if (!this.hasPlayedOut) events.onPlayedOut();
      this.hasPlayedOut = true;
      this.playUncalled(peer, waiting);
    };
    this.inTurn([...steps, { afterMs: steps.at(-1)!.afterMs + REST_MS / speed, act: again }], waiting);
  }
}

/** Time of a question and of its whole answer on the wire, ms. */
function wireMsOf(question: Uint8Array, characterMs: number): number {
  return (question.length + answerBytes(question)) * characterMs;
}

/** Length of the RTU answer to a question: of a read its count says it; of a write, and else roughly, it is 8. */
function answerBytes(question: Uint8Array): number {
  const count = ((question[4] ?? 0) << 8) | (question[5] ?? 0);
  const functionCode = question[1];
  if (functionCode === 1 || functionCode === 2) return 5 + Math.ceil(count / 8);
  return functionCode === 3 || functionCode === 4 ? 5 + 2 * count : 8;
}

const FUNCTIONS: Readonly<Record<number, string>> = {
  1: 'coil',
  2: 'discrete',
  3: 'holding',
  4: 'input',
  5: 'write coil',
  6: 'write holding',
  15: 'write coil',
  16: 'write holding',
  22: 'mask holding',
};

/** A request for a person: `unit 3 holding:100 ×10`. */
function describe({ unit, pdu }: Request): string {
  const word = (at: number): number => ((pdu[at] ?? 0) << 8) | (pdu[at + 1] ?? 0);
  const name = FUNCTIONS[pdu[0]!];
  if (name === undefined) return `unit ${unit} function ${pdu[0]}`;
  const hasCount = pdu[0]! <= 4 || pdu[0] === 15 || pdu[0] === 16;
  return `unit ${unit} ${name}:${word(1)}${hasCount ? ` ×${word(3)}` : ''}`;
}
