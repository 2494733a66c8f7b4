import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { commandTree } from '../../../src/cli/program.ts';
import { complete } from '../../../src/cli/shell/complete.ts';
import { EXIT } from '../../../src/core/errors.ts';
import { contextOf, millgate, temporaryFolder } from '../../double/command-line.ts';
import { BINARY } from '../../double/processes.ts';
import { readProduct } from '../../double/source-tree.ts';

const NAMES = {
  channels: ['line-a', 'plc'],
  devices: ['press-1', 'oven'],
  tags: ['press-1/oil-temp', 'press-1/parts', 'oven/temp'],
  alarms: ['oil-hot', 'oil-low'],
  charts: ['shaft'],
  machines: ['press-1'],
  maintenance: ['oil-change'],
  uplinks: ['plant'],
  profiles: ['eastron-sdm120', 'my-meter'],
};

/** What may come next; words are apart by one blank, and the last is at the cursor. */
async function next(line: string) {
  const program = commandTree(contextOf().context, () => {});
  const asked: (string | undefined)[] = [];
  const { candidates, files } = await complete(program, line.split(' '), async (file) => {
    asked.push(file);
    return NAMES;
  });
  return { words: candidates.map(({ word }) => word), files, asked };
}

describe('what may come next', () => {
  it.each([
    ['wat', ['watch']],
    ['help stat', ['status']],
    ['watch p', ['press-1/oil-temp', 'press-1/parts']],
    ['watch press-1/parts o', ['oven/temp']],
    ['read ov', ['oven/temp']],
    ['read "ov', ['oven/temp']],
    ["watch 'press-1/o", ['press-1/oil-temp']],
    ['write oven/temp ', []],
    ['export --format ', ['csv', 'jsonl']],
    ['export --format=j', ['--format=jsonl']],
    ['export --format = j', ['jsonl']],
    ['export --format =', ['csv', 'jsonl']],
    ['watch --so', ['--sort']],
    ['watch --sort qu', ['quality']],
    ['watch --sort quality ov', ['oven/temp']],
    ['--json wat', ['watch']],
    ['--config my.yaml sta', ['status']],
    ['alarms s', ['shelve']],
    ['alarms ack ', ['oil-hot', 'oil-low']],
    ['alarms ack oil-hot ', []],
    ['spc s', ['shaft']],
    ['spc shaft ', ['rebase', 'exclude']],
    ['profiles e', ['eastron-sdm120']],
    ['completion ', ['bash', 'zsh', 'fish']],
    ['watch -- --', []],
    ['history oven/temp --since ', []],
    ['nonsense ', []],
  ])('after "%s" is %j', async (line, words) => {
    expect(await next(line)).toMatchObject({ words, files: false });
  });

  it.each(['check ', 'watch --config ', '--config ', 'backtest --csv '])('after "%s" is a file', async (line) => {
    expect(await next(line)).toMatchObject({ words: [], files: true });
  });

  it('is every command at the beginning, and every option after a dash', async () => {
    expect((await next('')).words).toEqual(expect.arrayContaining(['run', 'watch', 'status', 'completion', 'help']));
    expect((await next('')).words.some((word) => word.startsWith('_'))).toBe(false);
    expect((await next('status -')).words).toEqual(
      expect.arrayContaining(['--all', '--watch', '--json', '--config', '--help']),
    );
  });

  it('takes names from the file that the line names, and asks for them only when they are wanted', async () => {
    expect((await next('read --config my.yaml ov')).asked).toEqual(['my.yaml']);
    expect((await next('read --config=my.yaml ov')).asked).toEqual(['my.yaml']);
    expect((await next('read ov')).asked).toEqual([undefined]);
    expect((await next('watch --sort ')).asked).toEqual([]);
  });
});

it('a command line is read without the libraries that read a configuration: a shell waits for each of its words', () => {
  const product = readProduct();
  const loaded = new Set<string>(['src/cli.ts', 'src/cli/program.ts', 'src/cli/shell/completion.ts']);
  for (const path of loaded)
    for (const { target, typeOnly, isLazy } of product.get(path)?.edges ?? [])
      if (!typeOnly && !isLazy) loaded.add(target);
  expect(loaded).toContain('src/cli/commands/reading.ts');
  expect([...loaded].filter((path) => path.startsWith('src/config/') || path.startsWith('hal/'))).toEqual([]);
});

const FILE = `channels: {line-a: {driver: modbus-tcp, host: 127.0.0.1}}
devices:
  press-1: {channel: line-a, unit: 3, tags: {oil-temp: {address: "holding:100"}}}
  meter: {channel: line-a, unit: 4, profile: my-meter}
alarms: {oil-hot: {tag: press-1/oil-temp, above: 75}}
`;

describe('names in a file', () => {
  let folder = '';
  beforeEach(() => {
    folder = temporaryFolder();
    mkdirSync(join(folder, 'profiles'));
    mkdirSync(join(folder, 'conf.d'));
    writeFileSync(join(folder, 'millgate.yaml'), FILE);
    writeFileSync(join(folder, 'profiles/my-meter.yaml'), 'name: my-meter\ntags: {power: {address: "input:0"}}\n');
    writeFileSync(
      join(folder, 'conf.d/oven.yaml'),
      'devices: {oven: {channel: line-a, tags: {temp: {address: "input:9"}}}}\n',
    );
  });

  async function answer(...words: string[]) {
    const run = millgate(['__complete', ...words], { cwd: folder, env: { MILLGATE_CONFIG: 'millgate.yaml' } });
    return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
  }

  it('are those of the file, of conf.d and of profiles', async () => {
    expect((await answer('watch', '')).out).toBe('press-1/oil-temp\nmeter/power\noven/temp\n');
    expect((await answer('alarms', 'ack', '')).out).toBe('oil-hot\n');
    expect((await answer('profiles', 'my')).out).toBe('my-meter\n');
  });

  it.each([
    ['is broken', 'devices: {press-1: {tags: ['],
    ['is no configuration', '- 1\n- 2\n'],
    ['is of another form', 'devices: [1, {tags: 3}]\nalarms: 7\n'],
    ['is binary', '\u0000\u0001\ufffd'],
  ])('are none, without a word on standard error, when the file %s', async (_, text) => {
    writeFileSync(join(folder, 'millgate.yaml'), text);
    expect(await answer('alarms', 'ack', '')).toEqual({ exitCode: EXIT.ok, out: '', err: '' });
  });

  it('are none, and nothing is waited for, when it is a pipe that nobody writes', async () => {
    spawnSync('mkfifo', [join(folder, 'pipe')]);
    expect(await answer('alarms', '--config', 'pipe', 'ack', '')).toEqual({ exitCode: EXIT.ok, out: '', err: '' });
  });

  it('are none when there is no such file, or it is a folder', async () => {
    for (const file of ['gone.yaml', '.'])
      expect(await answer('alarms', '--config', file, 'ack', '')).toEqual({ exitCode: EXIT.ok, out: '', err: '' });
  });

  it('are completed by a real bash, files and all', () => {
    const script = join(folder, 'millgate.bash');
    writeFileSync(script, spawnSync(process.execPath, [BINARY, 'completion', 'bash'], { encoding: 'utf8' }).stdout);
    const inBash = (...words: string[]) => {
      const typed = words.map((word) => `'${word}'`).join(' ');
      const run = `source '${script}'; COMP_WORDS=(millgate ${typed}); COMP_CWORD=${words.length}; _millgate; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const bash = spawnSync('bash', ['--norc', '--noprofile', '-c', run], {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, MILLGATE_CONFIG: join(folder, 'millgate.yaml') },
      });
      expect(bash.error, 'this test needs bash; scripts/test installs what the tests need').toBeUndefined();
      expect(bash.stderr).toBe('');
      return bash.stdout.trim().split('\n');
    };
    expect(inBash('wat')).toEqual(['watch']);
    expect(inBash('watch', 'm')).toEqual(['meter/power']);
    expect(inBash('export', '--format', '=', 'c')).toEqual(['csv']);
    expect(inBash('check', 'mill')).toEqual(['millgate.bash', 'millgate.yaml']);
    expect(inBash('nonsense', '')).toEqual(['']);
  });
});

describe('the script for a shell', () => {
  it.each([
    ['bash', /^complete -F _millgate millgate$/m],
    ['zsh', /^#compdef millgate\n/],
    ['fish', /^complete -c millgate /m],
  ])('%s asks this program for words and binds them to millgate', async (shell, binding) => {
    const run = millgate(['completion', shell]);
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.out()).toMatch(binding);
    expect(run.out()).toContain('millgate __complete ');
    expect(run.out()).toContain('2>/dev/null');
    expect(run.out().match(/\{/g)?.length ?? 0).toBe(run.out().match(/\}/g)?.length ?? 0);
  });

  it('is refused for a shell that is not known, exit 2', async () => {
    const run = millgate(['completion', 'tcsh']);
    expect(await run.exitCode).toBe(EXIT.usage);
    expect(run.err()).toContain('Allowed choices are bash, zsh, fish');
  });
});
