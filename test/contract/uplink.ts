import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fields } from '../../src/core/reading.ts';
import type { OutgoingBatch, Uplink } from '../../src/uplink/uplink.ts';

/** An uplink with the other side in hand. */
export interface RunningUplink {
  readonly uplink: Uplink;
  /** Sequence numbers of the readings batches that the other side has, in order; waits until there are `count`. */
  received(count: number): Promise<readonly number[]>;
  /** The other side stops confirming but keeps the connection, until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** The other side drops every connection and welcomes new ones. */
  dropClients(): Promise<void>;
  close(): Promise<void>;
}

const NEVER = new AbortController().signal;
setMaxListeners(0, NEVER);

/** A batch of one record with the given number. */
export function batchOf(seq: number): OutgoingBatch {
  const at = { wallMs: 1763899200000 + seq, monoMs: seq };
  const fields = Fields.of([{ name: 'temp', quality: 'good', value: seq }]);
  const record = { device: 'oven', at, clockKnown: true, simulated: false, fields };
  return { kind: 'readings', epoch: 'epoch', seq, lane: 'live', records: [record] };
}

/**
 * The rules of `Uplink`, on any implementation. It must be made with an acknowledgement deadline of 500 ms, so that a
 * silent other side is noticed within the test.
 */
export function describeUplinkContract(name: string, start: () => Promise<RunningUplink>): void {
  describe(`${name} keeps the rules of an uplink`, () => {
    let running: RunningUplink;
    beforeEach(async () => {
      running = await start();
    });
    afterEach(() => running.close());

    it('confirms a batch when the other side has it', async () => {
      const session = await running.uplink.connect(NEVER);
      expect(await session.send(batchOf(1), NEVER)).toEqual({ ok: true });
      expect(await running.received(1)).toEqual([1]);
      await session.close();
    });

    it('takes as many at once as its window says, in order', async () => {
      const session = await running.uplink.connect(NEVER);
      const numbers = Array.from({ length: session.window }, (_, index) => index + 1);
      const results = await Promise.all(numbers.map((seq) => session.send(batchOf(seq), NEVER)));
      expect(results.every((result) => result.ok)).toBe(true);
      expect(await running.received(numbers.length)).toEqual(numbers);
      await session.close();
    });

    it('confirms nothing that the other side has not confirmed, and gives up by the deadline', async () => {
      const session = await running.uplink.connect(NEVER);
      running.freeze();
      const startedMs = performance.now();
      await expect(session.send(batchOf(1), NEVER)).rejects.toThrow();
      expect(performance.now() - startedMs).toBeLessThan(1500);
      running.thaw();
      await session.close();
    });

    it('ends once when the connection is lost; what was under way and what comes after is rejected', async () => {
      const session = await running.uplink.connect(NEVER);
      running.freeze();
      const lost = expect(session.send(batchOf(1), NEVER)).rejects.toThrow();
      await running.dropClients();
      expect((await session.ended).reason).not.toBe('');
      await lost;
      await expect(session.send(batchOf(2), NEVER)).rejects.toThrow();
      running.thaw();
    });

    it('opens a new session after one that was lost', async () => {
      const first = await running.uplink.connect(NEVER);
      await running.dropClients();
      await first.ended;
      const second = await running.uplink.connect(NEVER);
      expect(await second.send(batchOf(7), NEVER)).toEqual({ ok: true });
      await second.close();
    });

    it('says goodbye at most once, within two seconds even to a side that is silent', async () => {
      const session = await running.uplink.connect(NEVER);
      running.freeze();
      const unconfirmed = expect(session.send(batchOf(1), NEVER)).rejects.toThrow();
      const startedMs = performance.now();
      await Promise.all([session.close(), session.close()]);
      expect(performance.now() - startedMs).toBeLessThan(2000);
      expect((await session.ended).takenOver).toBe(false);
      await unconfirmed;
      await expect(session.send(batchOf(2), NEVER)).rejects.toThrow();
      running.thaw();
    });

    it('stops connecting, and waiting for a confirmation, when it is told to', async () => {
      const aborted = AbortSignal.abort(new Error('told to'));
      await expect(running.uplink.connect(aborted)).rejects.toThrow('told to');
      const session = await running.uplink.connect(NEVER);
      await expect(session.send(batchOf(1), aborted)).rejects.toThrow('told to');
      await session.close();
    });
  });
}
