import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { millgate, serve, until } from '../double/command-line.ts';
import { fakeGateway } from '../double/fake-gateway.ts';

describe('the command line', () => {
  it('suggests the command that was meant, exit 2', async () => {
    const run = millgate(['stauts']);
    expect(await run.exitCode).toBe(EXIT.usage);
    expect(run.err()).toContain("unknown command 'stauts'\n(Did you mean status?)");
    expect(run.out()).toBe('');
  });

  it('says of help on a word that is no command that it is unknown, exit 2', async () => {
    const run = millgate(['help', 'stauts']);
    expect(await run.exitCode).toBe(EXIT.usage);
    expect(run.err()).toContain("unknown command 'stauts'\n(Did you mean status?)");
    const known = millgate(['help', 'status']);
    expect(await known.exitCode).toBe(EXIT.ok);
    expect(known.out()).toContain('Usage: millgate status');
  });

  it.each([
    [['read']],
    [['status', '--jsn']],
    [['history', 'alarms', 'events', 'spc', 'backtest', 'oven/temp', '--since', 'yesterday']],
    [[]],
  ])('answers wrong usage %j with exit 2 and nothing on standard output', async (args) => {
    const { socketPath } = await serve(fakeGateway());
    const run = millgate(args, { env: { MILLGATE_SOCKET: socketPath } });
    expect(await run.exitCode).toBe(EXIT.usage);
    expect(run.err()).not.toBe('');
    expect(run.out()).toBe('');
  });

  it('prints its version, for a person and for a program', async () => {
    const person = millgate(['version']);
    expect(await person.exitCode).toBe(EXIT.ok);
    expect(person.out()).toMatch(/^millgate \d+\.\d+\.\d+\n$/);
    const program = millgate(['--json', 'version']);
    await program.exitCode;
    expect(JSON.parse(program.out())).toMatchObject({ node: process.versions.node });
  });

  it('prints the schema as one JSON document', async () => {
    const run = millgate(['schema']);
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(JSON.parse(run.out())).toHaveProperty('$schema');
  });

  it('says of an unknown exception that it is a bug; where, only when asked', async () => {
    const status = async () => {
      throw new Error('out of cheese');
    };
    const { socketPath } = await serve(fakeGateway({ status }));
    const run = millgate(['status'], { env: { MILLGATE_SOCKET: socketPath } });
    expect(await run.exitCode).toBe(EXIT.failed);
    expect(run.err()).toContain('This is a bug');
    expect(run.err()).not.toContain('    at ');
  });

  it('runs the daemon until Ctrl-C', async () => {
    const run = millgate(['run', '--config', '/nonexistent/millgate.yaml']);
    await until(() => true);
    run.interrupt();
    expect([EXIT.ok, EXIT.configInvalid]).toContain(await run.exitCode);
  });
});
