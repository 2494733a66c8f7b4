import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { millgate, serve, temporaryFolder } from '../double/command-line.ts';
import { fakeGateway, SIX } from '../double/fake-gateway.ts';
import { Terminal } from '../double/terminal.ts';

async function readThroughGateway(args: readonly string[], terminal?: Terminal) {
  const { socketPath } = await serve(fakeGateway());
  const run = millgate(['read', ...args], { env: { MILLGATE_SOCKET: socketPath }, ...(terminal && { terminal }) });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
}

describe('read through a running gateway', () => {
  it('prints value, unit and quality', async () => {
    const { exitCode, out } = await readThroughGateway(['press-1/oil-temp']);
    expect(out).toBe('press-1/oil-temp  45.2  °C  good\n');
    expect(exitCode).toBe(EXIT.ok);
  });

  it('shows labels and decimals to a person, and the number in JSON', async () => {
    const view = fakeGateway();
    const [oil] = view.tags();
    const labelled = { ...view, tags: () => [{ ...oil!, labels: { 45: 'warm' }, decimals: 2 }] };
    const { socketPath } = await serve(labelled);
    const env = { MILLGATE_SOCKET: socketPath };
    const shown = millgate(['read', 'press-1/oil-temp'], { env });
    await shown.exitCode;
    expect(shown.out()).toBe('press-1/oil-temp  45.20  °C  good\n');
    const json = millgate(['read', 'press-1/oil-temp', '--json'], { env });
    await json.exitCode;
    expect(JSON.parse(json.out())).toMatchObject([{ value: 45.2, unit: '°C' }]);
  });

  it('takes * for any letters; a device that was not reached makes it exit 69', async () => {
    const { exitCode, out, err } = await readThroughGateway(['press-1/*']);
    expect(err).toBe(
      'millgate: no answer from press-1. Check its power, its wiring or network, its unit id, and on a serial line baud and parity.\n',
    );
    expect(out).toBe(
      [
        'press-1/oil-temp                 45.2  °C   good',
        'press-1/pressure                    –  bar  bad timeout',
        'press-1/parts     9223372036854775808       good',
        '',
      ].join('\n'),
    );
    expect(exitCode).toBe(EXIT.unavailable);
  });

  it('says what came in place of a value, once for all tags of which it is so', async () => {
    const at = { wallMs: SIX, monoMs: 0 };
    const detail = 'unit 0 answered in place of unit 3';
    const readNow = async (tags: readonly string[]) =>
      tags.map((tag) => ({ tag, ...at, quality: 'bad' as const, why: 'garbled' as const, detail }));
    const { socketPath } = await serve(fakeGateway({ readNow }));
    const run = millgate(['read', 'press-1/oil-temp', 'press-1/parts'], { env: { MILLGATE_SOCKET: socketPath } });
    expect(await run.exitCode).toBe(EXIT.failed);
    expect(run.err()).toBe(`millgate: press-1/oil-temp, press-1/parts: ${detail}.\n`);
  });

  it('gives JSON with every digit', async () => {
    const { out } = await readThroughGateway(['press-1/parts', 'oven/temp', '--json']);
    expect(JSON.parse(out)).toEqual([
      { tag: 'press-1/parts', t: SIX, quality: 'good', value: '9223372036854775808' },
      { tag: 'oven/temp', t: SIX, quality: 'uncertain', value: 260, why: 'out-of-range', unit: '°C' },
    ]);
  });

  it('colours the quality on a terminal only', async () => {
    const { out } = await readThroughGateway(['oven/temp'], new Terminal());
    expect(out).toBe('oven/temp  260  °C  \u001b[33muncertain out-of-range\u001b[39m\n');
  });

  it.each([
    ['press-1/oil-tmep', 'Did you mean press-1/oil-temp?'],
    ['press-1', 'Did you mean press-1/*?'],
    ['zzzzzzzzzz/*', 'millgate check lists the tags there are.'],
  ])('answers the unknown tag %s with a way on, exit 2', async (tag, remedy) => {
    const { exitCode, out, err } = await readThroughGateway([tag]);
    expect(exitCode).toBe(EXIT.usage);
    expect(out).toBe('');
    expect(err).toBe(`millgate: there is no tag "${tag}". ${remedy}\n`);
  });
});

describe('read without a gateway', () => {
  it('asks the device itself', async () => {
    const config = join(temporaryFolder(), 'millgate.yaml');
    writeFileSync(
      config,
      `channels:
  sim: {driver: mock}
devices:
  oven: {channel: sim, tags: {temp: {address: 201.25, unit: "°C"}}}
store: {path: /tmp/millgate-no-store}
`,
    );
    const run = millgate(['read', 'oven/temp', '--config', config]);
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.out()).toBe('oven/temp  201.25  °C  good\n');
  });

  it('says so when there is no configuration either, exit 78', async () => {
    const run = millgate(['read', 'oven/temp', '--config', '/nonexistent/millgate.yaml']);
    expect(await run.exitCode).toBe(EXIT.configInvalid);
    expect(run.err()).toContain('millgate check /nonexistent/millgate.yaml');
  });
});
