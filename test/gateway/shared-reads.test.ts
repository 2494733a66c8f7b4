/** Many who ask for the same tags at the same time cost the line one request. */
import { describe, expect, it } from 'vitest';
import type { Reading } from '../../src/core/reading.ts';
import { sharedReads } from '../../src/gateway/view.ts';

/** A line that answers when it is told to, and what it was asked. */
function slowLine() {
  const asked: { ids: readonly string[]; signal: AbortSignal; answer: (readings: readonly Reading[]) => void }[] = [];
  const read = sharedReads(
    (ids, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        asked.push({ ids, signal, answer: resolve });
      }),
  );
  return { asked, read };
}

const OPEN = new AbortController().signal;

describe('reads of the same tags', () => {
  it('share one request while it runs, and make a new one afterwards', async () => {
    const { asked, read } = slowLine();
    const all = Array.from({ length: 100 }, () => read(['a/x', 'a/y'], new AbortController().signal));
    expect(asked).toHaveLength(1);
    const readings: readonly Reading[] = [];
    asked[0]!.answer(readings);
    for (const answer of all) expect(await answer).toBe(readings);
    void read(['a/x', 'a/y'], OPEN);
    void read(['a/x'], OPEN);
    expect(asked.map(({ ids }) => ids)).toEqual([['a/x', 'a/y'], ['a/x', 'a/y'], ['a/x']]);
  });

  it('go on for those who stay, and end with the last who goes', async () => {
    const { asked, read } = slowLine();
    const [one, other] = [new AbortController(), new AbortController()];
    const answers = [read(['a/x'], one.signal), read(['a/x'], other.signal)];
    one.abort(new Error('gone'));
    await expect(answers[0]).rejects.toThrow('gone');
    expect(asked[0]!.signal.aborted).toBe(false);
    other.abort(new Error('gone too'));
    await expect(answers[1]).rejects.toThrow('gone too');
    expect(asked[0]!.signal.aborted).toBe(true);
  });
});
