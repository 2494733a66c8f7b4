/** Finds the answer to one question in the bytes of an RTU line. */
import {
  encodeRtu,
  hasValidCrc,
  identificationPduBytes,
  type Judgement,
  judgePdu,
  MAX_RTU_BYTES,
  type Question,
} from './frame.ts';

/** What was found between the start of the buffer and the answer, or the end. */
export type Oddity =
  | { readonly kind: 'echo'; readonly bytes: number }
  | { readonly kind: 'frame'; readonly unit: number; readonly code: number; readonly bytes: number }
  | { readonly kind: 'noise'; readonly bytes: number };

/** The state of one question on an RTU line. */
export type RtuScan =
  | { readonly kind: 'answer'; readonly data: Uint8Array; readonly oddities: readonly Oddity[] }
  | { readonly kind: 'exception'; readonly code: number; readonly oddities: readonly Oddity[] }
  /**
   * Not yet. `clean`: what is there is the beginning of the answer and nothing else. `damaged`: a frame with our unit,
   * function and length stands where the answer belongs, but its checksum is wrong.
   */
  | {
      readonly kind: 'more';
      readonly clean: boolean;
      readonly damaged: boolean;
      readonly oddities: readonly Oddity[];
    };

/** What the line knows when it looks. */
interface ScanContext {
  /** No byte has come for so long that none will follow. */
  readonly quiet: boolean;
  /** The line is known to echo: the first copy of a question that is answered by itself is the echo. */
  readonly expectEcho: boolean;
  /** False while an exception could as well belong to an earlier question: it is then stepped over. */
  readonly believeExceptions: boolean;
}

/** A question with the bytes that were sent for it. */
export interface RtuQuestion extends Question {
  readonly frame: Uint8Array;
}

/** Prepares a question for an RTU line. */
export function rtuQuestion(question: Question): RtuQuestion {
  return { ...question, frame: encodeRtu(question.unit, question.pdu) };
}

type Candidate = { readonly kind: 'no' | 'short' | 'damaged' } | { readonly kind: 'whole'; readonly bytes: number };

const NO: Candidate = { kind: 'no' };
const SHORT: Candidate = { kind: 'short' };
const DAMAGED: Candidate = { kind: 'damaged' };

/**
 * Looks for the answer to one question in what the line gave since it was asked.
 *
 * The whole frames of other units, other functions or other lengths are stepped over as wholes, so that nothing inside
 * them is taken for an answer; the echo of the question is stripped; other bytes are noise. An answer that comes
 * after bytes which may still become a longer frame is believed only when the line has fallen quiet.
 */
export function scanRtu(bytes: Uint8Array, question: RtuQuestion, context: ScanContext): RtuScan {
  const oddities: Oddity[] = [];
  let at = 0;
  let noise = 0;
  let damaged = false;
  let echoed = false;
  const stepOver = (oddity: Oddity): void => {
    if (noise > 0) oddities.push({ kind: 'noise', bytes: noise });
    noise = 0;
    oddities.push(oddity);
    at += oddity.bytes;
  };
  while (at < bytes.length) {
    const mayEcho = !echoed && (context.expectEcho || !question.answeredByItself);
    if (mayEcho && startsWith(bytes, at, question.frame)) {
      echoed = true;
      stepOver({ kind: 'echo', bytes: question.frame.length });
      continue;
    }
    const ours = answerAt(bytes, at, question);
    if (ours.kind === 'whole') {
      const judged = judgePdu(question, bytes.subarray(at + 1, at + ours.bytes - 2));
      if (judged.kind === 'answer' || (judged.kind === 'exception' && context.believeExceptions))
        return settled(judged, noise, oddities);
    }
    const other = frameAt(bytes, at);
    if (other.kind === 'whole') {
      stepOver({ kind: 'frame', unit: bytes[at]!, code: bytes[at + 1]!, bytes: other.bytes });
      continue;
    }
    if (ours.kind === 'damaged' && noise === 0) damaged = true;
    if (!context.quiet && (ours.kind === 'short' || other.kind === 'short'))
      return { kind: 'more', clean: at === 0 && ours.kind === 'short', damaged, oddities };
    noise++;
    at++;
  }
  if (noise > 0) oddities.push({ kind: 'noise', bytes: noise });
  return { kind: 'more', clean: bytes.length === 0, damaged, oddities };
}

function settled(judged: Exclude<Judgement, { kind: 'other' }>, noise: number, oddities: Oddity[]): RtuScan {
  if (noise > 0) oddities.push({ kind: 'noise', bytes: noise });
  return judged.kind === 'answer'
    ? { kind: 'answer', data: judged.data, oddities }
    : { kind: 'exception', code: judged.code, oddities };
}

function startsWith(bytes: Uint8Array, at: number, frame: Uint8Array): boolean {
  if (at + frame.length > bytes.length) return false;
  for (let index = 0; index < frame.length; index++) if (bytes[at + index] !== frame[index]) return false;
  return true;
}

/** Whether the answer to `question` stands at `at`, by its header, its length and its checksum. */
function answerAt(bytes: Uint8Array, at: number, question: RtuQuestion): Candidate {
  if (bytes[at] !== question.unit) return NO;
  const left = bytes.length - at;
  if (left < 2) return SHORT;
  const code = bytes[at + 1]!;
  if (code === (question.code | 0x80)) return check(bytes, at, 5);
  if (code !== question.code) return NO;
  if (question.request.kind === 'read') {
    if (left < 3) return SHORT;
    return bytes[at + 2] === question.answerPduBytes! - 2 ? check(bytes, at, question.answerPduBytes! + 3) : NO;
  }
  if (question.request.kind === 'report-server-id') return left < 3 ? SHORT : check(bytes, at, 5 + bytes[at + 2]!);
  if (question.request.kind === 'read-identification') {
    const length = identificationPduBytes(bytes, at + 1, bytes.length);
    return length === undefined ? SHORT : length === 0 ? NO : check(bytes, at, length + 3);
  }
  return check(bytes, at, question.answerPduBytes! + 3);
}

function check(bytes: Uint8Array, at: number, length: number): Candidate {
  if (length > MAX_RTU_BYTES) return NO;
  if (at + length > bytes.length) return SHORT;
  return hasValidCrc(bytes, at, at + length) ? { kind: 'whole', bytes: length } : DAMAGED;
}

/** Any Modbus frame at `at`, question or answer of anyone, in any of the lengths its function allows. */
function frameAt(bytes: Uint8Array, at: number): Candidate {
  const left = bytes.length - at;
  if (bytes[at]! > 247) return NO;
  if (left < 3) return SHORT;
  let short = false;
  for (const length of frameLengths(bytes, at)) {
    if (length > MAX_RTU_BYTES) continue;
    if (length > left) short = true;
    else if (hasValidCrc(bytes, at, at + length)) return { kind: 'whole', bytes: length };
  }
  return short ? SHORT : NO;
}

function frameLengths(bytes: Uint8Array, at: number): number[] {
  const code = bytes[at + 1]!;
  if (code > 0x80) return [5];
  if (code >= 1 && code <= 4) return [8, 5 + bytes[at + 2]!];
  if (code === 5 || code === 6 || code === 8) return [8];
  if (code === 15 || code === 16) return at + 6 < bytes.length ? [8, 9 + bytes[at + 6]!] : [8];
  if (code === 17) return [4, 5 + bytes[at + 2]!];
  if (code === 22) return [10];
  if (code === 0x2b) {
    const length = identificationPduBytes(bytes, at + 1, bytes.length);
    return length === undefined ? [7, MAX_RTU_BYTES] : [7, length + 3];
  }
  return [];
}
