/** Keeps the documents true that can be checked against the code. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DOUBTS, FAILURES } from '../src/core/quality.ts';
import { ROOT } from './double/source-tree.ts';

const textOf = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** The table of a list of quality words, as docs/wire.md has it. */
function tableOf(words: Record<string, { code: number; opcUa: string; means: string }>): string {
  const rows = Object.entries(words).map(
    ([word, { code, opcUa, means }]) =>
      `| \`${word}\` | \`0x${code.toString(16).toUpperCase().padStart(8, '0')}\` | ${opcUa} | ${means} |`,
  );
  return ['| word | OPC UA code | name of the code | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

describe('the documents', () => {
  it.each(['configuration-reference', 'folder-maps'])('that scripts/%s.mjs writes are as it writes them', (script) => {
    const run = spawnSync(process.execPath, [`scripts/${script}.mjs`, '--check'], { cwd: ROOT, encoding: 'utf8' });
    expect(run.stdout + run.stderr).toBe('');
  });

  it('list every quality word with its code, and no other', () => {
    const text = textOf('docs/wire.md').replaceAll(/ +\|/g, ' |').replaceAll(/-{4,}/g, '---');
    expect(text).toContain(tableOf(DOUBTS));
    expect(text).toContain(tableOf(FAILURES));
    expect(text.match(/^\| `[a-z-]+` \| `0x/gm)).toHaveLength(
      Object.keys(DOUBTS).length + Object.keys(FAILURES).length,
    );
  });

  it('tell the way of one reading in at most 35 files, all of which are there', () => {
    const way = /## The way of one reading[\s\S]*?\n## /.exec(textOf('docs/ARCHITECTURE.md'))?.[0] ?? '';
    const files = new Set([...way.matchAll(/`((?:src|hal)\/[\w/.-]+\.ts)`/g)].map(([, file]) => file!));
    expect(files.size).toBeGreaterThan(20);
    expect(files.size).toBeLessThanOrEqual(35);
    const named = [...textOf('docs/ARCHITECTURE.md').matchAll(/`((?:src|hal|test)\/[\w/.-]+\.ts)`/g)].map(
      ([, f]) => f!,
    );
    for (const file of named) expect(() => textOf(file), file).not.toThrow();
  });

  it('name no file in the README of a folder that is not there', () => {
    const readmes = ['src', 'hal'].flatMap((wing) =>
      (readdirSync(join(ROOT, wing), { recursive: true }) as string[])
        .filter((path) => path.endsWith('README.md'))
        .map((path) => join(wing, path)),
    );
    const absent = readmes.flatMap((readme) =>
      [...textOf(readme).matchAll(/`([\w./-]+\.ts)`/g)]
        .map(([, file]) => file!)
        .filter((file) => !existsSync(join(ROOT, dirname(readme), file)) && !existsSync(join(ROOT, file)))
        .map((file) => `${readme}: ${file}`),
    );
    expect(readmes.length).toBeGreaterThan(30);
    expect(absent).toEqual([]);
  });
});
