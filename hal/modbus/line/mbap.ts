/** Cuts a Modbus TCP stream into frames, and finds its way again after bytes that belong to no frame. Pure. */
import { MAX_MBAP_BYTES, type Question } from './frame.ts';

/** One frame of a Modbus TCP stream. */
export interface MbapFrame {
  readonly transaction: number;
  readonly unit: number;
  readonly pdu: Uint8Array;
  /** The length in its header, where that is not the length that the frame has. */
  readonly wrongLength?: number;
}

/** What a stream holds from its beginning on. */
interface MbapScan {
  readonly frames: readonly MbapFrame[];
  /** Bytes of frames and of noise that were taken off; the rest may be the beginning of a frame. */
  readonly taken: number;
  /** Bytes among those taken that belonged to no frame. */
  readonly noise: Uint8Array;
}

/** What a transaction id stands for: a question under way, one that was given up, or nothing. */
export type Transaction = Question | 'late' | undefined;

/** Transaction, protocol, length and unit (Messaging on TCP/IP V1.0b, 3.1.3), and the function code. */
const HEADER_BYTES = 7;
const LEAST_BYTES = HEADER_BYTES + 1;

/**
 * Cuts a stream into frames.
 *
 * A frame is known by its transaction id and protocol id. The answer to a read also names its own byte count: where
 * that is the expected one, the length in the header is not believed against it. A header of a transaction that is not
 * known may be noise; while such a frame is incomplete, an answer that stands whole behind it is taken.
 *
 * @param transactionOf what a transaction id stands for
 * @param isQuiet nothing more will come: what is incomplete is noise
 */
export function scanMbap(bytes: Uint8Array, transactionOf: (id: number) => Transaction, isQuiet: boolean): MbapScan {
  const frames: MbapFrame[] = [];
  const noise: number[] = [];
  let taken = 0;
  for (let at = 0; at < bytes.length; ) {
    const found = frameAt(bytes, at, transactionOf);
    if (found.kind === 'whole') {
      noise.push(...bytes.subarray(taken, at));
      frames.push(found.frame);
      at += found.bytes;
      taken = at;
      continue;
    }
    // A frame of ours is waited for; anything else may be looked behind, but is kept until it is plain what it is.
    if (found.kind === 'ours' && !isQuiet) return { frames, taken: skipped(at), noise: Uint8Array.from(noise) };
    at++;
  }
  const keptFrom = isQuiet ? bytes.length : firstPossible(bytes, taken, transactionOf);
  return { frames, taken: skipped(keptFrom), noise: Uint8Array.from(noise) };

  function skipped(to: number): number {
    noise.push(...bytes.subarray(taken, to));
    return to;
  }
}

type Found =
  | { readonly kind: 'whole'; readonly frame: MbapFrame; readonly bytes: number }
  /** A frame of a known transaction, of which bytes are missing. */
  | { readonly kind: 'ours' }
  /** What may become a frame, of nobody we know or without a whole header. */
  | { readonly kind: 'possible' }
  | { readonly kind: 'no' };

function frameAt(bytes: Uint8Array, at: number, transactionOf: (id: number) => Transaction): Found {
  const left = bytes.length - at;
  if (left >= 3 && bytes[at + 2] !== 0) return { kind: 'no' };
  if (left >= 4 && bytes[at + 3] !== 0) return { kind: 'no' };
  if (left < LEAST_BYTES) return { kind: 'possible' };
  const transaction = word(bytes, at);
  const named = word(bytes, at + 4);
  const known = transactionOf(transaction);
  const pduBytes = pduBytesAt(bytes, at, named, known);
  if (pduBytes === undefined) return { kind: 'no' };
  const end = at + HEADER_BYTES + pduBytes;
  if (end > bytes.length) return { kind: known === undefined ? 'possible' : 'ours' };
  const frame = { transaction, unit: bytes[at + 6]!, pdu: bytes.subarray(at + HEADER_BYTES, end) };
  const isWrong = named !== pduBytes + 1;
  return { kind: 'whole', frame: isWrong ? { ...frame, wrongLength: named } : frame, bytes: end - at };
}

/** The length of the PDU at `at`: what the answer to a question says of itself, or else what its header says. */
function pduBytesAt(bytes: Uint8Array, at: number, named: number, known: Transaction): number | undefined {
  if (typeof known === 'object') {
    const code = bytes[at + HEADER_BYTES]!;
    if (code === (known.code | 0x80)) return 2;
    const expected = known.answerPduBytes;
    const ownCount = bytes[at + LEAST_BYTES];
    if (code === known.code && expected !== undefined) {
      if (known.request.kind !== 'read' || ownCount === undefined || ownCount === expected - 2) return expected;
    }
  }
  return named >= 3 && named <= MAX_MBAP_BYTES - 6 ? named - 1 : undefined;
}

/** Where the first thing stands that more bytes could make a frame. */
function firstPossible(bytes: Uint8Array, from: number, transactionOf: (id: number) => Transaction): number {
  let at = from;
  while (at < bytes.length && frameAt(bytes, at, transactionOf).kind === 'no') at++;
  return at;
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
