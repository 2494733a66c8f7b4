import type { Random } from '../../src/core/random.ts';
import { mbapFrame, rtuFrame } from './modbus-slave.ts';

/** What can happen to one transaction. */
export const FAULTS = [
  'flip',
  'late',
  'split',
  'duplicated',
  'echo',
  'wrong-unit',
  'wrong-function',
  'wrong-length',
  'truncated',
  'noise',
  'silence',
  'exception',
  'lost-question',
] as const;
export type Fault = (typeof FAULTS)[number];

/** Share of the transactions that each fault happens to; the rest go well. */
export type FaultShares = Partial<Record<Fault, number>>;

/** Bytes sent some time after the question. */
export interface Piece {
  readonly afterMs: number;
  readonly bytes: Uint8Array;
}

/** One transaction as the slave sees it. */
export interface Exchange {
  readonly framing: 'rtu' | 'mbap';
  readonly transaction: number;
  readonly unit: number;
  /** The question as it was sent. */
  readonly question: Uint8Array;
  readonly answer: Uint8Array;
  /** Units that a wrong unit is picked from. */
  readonly units: readonly number[];
}

/** Times of the slaves, ms. */
export interface FaultTimes {
  readonly turnaroundMs: number;
  /** A late answer comes at any time between these, from the question on. */
  readonly lateMs: readonly [number, number];
  /** Longest rest between the pieces of a split answer. */
  readonly splitMs: number;
}

/** Picks what happens to the next transaction. */
export function pickFault(shares: FaultShares, random: Random): Fault | undefined {
  let left = random();
  for (const fault of FAULTS) {
    left -= shares[fault] ?? 0;
    if (left < 0) return fault;
  }
  return undefined;
}

/** What the slave sends for one transaction, and when. */
export function disturbed(fault: Fault | undefined, exchange: Exchange, times: FaultTimes, random: Random): Piece[] {
  const { turnaroundMs } = times;
  const whole = (bytes: Uint8Array, afterMs = turnaroundMs): Piece[] => [{ afterMs, bytes }];
  const good = framed(exchange, exchange.unit, exchange.answer);
  const pick = (count: number) => Math.floor(random() * count);
  switch (fault) {
    case undefined:
      return whole(good);
    case 'flip': {
      // TCP has a checksum of its own, so that a flip there is a broken converter: here, in the transaction id, far off.
      const bytes = good.slice();
      bytes[pick(exchange.framing === 'rtu' ? bytes.length : 1)]! ^= 1 + pick(255);
      return whole(bytes);
    }
    case 'late':
      return whole(good, times.lateMs[0] + random() * (times.lateMs[1] - times.lateMs[0]));
    case 'split':
      return split(good, times, random);
    case 'duplicated':
      return whole(Uint8Array.of(...good, ...good));
    case 'echo':
      return [{ afterMs: 0, bytes: exchange.question }, ...whole(good)];
    case 'wrong-unit': {
      const others = exchange.units.filter((unit) => unit !== exchange.unit);
      return whole(framed(exchange, others[pick(others.length)] ?? exchange.unit + 1, exchange.answer));
    }
    case 'wrong-function':
      return whole(
        framed(exchange, exchange.unit, Uint8Array.of(exchange.answer[0]! ^ 7, ...exchange.answer.subarray(1))),
      );
    case 'wrong-length': {
      const longer = Uint8Array.of(exchange.answer[0]!, exchange.answer[1]! + 2, ...exchange.answer.subarray(2), 1, 2);
      return whole(framed(exchange, exchange.unit, longer));
    }
    case 'truncated':
      return exchange.framing === 'rtu' ? whole(good.slice(0, 1 + pick(good.length - 1))) : [];
    case 'noise': {
      const noise = Uint8Array.from({ length: 1 + pick(12) }, () => pick(256));
      return whole(exchange.framing === 'rtu' ? Uint8Array.of(...noise, ...good) : noise);
    }
    case 'silence':
    // The slave did not hear it, and did nothing.
    case 'lost-question':
      return [];
    case 'exception':
      return whole(framed(exchange, exchange.unit, Uint8Array.of(exchange.answer[0]! | 0x80, [4, 6, 11][pick(3)]!)));
  }
}

function framed({ framing, transaction }: Exchange, unit: number, pdu: Uint8Array): Uint8Array {
  return framing === 'rtu' ? rtuFrame(unit, pdu) : mbapFrame(transaction, unit, pdu);
}

function split(bytes: Uint8Array, { turnaroundMs, splitMs }: FaultTimes, random: Random): Piece[] {
  const pieces: Piece[] = [];
  let afterMs = turnaroundMs;
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + Math.floor(random() * 8);
    pieces.push({ afterMs, bytes: bytes.slice(at, at + length) });
    afterMs += random() * splitMs;
    at += length;
  }
  return pieces;
}
