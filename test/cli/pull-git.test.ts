/** `pull` from git, end to end: a bare repository with signed bundles, a clone on the gateway, and the daemon that tries them. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { Bench, BINARY, until } from '../double/processes.ts';

let bench: Bench | undefined;
afterEach(() => bench?.dispose());

it('takes what was pushed, refuses what was changed after it was signed, and goes on without the network', {
  timeout: 120_000,
}, async () => {
  bench = new Bench();
  const { folder } = bench;
  const at = (...names: string[]) => join(folder, ...names);
  const identity = {
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@b',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@b',
  };
  const git = (...args: string[]) => execFileSync('git', args, { stdio: 'pipe', env: { ...process.env, ...identity } });
  const millgate = (...args: string[]): { code: number; said: string } => {
    try {
      const said = execFileSync(process.execPath, [BINARY, ...args], { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
      return { code: 0, said };
    } catch (error) {
      const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string };
      return { code: status, said: stdout + stderr };
    }
  };

  const { key } = JSON.parse(millgate('bundle', '--new-key', 'fleet.key', '--json').said) as { key: string };
  git('init', '--quiet', '--bare', '--initial-branch=main', at('fleet.git'));
  git('clone', '--quiet', at('fleet.git'), at('desk'));
  const text = (max: number) =>
    `gateway: {id: press-1}\nchannels: {sim: {driver: mock}}\ndevices: {oven: {channel: sim, every: 200ms, tags: {temp: {address: "sine(min=0,max=${max})"}}}}\n` +
    `store: {path: ${at('store')}}\napi: {listen: off}\nfleet: {source: ${at('clone')}, key: "${key}"}\n`;
  let number = 0;
  const push = (max: number, change = (sealed: string) => sealed): void => {
    writeFileSync(at('next.yaml'), text(max));
    millgate('bundle', 'next.yaml', '--key', 'fleet.key', '--number', String(++number), '--out', 'desk/press-1.bundle');
    writeFileSync(at('desk', 'press-1.bundle'), change(readFileSync(at('desk', 'press-1.bundle'), 'utf8')));
    git('-C', at('desk'), 'add', '-A');
    git('-C', at('desk'), 'commit', '--quiet', '-m', `bundle ${number}`);
    git('-C', at('desk'), 'push', '--quiet', 'origin', 'HEAD:main');
  };
  push(10);
  git('clone', '--quiet', at('fleet.git'), at('clone'));
  mkdirSync(at('store'));
  const file = bench.write('millgate.yaml', text(10));
  const gateway = bench.gateway(file);
  const pull = () => millgate('pull', '--config', file, '--json');
  await until('the gateway', () => existsSync(at('store', 'api.sock')), 30_000, gateway.output);

  push(20);
  expect(JSON.parse(pull().said)).toMatchObject({ ok: true, number: 2, outcome: 'kept' });
  expect(readFileSync(file, 'utf8')).toContain('max=20');

  // What is there counts where the repository cannot be reached.
  renameSync(at('fleet.git'), at('away.git'));
  const offline = millgate('pull', '--config', file);
  expect([offline.code, offline.said]).toEqual([0, expect.stringContaining('Nothing new: bundle 2')]);
  renameSync(at('away.git'), at('fleet.git'));

  push(30, (sealed) => sealed.replace('max=30', 'max=31'));
  const forged = pull();
  expect([forged.code, JSON.parse(forged.said).why]).toEqual([1, expect.stringMatching(/signature is wrong/)]);
  expect(readFileSync(file, 'utf8')).toContain('max=20');
});
