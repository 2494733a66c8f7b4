import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { ConfigProblem } from '../../src/config/config.ts';
import { formatProblem, formatProblems } from '../../src/config/file/problems.ts';
import { loadConfig } from '../../src/config/load.ts';
import { drivers } from './double/drivers.ts';
import { linesOf, load } from './double/files.ts';
import { edited, GOOD } from './double/good.ts';

/** What was said of a file, errors and warnings. */
function problemsOf(text: string | Uint8Array): readonly ConfigProblem[] {
  const result = load({ 'millgate.yaml': text });
  return result.ok ? result.warnings : result.problems;
}

/** Problems that point outside the file, or say nothing. */
function misplaced(text: string, problems: readonly ConfigProblem[]): ConfigProblem[] {
  const lines = text.split('\n');
  return problems.filter(
    ({ line, column, message }) =>
      line < 1 ||
      line > lines.length ||
      column < 1 ||
      column > lines[line - 1]!.length + 1 ||
      message.trim() === '' ||
      /\p{Cc}/u.test(message),
  );
}

describe('any text instead of a configuration', () => {
  const words = [
    '{',
    '}',
    '[',
    ']',
    ':',
    ': ',
    '- ',
    '\n',
    '\n  ',
    '\t',
    '&a ',
    '*a',
    '<<: ',
    '"',
    "'",
    '#',
    '!x ',
    '|\n',
    '~',
    '? ',
    '__proto__',
    'constructor',
    'tags',
    '0x',
    '1e999',
    '\u0000',
    '\uFEFF',
    '°',
  ];

  it('never crashes the loader, and every complaint points into the file', () => {
    const mutation = fc.record({
      at: fc.nat(GOOD.length),
      drop: fc.nat(40),
      insert: fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 5 })), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        let text = GOOD;
        for (const { at, drop, insert } of mutations)
          text = text.slice(0, at) + insert.join('') + text.slice(at + drop);
        expect(misplaced(text, problemsOf(text))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('survives any value anywhere', () => {
    const places = GOOD.match(/(?<=: )[^{}\n,]+(?=[,}\n])/g)!;
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }).map((json) => JSON.stringify(json)),
      fc.constantFrom('', '.nan', '-.inf', '0x1F', '!!binary aGk=', '2001-01-01'),
    );
    fc.assert(
      fc.property(fc.constantFrom(...places), value, (place, replacement) => {
        const text = GOOD.replace(place, () => replacement);
        expect(misplaced(text, problemsOf(text))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('is refused for its depth before the parser runs out of memory', () => {
    const tooDeep = 'millgate.yaml:1:1: the file is nested too deeply or holds too many values to be a configuration';
    expect(linesOf({ 'millgate.yaml': '['.repeat(1_000_000) })).toEqual([tooDeep]);
    expect(linesOf({ 'millgate.yaml': `a: ${'- '.repeat(100_000)}` })).toEqual([tooDeep]);
  });

  it('is refused when its aliases grow without end', () => {
    const levels = Array.from(
      { length: 12 },
      (_, level) =>
        `a${level}: &a${level} [${Array.from({ length: 10 }, () => (level === 0 ? 'x' : `*a${level - 1}`)).join(', ')}]`,
    );
    expect(linesOf({ 'millgate.yaml': levels.join('\n') }).join()).toContain('aliases grow without end');
    expect(linesOf({ 'millgate.yaml': 'a: &a [*a]' }).join()).toContain('aliases grow without end');
  });

  it('is refused when it is too large or not UTF-8, with the place', () => {
    expect(linesOf({ 'millgate.yaml': '#'.repeat(4_000_001) })).toEqual([
      'millgate.yaml:1:1: the file is larger than 4 MB: split it into conf.d/*.yaml',
    ]);
    expect(linesOf({ 'millgate.yaml': Buffer.from('a: 1\nunit: \xb0C\n', 'latin1') })).toEqual([
      expect.stringMatching(/^millgate\.yaml:2:7: the byte 0xB0 here is not UTF-8 text; /),
    ]);
  });

  it('that is empty is answered with the smallest good file, and that file is good', () => {
    const [line] = linesOf({ 'millgate.yaml': '' });
    expect(line).toMatch(
      /^millgate\.yaml:1:1: the file has no channels and no devices\. Write, for example, these two lines: /,
    );
    const [, channels, devices] = /two lines: (.*) and (devices: .*)$/.exec(line!)!;
    expect(linesOf({ 'millgate.yaml': `${channels}\n${devices}\n` })).toEqual([]);
  });
});

describe('a secret in the file', () => {
  it.each([
    ['password: hunter2'],
    ['password: [hunter2]'],
    ['password: {value: hunter2}'],
    ['password: {env: "hunter2 !"}'],
    ['password: {file: [hunter2]}'],
    ['passwort: hunter2'],
    ['token: hunter2'],
    ['password: *hunter2'],
    ['password: !hunter2 x'],
    ['password: @hunter2'],
    ['url: "mqtt://me:hunter2@host:99999"'],
  ])('is refused and never repeated: %s', (line) => {
    const key = line.startsWith('url') ? '    url: mqtts://broker.plant.lan:8883' : '    type: mqtt';
    const text = edited(key, line.startsWith('url') ? `    ${line}` : `${key}\n    ${line}`);
    const lines = linesOf({ 'millgate.yaml': text });
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join('\n')).not.toContain('hunter2');
  });
});

describe('problems in print', () => {
  it('come sorted by file, line and column, and are counted', () => {
    const problem = (line: number, severity: 'error' | 'warning'): ConfigProblem => ({
      file: 'a.yaml',
      line,
      column: 2,
      path: 'x',
      message: 'm',
      severity,
    });
    expect(formatProblems([problem(9, 'error'), problem(3, 'warning'), problem(10, 'error')])).toBe(
      'a.yaml:3:2 x: warning: m\na.yaml:9:2 x: m\na.yaml:10:2 x: m\n2 problems, 1 warning',
    );
    expect(formatProblems([])).toBe('');
  });

  it('stay within bounds however broken the file is', () => {
    const text = Array.from({ length: 2000 }, (_, index) => `x${index}: 1`).join('\n');
    const lines = linesOf({ 'millgate.yaml': text });
    expect(lines).toHaveLength(501);
    expect(lines.at(-1)).toContain('more problems were left out');
  });
});

describe('files on a disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millgate-config-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('are read with conf.d and profiles beside them', () => {
    const file = join(folder, 'millgate.yaml');
    mkdirSync(join(folder, 'conf.d'));
    writeFileSync(file, GOOD);
    writeFileSync(
      join(folder, 'conf.d', 'more.yaml'),
      'devices: {hall: {channel: plc, unit: 2, tags: {t: {address: "input:1", type: int16}}}}\n',
    );
    const result = loadConfig({ file, drivers, hostname: 'gate-1' });
    expect(result).toMatchObject({ ok: true, warnings: [], config: { file } });
    const missing = loadConfig({ file: folder, drivers, hostname: 'gate-1' });
    expect(missing.ok ? [] : missing.problems.map(formatProblem)).toEqual([
      `${folder}:1:1: is a folder: name the file in it`,
    ]);
    const endless = loadConfig({ file: '/dev/zero', drivers, hostname: 'gate-1' });
    expect(endless).toMatchObject({
      ok: false,
      problems: [{ message: 'the file is larger than 4 MB: split it into conf.d/*.yaml' }],
    });
  });
});
