import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GatewayView } from '../../src/api/view.ts';
import { EXIT } from '../../src/core/errors.ts';
import { lockFolder } from '../../src/store/format/lock.ts';
import { post } from '../double/ask.ts';
import { millgate, serve, temporaryFolder } from '../double/command-line.ts';
import { fakeGateway } from '../double/fake-gateway.ts';

async function writeThroughGateway(args: readonly string[], over: Partial<GatewayView> = {}) {
  const view = fakeGateway(over);
  const { socketPath } = await serve(view);
  const run = millgate(['write', ...args], { env: { MILLGATE_SOCKET: socketPath } });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err(), asked: view.asked.write };
}

describe('write through a running gateway', () => {
  it('prints what was read back', async () => {
    const { exitCode, out, asked } = await writeThroughGateway(['press-1/oil-temp', '45.5']);
    expect(asked).toEqual([['press-1/oil-temp', 45.5]]);
    expect(out).toBe('press-1/oil-temp = 45.5 °C\n');
    expect(exitCode).toBe(EXIT.ok);
  });

  it('says who writes', async () => {
    const view = fakeGateway();
    const by: unknown[] = [];
    const write: GatewayView['write'] = async (tag, _value, _signal, who) => {
      by.push(who);
      return { ok: true, tag, readBack: 1 };
    };
    const { socketPath } = await serve({ ...view, write });
    const env = { MILLGATE_SOCKET: socketPath, USER: 'anna' };
    expect(await millgate(['write', 'press-1/oil-temp', '1'], { env }).exitCode).toBe(EXIT.ok);
    expect(by).toEqual(['anna']);
  });

  it('says why a write was refused, exit 77', async () => {
    const { exitCode, out, err } = await writeThroughGateway(['press-1/parts', '5']);
    expect(err).toBe('millgate: press-1/parts: not written: press-1/parts is not writable.\n');
    expect(out).toBe('');
    expect(exitCode).toBe(EXIT.permission);
  });

  it('says the label of what was read back', async () => {
    const tags = () => [
      {
        tag: 'press-1/oil-temp',
        labels: { 1: 'running' },
        readings: 1,
        unit: undefined,
        everyMs: 1000,
        description: undefined,
        last: undefined,
      },
    ];
    expect((await writeThroughGateway(['press-1/oil-temp', '1'], { tags })).out).toBe('press-1/oil-temp = running\n');
  });

  it('does not say that nothing was written when nobody knows, exit 1', async () => {
    const why = 'the device did not answer; it is not known whether it took the value';
    const write = async (tag: string) => ({ ok: false, kind: 'unknown', tag, why }) as const;
    const { exitCode, err } = await writeThroughGateway(['press-1/oil-temp', '45.5'], { write });
    expect(err).toBe(`millgate: press-1/oil-temp: perhaps written: ${why}.\n`);
    expect(exitCode).toBe(EXIT.failed);
  });

  it.each([
    ['on', true],
    ['FALSE', false],
    ['-7', -7],
    ['1e3', 1000],
    ['18446744073709551615', 18_446_744_073_709_551_615n],
    ['run', 'run'],
  ])('takes %s as a person means it', async (text, value) => {
    const { asked } = await writeThroughGateway(['press-1/oil-temp', '--', text]);
    expect(asked).toEqual([['press-1/oil-temp', value]]);
  });

  it('takes a text that looks like a number with --text', async () => {
    const { asked } = await writeThroughGateway(['--text', 'press-1/oil-temp', '42']);
    expect(asked).toEqual([['press-1/oil-temp', '42']]);
  });
});

describe('the route', () => {
  it('is for the Unix socket only: over TCP anybody on this machine could call', async () => {
    const view = fakeGateway();
    const { api, socketPath } = await serve(view, { listen: { host: '127.0.0.1', port: 0 } });
    const body = '{"tag":"press-1/oil-temp","value":5}';
    for (const path of ['/api/v1/write', '/api/v1/%77rite', '/api/v1/write?a=b', '//api/v1/write']) {
      const { status } = await post({ port: api.port()! }, path, body);
      expect([401, 404], path).toContain(status);
    }
    expect(view.asked.write).toEqual([]);
    expect((await post({ socketPath }, '/api/v1/write', body)).body).toMatchObject({ ok: true, readBack: 5 });
  });

  it.each(['{}', '{"tag":"press-1/oil-temp"}', '{"tag":"press-1/oil-temp","value":null}', '[]', 'null'])(
    'refuses the body %s',
    async (body) => {
      const { socketPath } = await serve(fakeGateway());
      expect((await post({ socketPath }, '/api/v1/write', body)).status).toBe(400);
    },
  );
});

describe('write without a gateway', () => {
  function configured(commands: string): string {
    const config = join(temporaryFolder(), 'millgate.yaml');
    const lines = [
      'channels: {plc: {driver: modbus-tcp, host: 127.0.0.1, port: 1, timeout: 100ms}}',
      'devices: {press-1: {channel: plc, unit: 1, tags: {setpoint: {address: "holding:1", writable: {min: 0, max: 9}}}}}',
      `store: {path: ${temporaryFolder()}}`,
      commands,
    ];
    writeFileSync(config, lines.join('\n'));
    return config;
  }
  const write = async (config: string, value: string) => {
    const run = millgate(['write', 'press-1/setpoint', value, '--config', config]);
    return { exitCode: await run.exitCode, err: run.err() };
  };

  it('is refused unless the file allows it', async () => {
    const { exitCode, err } = await write(configured(''), '5');
    expect(exitCode).toBe(EXIT.permission);
    expect(err).toContain('commands: {enabled: true}');
  });

  it('keeps the limits of the file, and tells a device that is not there from a refusal', async () => {
    const config = configured('commands: {enabled: true}');
    expect(await write(config, '10')).toMatchObject({ exitCode: EXIT.permission });
    expect(await write(config, '5')).toMatchObject({ exitCode: EXIT.unavailable });
  });
});

describe('the journal of a write without a gateway', () => {
  function stopped() {
    const folder = temporaryFolder();
    const config = join(folder, 'millgate.yaml');
    const write = (commands: string) =>
      writeFileSync(
        config,
        `channels:
  sim: {driver: mock}
  plc: {driver: modbus-tcp, host: 127.0.0.1, port: 1, timeout: 100ms}
devices:
  oven: {channel: sim, tags: {temp: {address: "constant(value=42)", writable: {min: 0, max: 90}}}}
  press: {channel: plc, unit: 1, tags: {setpoint: {address: "holding:1", writable: {min: 0, max: 9}}}}
store: {path: ./store}
${commands}`,
      );
    write('commands: {enabled: true}');
    const run = async (...args: string[]) => {
      const started = millgate([...args, '--config', config], { env: { MILLGATE_SOCKET: '', USER: 'anna' } });
      return { exitCode: await started.exitCode, out: started.out(), err: started.err() };
    };
    const journal = async () =>
      (await run('events', '--json')).out
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    return { folder, run, journal, write };
  }

  it('has what was written, what was refused, and what could not be sent, with who ordered it', async () => {
    const { run, journal, write } = stopped();
    expect(await run('write', 'oven/temp', '50')).toEqual({ exitCode: EXIT.ok, out: 'oven/temp = 50\n', err: '' });
    expect((await run('write', 'oven/temp', '99')).exitCode).toBe(EXIT.permission);
    expect((await run('write', 'press/setpoint', '5')).exitCode).toBe(EXIT.unavailable);
    write('');
    expect((await run('write', 'oven/temp', '51')).exitCode).toBe(EXIT.permission);
    const asked = { kind: 'audit', what: 'write', by: 'anna', direct: true };
    expect(await journal()).toEqual([
      expect.objectContaining({ ...asked, seq: 1, tag: 'oven/temp', value: 50, outcome: 'written', readBack: 50 }),
      expect.objectContaining({ ...asked, seq: 2, tag: 'oven/temp', value: 99, outcome: 'refused' }),
      expect.objectContaining({ ...asked, seq: 3, tag: 'press/setpoint', value: 5, outcome: 'refused' }),
      expect.objectContaining({ ...asked, seq: 4, tag: 'oven/temp', value: 51, outcome: 'refused' }),
    ]);
  });

  it('is left alone while another process holds the store: nothing is written', async () => {
    const { folder, run } = stopped();
    const lock = lockFolder(join(folder, 'store'), { pid: 4711, sinceWallMs: 0 });
    const { exitCode, err } = await run('write', 'oven/temp', '50');
    lock.release();
    expect([exitCode, err]).toEqual([EXIT.unavailable, expect.stringContaining('process 4711')]);
  });

  it('that cannot be written keeps nobody from a machine, and the command says so', async () => {
    const { folder, run } = stopped();
    writeFileSync(join(folder, 'store'), 'a file where the folder should be');
    const { exitCode, out, err } = await run('write', 'oven/temp', '50');
    expect([exitCode, out]).toEqual([EXIT.ok, 'oven/temp = 50\n']);
    expect(err).toContain('this write is not in the journal');
  });
});
