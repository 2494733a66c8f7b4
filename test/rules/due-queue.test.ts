import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DueQueue } from '../../src/rules/due-queue.ts';

describe('what is due', () => {
  it('comes earliest first, and in the order of adding where it is due together', () => {
    const queue = new DueQueue<string>();
    queue.set('late', 30);
    queue.set('first', 10);
    queue.set('second', 10);
    queue.set('moved', 40);
    queue.set('moved', 10);
    queue.set('gone', 5);
    queue.set('gone', undefined);
    expect(queue.nextMs).toBe(10);
    expect(queue.takeDue(20)).toEqual(['first', 'second', 'moved']);
    expect(queue.nextMs).toBe(30);
  });

  it('is always what a plain search finds', () => {
    const change = fc.tuple(fc.nat(20), fc.option(fc.nat(50), { nil: undefined }));
    const step = fc.oneof(
      change.map((set) => ({ set })),
      fc.nat(50).map((take) => ({ take })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new DueQueue<number>();
        const plain = new Map<number, number>();
        for (const one of steps) {
          if ('set' in one) {
            const [item, dueMs] = one.set;
            queue.set(item, dueMs);
            if (dueMs === undefined) plain.delete(item);
            else plain.set(item, dueMs);
          } else {
            const due = [...plain].filter(([, dueMs]) => dueMs <= one.take);
            const taken = queue.takeDue(one.take);
            expect([...taken].sort((a, b) => a - b)).toEqual(due.map(([item]) => item).sort((a, b) => a - b));
            const times = taken.map((item) => plain.get(item)!);
            expect(times).toEqual([...times].sort((a, b) => a - b));
            for (const [item] of due) plain.delete(item);
          }
          expect(queue.nextMs).toBe(plain.size === 0 ? undefined : Math.min(...plain.values()));
        }
      }),
    );
  });
});
