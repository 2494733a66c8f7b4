import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../../src/store/format/bytes.ts';

describe('a writer that is used again', () => {
  it('gives only what was written since', () => {
    const out = new ByteWriter();
    out.text('a long text that came first');
    out.reset();
    out.text('short');
    expect([...out.finish()]).toEqual([5, ...Buffer.from('short')]);
  });

  it('keeps the memory of a usual commit, and lets go of that of one behind a standstill', () => {
    const held = (bytes: number): number => {
      const out = new ByteWriter();
      out.append(new Uint8Array(bytes));
      out.reset();
      out.byte(1);
      return out.written().buffer.byteLength;
    };
    expect(held(1_000_000)).toBeGreaterThanOrEqual(1_000_000);
    expect(held(50_000_000)).toBeLessThan(100_000);
  });
});
