import { describe, expect, it } from 'vitest';
import { withEntry } from '../../src/config/file/edit.ts';

const FILE = `# The press shop.
gateway: {id: press-shop-1}   # as on the cabinet

devices:
  press-1:   # the old one
    channel: line-a
    tags:
      oil-temp: {address: "holding:100", type: int16}  # °C

alarms:
  # Agreed with maintenance, 2026-03.
  oil-hot: {tag: press-1/oil-temp, above: 75}
`;

describe('an entry that is put into a file', () => {
  it('leaves every comment and every other line as it was', () => {
    const value = { tag: 'press-1/oil-temp', below: 5, onDelay: '5s', priority: 'low' };
    const text = withEntry(FILE, { path: ['alarms', 'oil-cold'], value });
    expect(text).toBe(`${FILE}  oil-cold: {tag: press-1/oil-temp, below: 5, onDelay: 5s, priority: low}\n`);
  });

  it('is a device one key below the other, and takes the place of one of its name', () => {
    const text = withEntry(FILE, { path: ['devices', 'meter'], value: { channel: 'line-a', unit: 7, every: '1s' } });
    expect(text).toContain('\n  meter:\n    channel: line-a\n    unit: 7\n    every: 1s\n');
    const again = withEntry(text, { path: ['devices', 'meter'], value: { channel: 'line-b', unit: 8 } });
    expect(again).toContain('\n  meter:\n    channel: line-b\n    unit: 8\n');
    expect(again.match(/meter:/g)).toHaveLength(1);
    expect(again.replace(/ {2}meter:\n.*\n.*\n/, '')).toBe(FILE);
  });

  it('is a tag of a device, wherever its tags stand', () => {
    const path = ['devices', 'press-1', 'tags', 'speed'];
    const value = { address: 'holding:7', type: 'uint16' };
    const line = 'speed: {address: holding:7, type: uint16}';
    expect(withEntry(FILE, { path, value })).toBe(FILE.replace('# °C\n', `# °C\n      ${line}\n`));
    const forms: [before: string, after: string][] = [
      // A device of a profile has no tags of its own yet.
      ['devices:\n  press-1:\n    profile: x\n', `devices:\n  press-1:\n    profile: x\n    tags:\n      ${line}\n`],
      ['devices:\n  press-1:\n    tags:   # none\n', `devices:\n  press-1:\n    tags:   # none\n      ${line}\n`],
      ['devices:\n  press-1: {unit: 1}  # a\n', `devices:\n  press-1: {unit: 1, tags: {${line}}}  # a\n`],
      [
        'devices:\n  press-1: { tags: { a: {address: coil:1} } }\n',
        `devices:\n  press-1: { tags: { a: {address: coil:1}, ${line} } }\n`,
      ],
      ['devices:\n  press-1: {tags: {speed: 1, b: 2}}\n', `devices:\n  press-1: {tags: {${line}, b: 2}}\n`],
    ];
    for (const [before, after] of forms) expect(withEntry(before, { path, value })).toBe(after);
  });

  it('is not put into what an alias stands for, where it would be of another device as well', () => {
    const text = 'devices:\n  a: {tags: &all {x: {address: "coil:1"}}}\n  b: {tags: *all}\n';
    expect(withEntry(text, { path: ['devices', 'b', 'tags', 'y'], value: {} })).toBe(text);
  });

  it('begins a section that is not there, or that has nothing in it', () => {
    expect(withEntry('gateway: {id: a}\n', { path: ['alarms', 'hot'], value: { tag: 'a/b', above: 1 } })).toBe(
      'gateway: {id: a}\nalarms:\n  hot: {tag: a/b, above: 1}\n',
    );
    expect(withEntry('alarms:\n', { path: ['alarms', 'hot'], value: { above: 1 } })).toContain('hot: {above: 1}');
    expect(withEntry('', { path: ['alarms', 'hot'], value: { above: 1 } })).toBe('alarms:\n  hot: {above: 1}\n');
  });

  it('is not put into what is no file: whoever loads it says what is wrong', () => {
    for (const text of ['a: [', '- 1\n', 'text'])
      expect(withEntry(text, { path: ['alarms', 'hot'], value: {} })).toBe(text);
  });
});
