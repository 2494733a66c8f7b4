import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Driver, isWritable, NotConnected, type ReadResult, type Tag } from '../../hal/driver.ts';
import type { Value } from '../../src/core/reading.ts';

/** A driver with the world it talks to. */
export interface DriverHarness<A> {
  readonly driver: Driver<A>;
  /** Tags that can be read, of more than one request. */
  readonly tags: readonly Tag<A>[];
  /** Says what is wrong with a result of one of `tags`; undefined when nothing is. */
  judge(tag: Tag<A>, result: ReadResult): string | undefined;
  /** Tags of a device that is silent, if the line can have one. */
  readonly silent?: readonly Tag<A>[];
  /** A tag that takes a write, and what to write; `readsBack: false` where the line has no way to look at it. */
  readonly writable?: { readonly tag: Tag<A>; readonly value: Value; readonly readsBack?: false };
  /** Takes the other side of the line away, as pulling a plug does. */
  cut?(): Promise<void> | void;
  stop(): Promise<void>;
}

/** What a kind of line cannot do, and why: its rule is reported with that reason, and is not claimed to hold. */
export interface Cannot {
  readonly silent?: string;
  readonly cut?: string;
  readonly write?: string;
}

/** Rule 5: whatever a close has to end, it has ended within this, ms. */
const CLOSE_WITHIN_MS = 1000;

/** The rules of `hal/driver.ts`, as every driver keeps them. */
export function describeDriverContract<A>(
  name: string,
  makeHarness: () => Promise<DriverHarness<A>>,
  cannot: Cannot = {},
): void {
  describe(`${name} keeps the driver contract`, () => {
    let harness: DriverHarness<A>;
    const { signal } = new AbortController();

    beforeEach(async () => {
      harness = await makeHarness();
    });
    afterEach(async () => {
      await harness.driver.close();
      await harness.stop();
    });

    it('throws NotConnected when it is read before connect', async () => {
      await expect(harness.driver.read(harness.tags, signal)).rejects.toThrow(NotConnected);
    });

    it('plans every tag into exactly one group', () => {
      const groups = harness.driver.plan(harness.tags);
      expect(
        groups
          .flat()
          .map(({ id }) => id)
          .sort(),
      ).toEqual(harness.tags.map(({ id }) => id).sort());
    });

    it('answers one result a tag, in the order asked, and one instant a group', async () => {
      await harness.driver.connect(signal);
      for (const group of harness.driver.plan(harness.tags)) {
        const results = await harness.driver.read(group, signal);
        expect(results.map((result, index) => harness.judge(group[index]!, result))).toEqual(
          group.map(() => undefined),
        );
        expect(new Set(results.map(({ at }) => at)).size).toBe(1);
      }
      const backwards = harness.tags.toReversed();
      const results = await harness.driver.read(backwards, signal);
      expect(results.map((result, index) => harness.judge(backwards[index]!, result)).filter(Boolean)).toEqual([]);
    });

    if (cannot.silent === undefined) {
      it('makes what a silent device does not say a result, by its own deadline', async () => {
        await harness.driver.connect(signal);
        const results = await harness.driver.read(harness.silent!, signal);
        expect(results.map((result) => result.ok)).toEqual(harness.silent!.map(() => false));
      });
    } else it(`has no device that could be silent: ${cannot.silent}`, () => expect(harness.silent).toBeUndefined());

    it('answers as many reads at once as it says it can, each with its own', async () => {
      await harness.driver.connect(signal);
      const groups = harness.driver.plan(harness.tags);
      const atOnce = Array.from({ length: harness.driver.concurrency }, (_, index) => groups[index % groups.length]!);
      const answers = await Promise.all(atOnce.map((group) => harness.driver.read(group, signal)));
      const wrong = answers.flatMap((results, index) =>
        results.map((result, at) => harness.judge(atOnce[index]![at]!, result)).filter(Boolean),
      );
      expect(wrong).toEqual([]);
    });

    it('throws the reason of an abort', async () => {
      await harness.driver.connect(signal);
      const reason = new Error('the gateway stops');
      await expect(harness.driver.read(harness.tags, AbortSignal.abort(reason))).rejects.toBe(reason);
      await expect(harness.driver.connect(AbortSignal.abort(reason))).rejects.toBe(reason);
    });

    it('can be closed twice, and connected again', async () => {
      await harness.driver.connect(signal);
      await harness.driver.close();
      await harness.driver.close();
      await expect(harness.driver.read(harness.tags, signal)).rejects.toThrow(NotConnected);
      await harness.driver.connect(signal);
      const results = await harness.driver.read(harness.tags, signal);
      expect(results.every(({ ok }) => ok)).toBe(true);
    });

    it('can be closed while it connects, and leaves nothing open', async () => {
      const connecting = harness.driver.connect(signal).catch((error: unknown) => error);
      await harness.driver.close();
      const ended = await connecting;
      expect(ended === undefined || ended instanceof NotConnected).toBe(true);
      await harness.driver.close();
      await expect(harness.driver.read(harness.tags, signal)).rejects.toThrow(NotConnected);
    });

    it('ends all reads under way as NotConnected when it is closed, within a second', async () => {
      await harness.driver.connect(signal);
      const { concurrency } = harness.driver;
      const reads = Array.from({ length: concurrency }, () =>
        harness.driver.read(harness.silent ?? harness.tags, signal),
      );
      const ended = Promise.all(reads.map((read) => expect(read).rejects.toThrow(NotConnected)));
      const startedMs = performance.now();
      await harness.driver.close();
      await ended;
      expect(performance.now() - startedMs).toBeLessThan(CLOSE_WITHIN_MS);
    });

    if (cannot.cut === undefined) {
      it('tells a lost line as NotConnected, with its cause', async () => {
        await harness.driver.connect(signal);
        await harness.driver.read(harness.tags, signal);
        const reading = harness.driver.read(harness.silent ?? harness.tags, signal);
        const ended = expect(reading).rejects.toThrow(NotConnected);
        await harness.cut!();
        await ended;
      });
    } else it(`has no line that could be cut: ${cannot.cut}`, () => expect(harness.cut).toBeUndefined());

    if (cannot.write === undefined) {
      it('writes, and says what it read back', async () => {
        const { driver, writable } = harness;
        if (!isWritable(driver)) throw new Error('the driver cannot write, and does not say why');
        await driver.connect(signal);
        const { tag, value, readsBack = true } = writable!;
        const readBack = readsBack ? value : undefined;
        expect(await driver.write(tag, value, signal)).toEqual({ ok: true, readBack });
      });
    } else {
      it(`does not write: ${cannot.write}`, () => {
        expect(harness.writable).toBeUndefined();
        expect(isWritable(harness.driver)).toBe(false);
      });
    }
  });
}
