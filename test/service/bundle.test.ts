import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench, freePort, until } from '../double/processes.ts';

const ROOT = join(import.meta.dirname, '../..');

const bench = new Bench();
const lib = join(bench.folder, 'lib');
const program = join(lib, 'dist/program/main.cjs');

/** The program as the package lays it out, without Node.js. */
beforeAll(() => {
  mkdirSync(lib);
  execFileSync(process.execPath, ['scripts/deb/bundle.mjs', lib], { cwd: ROOT });
  cpSync(join(ROOT, 'config'), join(lib, 'config'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(lib, 'node_modules'));
  symlinkSync('dist/program/main.cjs', join(lib, 'millgate'));
});
afterAll(() => bench.dispose());

const run = (...args: string[]): string =>
  execFileSync(process.execPath, [join(lib, 'millgate'), ...args], { encoding: 'utf8' });

describe('the bundled program', () => {
  it('finds what is installed beside it: its version, its profiles', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(run('version')).toBe(`millgate ${version}\n`);
    expect(run('profiles')).toContain('abb-acs355');
  });

  it('brings every command that the checkout has', () => {
    const checkout = execFileSync(process.execPath, [join(ROOT, 'dist/src/cli.js'), 'help'], { encoding: 'utf8' });
    expect(run('help')).toBe(checkout);
  });

  it.each(['bash', 'zsh', 'fish'])('completes for %s by the name that it has when it is installed', (shell) => {
    const script = run('completion', shell);
    expect(script).toMatch(/\bmillgate __complete /);
    expect(script).not.toContain(lib);
  });

  it('says in its files which source each part is, for who reads a stack trace', () => {
    const folder = join(lib, 'dist/program');
    const text = readdirSync(folder)
      .map((file) => readFileSync(join(folder, file), 'utf8'))
      .join('\n');
    const sources = ['src/daemon.js', 'src/store/engine.js', 'hal/modbus/type.js'];
    expect(sources.filter((source) => !text.includes(`\n// dist/${source}\n`))).toEqual([]);
  });

  it.each([
    ['is not there', undefined],
    ['is for another machine or Node.js', 'not an ELF file'],
  ])('says what to do when the library of SQLite %s', (_, content) => {
    const bare = join(bench.folder, `bare-${content === undefined}`);
    cpSync(join(lib, 'dist/program'), join(bare, 'dist/program'), { recursive: true });
    cpSync(join(lib, 'package.json'), join(bare, 'package.json'));
    const native = join(bare, 'node_modules/better-sqlite3/build/Release');
    mkdirSync(native, { recursive: true });
    if (content !== undefined) writeFileSync(join(native, 'better_sqlite3.node'), content);
    const file = bench.write(
      'bare.yaml',
      `channels: {sim: {driver: mock}}
devices: {oven: {channel: sim, tags: {x: {address: "sine(min=1,max=2,period=60s)"}}}}
store: {path: ${join(bare, 'store')}}
`,
    );
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(bare, 'dist/program/main.cjs'), 'run', '--config', file],
      {
        encoding: 'utf8',
      },
    );
    expect(stderr).toMatch(
      /^millgate: the store needs SQLite, which cannot be loaded: .*better_sqlite3\.node.*\. It has to be/,
    );
    expect(stderr).toContain('run "npm rebuild better-sqlite3" in a checkout.\n');
    expect(stderr.split('\n')).toHaveLength(2);
    expect(status).toBe(69);
  });

  it('polls, stores, answers on its socket, and takes a changed file over', { timeout: 60_000 }, async () => {
    const socket = join(bench.folder, 'api.sock');
    const tag = '{x: {address: "sine(min=1,max=2,period=60s)"}}';
    const text = (devices: string) => `channels: {sim: {driver: mock}}
devices: {${devices}}
store: {path: ${join(bench.folder, 'store')}}
uplinks: {plant: {type: mqtt, url: "mqtt://127.0.0.1:9"}}
`;
    const oven = `oven: {channel: sim, every: 100ms, tags: ${tag}}`;
    const file = bench.write('millgate.yaml', `${text(oven)}api: {listen: "127.0.0.1:${await freePort()}"}\n`);
    const env = { ...process.env, MILLGATE_SOCKET: socket, NODE_OPTIONS: '--max-old-space-size=128' };
    const gateway = bench.start(process.execPath, [program, 'run', '--config', file], env);
    const read = (name: string) => {
      try {
        return execFileSync(process.execPath, [program, 'read', name, '--config', file], {
          ...{ encoding: 'utf8', env, stdio: 'pipe' },
        });
      } catch (error) {
        return String(error);
      }
    };
    await until('a reading', () => /oven\/x +1\.\d/.test(read('oven/x')), 20_000, gateway.output);
    await until('the uplink', () => /plant: .*127\.0\.0\.1:9/.test(gateway.output()), 20_000, gateway.output);
    writeFileSync(file, readFileSync(file, 'utf8').replace(oven, `${oven}, press: {channel: sim, tags: ${tag}}`));
    gateway.child.kill('SIGHUP');
    await until('the new device', () => /press\/x +1\.\d/.test(read('press/x')), 20_000, gateway.output);
    await gateway.stop('SIGTERM');
    expect(gateway.child.exitCode).toBe(0);
  });
});
