import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../../src/core/errors.ts';
import { millgate, serve, temporaryFolder } from '../../double/command-line.ts';
import { fakeGateway } from '../../double/fake-gateway.ts';

const GOOD = `channels:
  sim: {driver: mock}
devices:
  oven: {channel: sim, tags: {temp: {address: 201.25, unit: "°C"}}}
store: {path: /tmp/millgate-no-store}
`;

function file(text: string): string {
  const path = join(temporaryFolder(), 'millgate.yaml');
  writeFileSync(path, text);
  return path;
}

describe('check', () => {
  it('puts problems on standard error and ends with 78', async () => {
    const path = file(`${GOOD}chanels: {}\n`);
    const run = millgate(['check', path]);
    expect(await run.exitCode).toBe(EXIT.configInvalid);
    expect(run.out()).toBe('');
    expect(run.err()).toMatch(/millgate\.yaml:\d+:\d+ /);
  });

  it.each(['millgate.yaml', './millgate.yaml', 'nowhere/millgate.yaml'])(
    'names a relative file as it was given: %s',
    async (name) => {
      const cwd = dirname(file(`${GOOD}chanels: {}\n`));
      const run = millgate(['check', name], { cwd });
      expect(await run.exitCode).toBe(EXIT.configInvalid);
      expect(run.err().startsWith(`${name}:`)).toBe(true);
      expect(run.err()).not.toContain(cwd);
    },
  );

  it('puts what will happen on standard output', async () => {
    const run = millgate(['check', file(GOOD)]);
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.out()).not.toBe('');
  });

  it('gives one JSON document either way', async () => {
    const good = millgate(['check', file(GOOD), '--json']);
    expect(await good.exitCode).toBe(EXIT.ok);
    expect(JSON.parse(good.out())).toMatchObject({ ok: true, problems: [], forecast: {} });
    const bad = millgate(['check', file(`${GOOD}chanels: {}\n`), '--json']);
    expect(await bad.exitCode).toBe(EXIT.configInvalid);
    expect(JSON.parse(bad.out())).toMatchObject({ ok: false, problems: [{ severity: 'error' }] });
    expect(bad.err()).toBe('');
  });

  it('takes the file from --config, before the command or after it, or from MILLGATE_CONFIG', async () => {
    const path = file(GOOD);
    const ways = [
      millgate(['check', '--config', path]),
      millgate(['--config', path, 'check']),
      millgate(['check'], { env: { MILLGATE_CONFIG: path } }),
    ];
    for (const run of ways) expect(await run.exitCode).toBe(EXIT.ok);
  });

  it('answers for a file that is not there', async () => {
    const run = millgate(['check', '/nonexistent/millgate.yaml']);
    expect(await run.exitCode).toBe(EXIT.configInvalid);
    expect(run.err()).toContain('/nonexistent/millgate.yaml');
  });
});

describe('check --online', () => {
  const TWO = GOOD.replace('tags: {temp', 'tags: {door: {address: on}, temp');

  it('reads each tag once without a gateway, and shows value and quality in the list', async () => {
    const run = millgate(['check', file(TWO), '--online'], { env: { MILLGATE_SOCKET: '' } });
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.out()).toMatch(/^Tags +value +unit +quality +every +address$/m);
    expect(run.out()).toMatch(/^ {2}oven\/temp +201\.25 +°C +good +1s/m);
  });

  it('shows the label of a value, and its decimals', async () => {
    const labelled = 'tags: {mode: {address: 1, labels: {1: running}}, level: {address: 2.5, decimals: 2}, temp';
    const run = millgate(['check', file(GOOD.replace('tags: {temp', labelled)), '--online'], {
      env: { MILLGATE_SOCKET: '' },
    });
    await run.exitCode;
    expect(run.out()).toMatch(/oven\/mode +running +good/);
    expect(run.out()).toMatch(/oven\/level +2\.50 +good/);
  });

  it('makes the tags bad whose channel cannot be opened, and reads the others; exit 1', async () => {
    const path = file(`channels: {sim: {driver: mock}, line: {driver: modbus-rtu, port: /nonexistent/tty}}
devices:
  oven: {channel: sim, tags: {temp: {address: 201.25}}}
  press: {channel: line, unit: 3, tags: {speed: {address: "holding:1"}}}
store: {path: /tmp/millgate-no-store}
`);
    const run = millgate(['check', path, '--online', '--json'], { env: { MILLGATE_SOCKET: '' } });
    expect(await run.exitCode).toBe(EXIT.failed);
    const { ok, readings } = JSON.parse(run.out());
    expect(ok).toBe(false);
    expect(readings).toMatchObject([
      { tag: 'oven/temp', quality: 'good', value: 201.25 },
      { tag: 'press/speed', quality: 'bad', why: 'not-connected' },
    ]);
    expect(run.err()).toContain('millgate: line: /nonexistent/tty: no such port.');
  });

  it('reads through the gateway that runs, and says when that has another configuration', async () => {
    const path = file(`channels: {sim: {driver: mock}}
devices: {oven: {channel: sim, tags: {temp: {address: 201.25}, new: {address: 1}}}}
store: {path: /tmp/millgate-no-store}
`);
    const view = fakeGateway();
    const { socketPath } = await serve(view);
    const run = millgate(['check', path, '--online'], { env: { MILLGATE_SOCKET: socketPath } });
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(view.asked.read).toEqual([['oven/temp']]);
    expect(run.out()).toMatch(/oven\/temp +260 +uncertain out-of-range/);
    expect(run.out()).toMatch(/oven\/new +– +not read/);
    expect(run.err()).toMatch(/runs configuration 9b1e00c0ffee, not this one .* and 1 tags are not in it/);
  });
});

describe('check on the machine itself', () => {
  it('warns of ports that are not there, which is no error', async () => {
    const path = file(`channels: {line: {driver: modbus-rtu, port: /nonexistent/tty}}
devices: {press: {channel: line, unit: 3, tags: {speed: {address: "holding:1"}}}}
`);
    const run = millgate(['check', path]);
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.out()).toMatch(/On this machine \(bench\)\n {2}WARNING: line: \/nonexistent\/tty is not there/);
    const machine = millgate(['check', path, '--json']);
    await machine.exitCode;
    expect(JSON.parse(machine.out()).machine).toMatchObject([{ severity: 'broken', where: 'line' }]);
  });
});
