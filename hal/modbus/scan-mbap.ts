import { MAX_MBAP_BYTES } from './line/frame.ts';

/** One frame of a Modbus TCP stream. */
export interface MbapFrame {
  readonly transaction: number;
  readonly unit: number;
  readonly pdu: Uint8Array;
}

/** What a Modbus TCP stream holds: whole frames, and how many bytes they took; or that it is none. */
export type MbapScan =
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
