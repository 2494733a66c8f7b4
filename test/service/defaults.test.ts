import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { loadConfig } from '../../src/config/load.ts';
import { BUILT_IN, memoryFiles } from '../config/double/files.ts';
import { problemsWith } from '../double/configured.ts';
import { Bench, BINARY, freePort, until } from '../double/processes.ts';

const FILE = `
channels: {sim: {driver: mock}}
devices: {oven: {channel: sim, every: 1s, tags: {temp: {address: "sine(min=1,max=2)"}}}}
`;

const bench = new Bench();
afterAll(() => bench.dispose());

function configuration(text: string) {
  const result = loadConfig({
    ...{ file: 'millgate.yaml', drivers: DRIVERS, hostname: 'gate-1', timezone: 'UTC' },
    ...{ files: memoryFiles({ 'millgate.yaml': text }), profiles: BUILT_IN },
  });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config;
}

describe('what a file that says nothing gets', () => {
  it('an API for this machine only', () => {
    expect(configuration(FILE).api.listen).toEqual({ host: '127.0.0.1', port: 8420 });
    expect(problemsWith(`${FILE}api: {listen: "0.0.0.0:8420"}\n`).join()).toMatch(
      /other machines can reach the API, unencrypted/,
    );
  });

  it('no writing to machines', () => {
    expect(configuration(FILE).commands.enabled).toBe(false);
    expect(configuration(FILE).channels[0]?.devices[0]?.tags[0]?.writable).toBeUndefined();
  });

  it('no secret in the file', () => {
    const uplink = 'uplinks: {plant: {type: mqtt, url: "mqtts://broker", username: me, password: hunter2}}\n';
    const problems = problemsWith(FILE + uplink).join('\n');
    expect(problems).toMatch(/password/);
    expect(problems).not.toContain('hunter2');
  });
});

describe('a running gateway', () => {
  it('shows its secrets to nobody: not in its log, its status or its check; and its files to its group at most', async () => {
    const port = await freePort();
    const path = join(bench.folder, 'store');
    const uplink = `uplinks: {plant: {type: mqtt, url: "mqtt://127.0.0.1:${port}", username: me, password: {env: BROKER_PASSWORD}}}`;
    const file = bench.write(
      'millgate.yaml',
      `${FILE}store: {path: ${path}}\napi: {listen: "127.0.0.1:${await freePort()}"}\n${uplink}\n`,
    );
    const env = { ...process.env, BROKER_PASSWORD: 'hunter2', MILLGATE_DEBUG: '1', NO_COLOR: '1' };
    const gateway = bench.start(process.execPath, [BINARY, 'run', '--config', file], env);
    await until('an uplink in trouble', () => /plant/.test(gateway.output()), 15_000, gateway.output);
    const status = bench.start(process.execPath, [BINARY, 'status', '--json', '--config', file], env);
    await until('the status', () => status.child.exitCode === 0, 15_000, status.output);
    const check = bench.start(process.execPath, [BINARY, 'check', '--config', file], env);
    await until('the check', () => check.child.exitCode === 0, 15_000, check.output);
    const said = gateway.output() + status.output() + check.output();
    expect(said).toContain('plant');
    expect(said).not.toContain('hunter2');
    expect(statSync(path).mode & 0o777).toBe(0o750);
    expect(statSync(join(path, 'api.sock')).mode & 0o777).toBe(0o660);
    await gateway.stop();
  });
});
