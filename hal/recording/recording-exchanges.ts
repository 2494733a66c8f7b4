/** Takes the bytes of a recording apart into questions and answers. */
import { hexOf, type RecordedChannel, type RecordedEvent, type RecordedFraming } from './recording.ts';

/** Bytes that came some time after what they belong to. */
export interface Piece {
  readonly afterUs: number;
  readonly bytes: Uint8Array;
  /**
   * Modbus TCP: where in `bytes` the high and the low byte of the transaction id are, if they are in this piece. There the
   * piece holds the difference (exclusive or) to the question's id: 0 is the right one, also when it is asked under another.
   */
  readonly transactionAt?: Places;
}

/** Where high and low bytes of transaction ids are in a piece. */
interface Places {
  readonly high: readonly number[];
  readonly low: readonly number[];
}

/** A question and everything that came because of it, or at least after it. */
export interface Exchange {
  /** When it was asked, µs since the recording began. */
  readonly us: number;
  /** The question without what differs each time: see {@link keyOf}. */
  readonly key: string;
  /** One array for all exchanges of a key; of Modbus TCP it has the transaction id of the first. */
  readonly question: Uint8Array;
  /** Modbus TCP: the id that it was asked under. */
  readonly transaction: number;
  readonly pieces: Piece[];
  /**
   * The connection was lost so long after the question, and could not be had again for so long: 0 when the first attempt
   * succeeded, else until between the last attempt that failed and the one that succeeded.
   */
  loss?: { readonly afterUs: number; readonly forUs: number };
}

/** A recorded channel as it can be served. */
export interface RecordedLine {
  readonly name: string;
  readonly channel: RecordedChannel;
  /** In the order they were asked. */
  readonly exchanges: readonly Exchange[];
  /** What came before anything was asked, from the connection on: lines of text that a device sends by itself. */
  readonly uncalled: readonly Piece[];
  /** Modbus: bytes that came before the first question, which belong to nothing that was recorded and are not served. */
  readonly strayBytes: number;
  /** Why there was no connection, the last time there was none. */
  readonly failure: string | undefined;
  /** Time of its last event. */
  readonly lastUs: number;
}

/** Modbus TCP: bytes of transaction, protocol and length, and the longest and shortest body a length may give. */
const HEADER_BYTES = 6;
const LONGEST_BODY_BYTES = 254;
const SHORTEST_BODY_BYTES = 2;

/** An answer that is later than this carries the id of a question by chance: ids are used again. Twice the longest timeout. */
const LONGEST_OWED_US = 120_000_000;

/**
 * What makes two questions the same: unit, function and data of Modbus, without checksum and transaction id; a request of
 * text as it is. Hexadecimal.
 */
export function keyOf(question: Uint8Array, framing: RecordedFraming): string {
  if (framing === 'text') return hexOf(question);
  return hexOf(framing === 'rtu' ? question.subarray(0, -2) : question.subarray(HEADER_BYTES));
}

/**
 * Puts the events of one channel together to exchanges, one event after the other, so that a recording of any length can be
 * taken in as it is read. What came belongs to the question before it; where Modbus TCP names the question, to that one.
 */
export class LineBuilder {
  private readonly name: string;
  private readonly channel: RecordedChannel;
  private readonly exchanges: Exchange[] = [];
  private readonly uncalled: Piece[] = [];
  /** Each question once, by its key: long recordings ask the same ones again and again. */
  private readonly questions = new Map<string, { readonly key: string; readonly question: Uint8Array }>();
  /** Questions of this connection by transaction id. */
  private readonly byTransaction = new Map<number, Exchange>();
  private stream = new TcpStream();
  private latest: Exchange | undefined;
  private openedUs = 0;
  private lostUs: number | undefined;
  private lostAfter: Exchange | undefined;
  private failedUs: number | undefined;
  private connectingUs = 0;
  private strayBytes = 0;
  private failure: string | undefined;
  private lastUs = 0;

  constructor(name: string, channel: RecordedChannel) {
    this.name = name;
    this.channel = channel;
  }

  /** Takes the next event of this channel. */
  add({ us, event }: RecordedEvent): void {
    this.lastUs = us;
    switch (event.what) {
      case 'out':
        this.ask(us, event.bytes);
        return;
      case 'in':
        this.hear(us, event.bytes);
        return;
      case 'open':
        this.endLoss(this.connectingUs);
        this.openedUs = us;
        this.failure = undefined;
        this.endConnection();
        return;
      case 'lost':
        this.lostUs = us;
        this.lostAfter = this.latest;
        this.failure = event.why;
        this.endConnection();
        return;
      case 'failed':
        this.failedUs = us;
        this.failure = event.why;
        return;
      case 'closed':
        this.endConnection();
        return;
      case 'connecting':
        this.connectingUs = us;
        return;
    }
  }

  /** The channel as far as it was taken in. */
  line(): RecordedLine {
    this.endLoss(this.lastUs);
    this.flush();
    const { name, channel, exchanges, uncalled, strayBytes, failure, lastUs } = this;
    return { name, channel, exchanges, uncalled, strayBytes, failure, lastUs };
  }

  private ask(us: number, question: Uint8Array): void {
    const { framing } = this.channel;
    const key = keyOf(question, framing);
    const known = this.questions.get(key) ?? { key, question };
    this.questions.set(key, known);
    const transaction = transactionOf(question);
    const exchange: Exchange = { us, ...known, transaction, pieces: [] };
    this.exchanges.push(exchange);
    this.latest = exchange;
    if (framing === 'tcp') this.byTransaction.set(transaction, exchange);
  }

  private hear(us: number, bytes: Uint8Array): void {
    if (this.channel.framing !== 'tcp') {
      this.attach(this.latest, { us, bytes });
      return;
    }
    this.stream.push({ us, bytes, after: this.latest });
    for (let frame = this.stream.take(); frame; frame = this.stream.take()) this.attachFrame(frame);
  }

  private attachFrame({ transaction, chunks }: TcpFrame): void {
    const named = transaction === undefined ? undefined : this.byTransaction.get(transaction);
    const isOwed = named && chunks[0]!.us - named.us <= LONGEST_OWED_US;
    for (const chunk of chunks) this.attach(isOwed ? named : chunk.after, chunk);
  }

  private attach(owner: Exchange | undefined, { us, bytes, transactionAt }: Omit<Chunk, 'after'>): void {
    if (owner) {
      const afterUs = us - owner.us;
      const piece = transactionAt
        ? { afterUs, bytes: differing(bytes, transactionAt, owner.transaction), transactionAt }
        : { afterUs, bytes };
      const before = owner.pieces.at(-1);
      // What came in one piece goes in one piece, also when it was two frames.
      if (before?.afterUs === afterUs) owner.pieces[owner.pieces.length - 1] = joined(before, piece);
      else owner.pieces.push(piece);
    } else if (this.channel.framing === 'text') this.uncalled.push({ afterUs: us - this.openedUs, bytes });
    else this.strayBytes += bytes.length;
  }

  private endLoss(nextUs: number): void {
    const { lostUs, lostAfter, failedUs } = this;
    this.lostUs = this.lostAfter = this.failedUs = undefined;
    if (lostUs === undefined || !lostAfter) return;
    const forUs = failedUs === undefined ? 0 : Math.max(failedUs, (failedUs + nextUs) / 2) - lostUs;
    lostAfter.loss = { afterUs: lostUs - lostAfter.us, forUs };
  }

  /** Nothing that comes by another connection belongs to the questions of this one. */
  private endConnection(): void {
    this.flush();
    this.byTransaction.clear();
    this.latest = undefined;
  }

  /** What is left of a frame that never became whole was on the wire all the same. */
  private flush(): void {
    const rest = this.stream.rest();
    this.stream = new TcpStream();
    if (rest) this.attachFrame(rest);
  }
}

interface Chunk {
  readonly us: number;
  readonly bytes: Uint8Array;
  /** The latest question when it came. */
  readonly after: Exchange | undefined;
  readonly transactionAt?: Places;
}

/** A frame of Modbus TCP, or bytes that are none, in the pieces they came in. */
interface TcpFrame {
  readonly transaction: number | undefined;
  readonly chunks: readonly Chunk[];
}

/** Cuts what came into frames. Its memory is bounded by the longest frame: what does not begin like one is given out at once. */
class TcpStream {
  private chunks: Chunk[] = [];
  private length = 0;

  push(chunk: Chunk): void {
    this.chunks.push(chunk);
    this.length += chunk.bytes.length;
  }

  take(): TcpFrame | undefined {
    if (this.length < HEADER_BYTES) return undefined;
    const [transaction, protocol, body] = [0, 2, 4].map((at) => (this.byte(at) << 8) | this.byte(at + 1));
    if (protocol !== 0 || body! < SHORTEST_BODY_BYTES || body! > LONGEST_BODY_BYTES)
      return { transaction: undefined, chunks: this.cut(this.length) };
    const bytes = HEADER_BYTES + body!;
    return this.length < bytes ? undefined : { transaction, chunks: marked(this.cut(bytes)) };
  }

  /** What is there and is no whole frame. */
  rest(): TcpFrame | undefined {
    if (this.length === 0) return undefined;
    const transaction = this.length < 2 ? undefined : (this.byte(0) << 8) | this.byte(1);
    const chunks = this.cut(this.length);
    return { transaction, chunks: transaction === undefined ? chunks : marked(chunks) };
  }

  private byte(at: number): number {
    let before = 0;
    for (const { bytes } of this.chunks) {
      if (at < before + bytes.length) return bytes[at - before]!;
      before += bytes.length;
    }
    return 0;
  }

  private cut(length: number): Chunk[] {
    const taken: Chunk[] = [];
    let left = length;
    while (left > 0) {
      const chunk = this.chunks[0]!;
      if (chunk.bytes.length > left) {
        taken.push({ ...chunk, bytes: chunk.bytes.subarray(0, left) });
        this.chunks[0] = { ...chunk, bytes: chunk.bytes.subarray(left) };
        left = 0;
      } else {
        taken.push(chunk);
        this.chunks.shift();
        left -= chunk.bytes.length;
      }
    }
    this.length -= length;
    return taken;
  }
}

/** Says where the transaction id is: the first two bytes, in one piece or in two. */
function marked(chunks: readonly Chunk[]): Chunk[] {
  let before = 0;
  return chunks.map((chunk) => {
    const high = before === 0 ? [0] : [];
    const low = before <= 1 && before + chunk.bytes.length > 1 ? [1 - before] : [];
    before += chunk.bytes.length;
    return high.length + low.length === 0 ? chunk : { ...chunk, transactionAt: { high, low } };
  });
}

/** The piece with its transaction ids as differences to `transaction`. Applied twice it is the piece again. */
export function differing(bytes: Uint8Array, { high, low }: Places, transaction: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  for (const at of high) changed[at]! ^= transaction >> 8;
  for (const at of low) changed[at]! ^= transaction & 0xff;
  return changed;
}

function joined(first: Piece, second: Piece): Piece {
  const shifted = (places: readonly number[] = []): number[] => places.map((at) => at + first.bytes.length);
  return {
    afterUs: first.afterUs,
    bytes: Buffer.concat([first.bytes, second.bytes]),
    transactionAt: {
      high: [...(first.transactionAt?.high ?? []), ...shifted(second.transactionAt?.high)],
      low: [...(first.transactionAt?.low ?? []), ...shifted(second.transactionAt?.low)],
    },
  };
}

/** The transaction id of a question of Modbus TCP. */
export function transactionOf(question: Uint8Array): number {
  return ((question[0] ?? 0) << 8) | (question[1] ?? 0);
}
