import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { millgate, temporaryFolder } from '../double/command-line.ts';

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
