import { describe, expect, it } from 'vitest';
import { parseRange } from '../../src/probe/probe-range.ts';

describe('a range of registers', () => {
  it.each([
    ['holding:100-120', ['holding'], 100, 120],
    ['input:0+40', ['input'], 0, 39],
    ['holding:0x100..0x10F', ['holding'], 256, 271],
    ['holding:100-holding:104', ['holding'], 100, 104],
    ['100-120', ['input', 'holding'], 100, 120],
    ['7', ['input', 'holding'], 7, 7],
    ['30001-30040', ['input'], 0, 39],
    ['40101+2', ['holding'], 100, 101],
    ['400101', ['holding'], 100, 100],
    ['coil:0-15', ['coil'], 0, 15],
    ['discrete:8+8', ['discrete'], 8, 15],
  ])('%s', (text, tables, first, last) => {
    expect(parseRange(text)).toEqual({ ok: true, value: { tables, first, last } });
  });

  it.each([
    ['hr:100-120', 'there is no table "hr": did you mean "holding:100"?'],
    ['holding:120-100', 'holding:120-100 holds nothing: it ends before it begins, or counts none'],
    ['holding:0+0', 'holding:0+0 holds nothing: it ends before it begins, or counts none'],
    ['holding:65530+20', 'holding:65530+20 runs past the last address, 65535'],
    ['30001-40010', '30001-40010 begins in input and ends in holding'],
    ['0-1000', '0-1000 is 1001 addresses; at most 1000 at once. Ask for a part, such as 0+1000'],
    ['20001', 'no Modicon number begins with 2'],
    ['holding', '"holding" is no range: write holding:100-120'],
  ])('%s is refused with a way on', (text, message) => {
    const range = parseRange(text);
    expect(range.ok ? '' : range.problems[0]!.message).toContain(message);
  });
});
