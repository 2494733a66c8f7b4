import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { StreamJudge } from '../../src/uplink/refusals.ts';

interface Piece {
  readonly from: number;
  readonly items: readonly string[];
}

/** A judge, and how a session with it goes: what is sent is counted as the delivery counts it. */
function bench() {
  const condemned: number[] = [];
  let sent = 0;
  const judge = new StreamJudge<Piece>({
    clock: new SimulatedClock(),
    random: () => 0.5,
    nextOrder: () => sent + 1,
    cut: () => undefined,
    condemn: ({ from }) => void condemned.push(from),
    changed: () => {},
  });
  const one = (from: number): Piece => ({ from, items: ['a record'] });
  const refuse = (from: number, hungUp: boolean, wasSuspect: boolean): void => {
    const piece = wasSuspect ? judge.takeSuspect()! : one(from);
    expect(piece.from).toBe(from);
    judge.refused({ piece, order: ++sent, why: 'because', hungUp, wasSuspect });
  };
  const accept = (from: number): void => judge.accepted(++sent, one(from));
  /** How often a suspect is hung up on, with others taken in between, until it is given up. */
  const hangUpsUntilGivenUp = (from: number): number => {
    for (let count = 1; count <= 20; count++) {
      refuse(from, true, true);
      accept(1000 + count);
      if (condemned.includes(from)) return count;
    }
    return Number.POSITIVE_INFINITY;
  };
  return { condemned, refuse, accept, hangUpsUntilGivenUp };
}

describe('what the other side refuses', () => {
  it('is given up after two answers, with another item taken before and after the second', () => {
    const { condemned, refuse, accept } = bench();
    refuse(7, false, false);
    accept(8);
    refuse(7, false, true);
    expect(condemned).toEqual([]);
    accept(9);
    expect(condemned).toEqual([7]);
  });

  it('is given up later where the other side hangs up in place of an answer', () => {
    const { refuse, accept, hangUpsUntilGivenUp } = bench();
    refuse(7, true, false);
    accept(8);
    expect(hangUpsUntilGivenUp(7)).toBe(8);
  });
});
