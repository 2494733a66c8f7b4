import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { millgate, temporaryFolder } from '../double/command-line.ts';

/** A configuration whose store is `store` in a folder. */
function text(folder: string, limit: number): string {
  return `channels: {sim: {driver: mock}}
devices:
  oven: {channel: sim, tags: {temp: {address: "sine(min=180,max=220,period=60s)"}}}
alarms: {hot: {tag: oven/temp, above: ${limit}}}
store: {path: ${join(folder, 'store')}}
`;
}

/** A folder with a configuration, and a way to apply others to it while no gateway runs. */
function stopped(before: string | undefined) {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  if (before !== undefined) writeFileSync(file, before);
  const apply = async (content: string, config = file) => {
    writeFileSync(join(folder, 'new.yaml'), content);
    const run = millgate(['apply', 'new.yaml', '--config', config], { cwd: folder });
    return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
  };
  return { folder, file, apply, read: (name = '') => readFileSync(`${file}${name}`, 'utf8') };
}

describe('apply with the gateway stopped', () => {
  it('where there is no store yet keeps each file that it replaces beside the new one', async () => {
    const { folder, file, apply, read } = stopped(undefined);
    const [before, first, second] = [text(folder, 190), text(folder, 200), text(folder, 210)];
    writeFileSync(file, before);
    const { exitCode, out } = await apply(first);
    expect([exitCode, out]).toEqual([EXIT.ok, expect.stringContaining(`kept as ${file}.replaced.\n`)]);
    await apply(second);
    expect([read(), read('.replaced'), read('.replaced.2')]).toEqual([second, before, first]);
  });

  it('keeps a file that was not valid beside the new one, as no archive has it', async () => {
    const before = 'channels: [';
    const { folder, apply, read } = stopped(before);
    mkdirSync(join(folder, 'store'));
    expect((await apply(text(folder, 200))).exitCode).toBe(EXIT.ok);
    expect([read(), read('.replaced')]).toEqual([text(folder, 200), before]);
  });

  it('makes no copy of a valid file, which the archive of the store has', async () => {
    const { folder, file, apply, read } = stopped(undefined);
    writeFileSync(file, text(folder, 200));
    mkdirSync(join(folder, 'store'));
    const { out } = await apply(text(folder, 210));
    expect([read(), existsSync(`${file}.replaced`)]).toEqual([text(folder, 210), false]);
    expect(out).not.toContain('.replaced');
  });

  it('makes no folder for a configuration that is not there', async () => {
    const { folder, apply } = stopped(undefined);
    const absent = join(folder, 'etc');
    const { exitCode, err } = await apply(text(folder, 200), join(absent, 'millgate.yaml'));
    expect(exitCode).toBe(EXIT.failed);
    expect(err).toContain(`there is no folder ${absent} to put new.yaml into. millgate init writes a first file`);
    expect(existsSync(absent)).toBe(false);
  });
});

describe('diff with the gateway stopped', () => {
  it('says how to start one with the file that was named, where none has run', async () => {
    const { folder, file } = stopped(undefined);
    writeFileSync(file, text(folder, 200));
    const run = millgate(['diff', '--config', file], { cwd: folder });
    expect(await run.exitCode).toBe(EXIT.unavailable);
    expect(run.err()).toContain(`none has run with ${file}: there is nothing to compare with. Start it: millgate run`);
  });
});
