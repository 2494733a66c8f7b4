import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ConfigurationView } from '../../../src/api/view.ts';
import { displayWidth } from '../../../src/cli/terminal/table.ts';
import { diskFault } from '../../../src/config/apply/durable.ts';
import { type ApplyOrder, CONFIRM_MS, type ConfigurationStatus } from '../../../src/core/configuration.ts';
import { EXIT } from '../../../src/core/errors.ts';
import { ask, post } from '../../double/ask.ts';
import { millgate, serve, temporaryFolder, until } from '../../double/command-line.ts';
import { fakeGateway, SIX } from '../../double/fake-gateway.ts';
import { Terminal } from '../../double/terminal.ts';

const FILE = '/etc/millgate/millgate.yaml';

const STATUS: ConfigurationStatus = {
  ...{ file: FILE, hash: '9b1e00c0ffee', onDisk: 'same' },
  history: [
    {
      ...{ hash: 'c0ffee9b1e00', how: 'apply', by: 'ann', atMs: SIX, outcome: 'rolled-back' },
      ...{
        why: 'no good reading came from press-1 (waited 30s), which read good before',
        changes: ['device press-1: unit 3 → 9'],
      },
    },
    { hash: '9b1e00c0ffee', how: 'start', by: 'start', atMs: SIX - 60_000, outcome: 'kept', changes: [] },
  ],
};

/** A gateway whose configuration answers as the test says. */
function configured(over: Partial<ConfigurationView> = {}) {
  const orders: ApplyOrder[] = [];
  const configuration: ConfigurationView = {
    status: async () => STATUS,
    running: () => ({ file: FILE, hash: STATUS.hash, files: { 'millgate.yaml': 'channels: {}\n' } }),
    check: async (text) => ({ ok: true, hash: STATUS.hash, changes: [], warnings: [], pending: false, text }),
    tryAlarm: async () => ({
      fromMs: 0,
      toMs: 1,
      readings: 0,
      raised: 0,
      mostInMinute: 0,
      activeMs: 0,
      longestMs: 0,
      last: [],
    }),
    profiles: async () => [],
    async apply(order) {
      orders.push(order);
      return { ok: true, hash: STATUS.hash, changes: [], warnings: [], pending: false };
    },
    confirm: async () => {},
    rollback: async () => {},
    ...over,
  };
  return { gateway: fakeGateway({ configuration }), orders };
}

async function command(args: readonly string[], over: Partial<ConfigurationView> = {}, terminal?: Terminal) {
  const { gateway, orders } = configured(over);
  const { socketPath } = await serve(gateway);
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, 'new.yaml'), 'channels: {}\n');
  const env = { MILLGATE_SOCKET: socketPath, SUDO_USER: 'ann', USER: 'root' };
  const run = millgate(args, { env, cwd, ...(terminal && { terminal }) });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err(), orders };
}

describe('apply', () => {
  it('sends the text with who asks, and the time to confirm', async () => {
    const { exitCode, orders } = await command(['apply', 'new.yaml', '--confirm', '2m']);
    expect([exitCode, orders]).toEqual([EXIT.ok, [{ text: 'channels: {}\n', by: 'ann', confirmMs: 120_000 }]]);
  });

  it.each([
    ['no file', ['apply'], EXIT.usage, 'which file? Write millgate apply FILE.'],
    ['a file that is not there', ['apply', 'other.yaml'], EXIT.usage, 'other.yaml: there is no such file.'],
    ['a folder', ['apply', '.'], EXIT.usage, '.: cannot be read'],
    ['no duration', ['apply', 'new.yaml', '--confirm', '2'], EXIT.usage, '--confirm 2: not a duration.'],
    ['too short a time', ['apply', 'new.yaml', '--confirm', '1s'], EXIT.usage, '--confirm 1s: not within 10s to 1d.'],
  ])('refuses %s with clean words', async (_what, args, code, words) => {
    const { exitCode, err, out } = await command(args);
    expect([exitCode, out]).toEqual([code, '']);
    expect(err).toContain(words);
  });

  it('confirm --json tells that it is on trial still when nobody waits for its end', async () => {
    const pending = { hash: 'c0ffee9b1e00', devices: [], awaits: 'confirmation', confirmedBy: 'ann', confirmByMs: SIX };
    const status = async () => ({ ...STATUS, pending }) as unknown as ConfigurationStatus;
    const { socketPath } = await serve(configured({ status }).gateway);
    const run = millgate(['confirm', '--json'], { env: { MILLGATE_SOCKET: socketPath } });
    await until(() => run.err().includes('confirmed by ann'));
    run.interrupt();
    expect([await run.exitCode, JSON.parse(run.out())]).toEqual([
      EXIT.ok,
      { ok: true, hash: 'c0ffee9b1e00', outcome: 'on-trial' },
    ]);
  });

  it.each([
    ['EACCES', 'this user may not write there. Let the user that runs millgate write its folder'],
    ['EROFS', 'is on a file system that is read-only here. Mount it writable, or give the service ReadWritePaths='],
  ])('says with exit 77 what to do when the file may not be written (%s)', async (code, words) => {
    const refusal = diskFault(FILE, Object.assign(new Error('refused'), { code }));
    const { exitCode, err } = await command(['apply', 'new.yaml'], { apply: () => Promise.reject(refusal) });
    expect(exitCode).toBe(EXIT.permission);
    expect(err).toContain(`${FILE}: ${words}`);
  });

  it.each([40, 80, 120])('shows its history on a terminal of %i columns', async (columns) => {
    const { out } = await command(['apply', '--history'], {}, new Terminal(columns));
    expect(out).toContain('rolled-back');
    for (const line of out.trimEnd().split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
    expect(out.replaceAll(/\s+/g, ' ')).toContain(
      'no good reading came from press-1 (waited 30s), which read good before',
    );
  });

  it('says until when it may be confirmed, and no time that is longer than what is left', async () => {
    const { hash } = STATUS;
    const trial = { hash, how: 'apply' as const, by: 'ann', changes: [], confirmedBy: undefined, devices: [] };
    const atMs = Date.now();
    const pending = { ...trial, awaits: 'confirmation' as const, sinceMs: atMs, confirmByMs: atMs + 10_000 };
    const kept = { hash, how: 'apply', by: 'ann', atMs, outcome: 'kept', changes: [] } as const;
    let asked = 0;
    const { err, out } = await command(['apply', 'new.yaml', '--confirm', '10s'], {
      apply: async () => ({ ok: true, hash, changes: [], warnings: [], pending: true }),
      status: async () => (asked++ < 2 ? { ...STATUS, history: [], pending } : { ...STATUS, history: [kept] }),
    });
    const until = new Date(atMs + 10_000).toISOString().slice(11, 19);
    expect(err).toBe(
      `Everything flows. Until ${until}Z, in less than 15s: millgate confirm keeps it, else it is rolled back.\n`,
    );
    expect(out).toContain(`Kept: ${FILE} is now new.yaml`);
  });

  it('says of a new tag that it is bad, as data flows without it', async () => {
    const { hash } = STATUS;
    const changes = [
      {
        part: 'tag' as const,
        name: 'press-1/humidity',
        change: 'added' as const,
        details: [],
        effect: undefined,
        needsRestart: undefined,
      },
    ];
    const kept = { hash, how: 'apply', by: 'ann', atMs: SIX, outcome: 'kept', changes: [] } as const;
    const { gateway } = configured({
      apply: async () => ({ ok: true, hash, changes, warnings: [], pending: true }),
      status: async () => ({ ...STATUS, history: [kept] }),
    });
    const known = gateway.tags();
    const bad = { tag: 'press-1/humidity', wallMs: SIX, monoMs: 0, quality: 'bad', why: 'illegal-address' } as const;
    const [like] = known;
    const tags = () => [...known, { ...like!, tag: bad.tag, last: bad }];
    const { socketPath } = await serve({ ...gateway, tags });
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'new.yaml'), 'channels: {}\n');
    const run = millgate(['apply', 'new.yaml'], { env: { MILLGATE_SOCKET: socketPath, USER: 'ann' }, cwd });
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.out()).toContain('Kept: ');
    expect(run.err()).toBe('But press-1/humidity is bad: Modbus exception 02: no such register.\n');
  });

  it('gives its history as JSON', async () => {
    expect(JSON.parse((await command(['rollback', '--list', '--json'])).out)).toEqual(STATUS.history);
  });
});

describe('the configuration in the API', () => {
  it('is changed, and its files are shown, over the Unix socket only', async () => {
    const { api } = await serve(configured().gateway, { listen: { host: '127.0.0.1', port: 0 } });
    const where = { port: api.port()! };
    expect((await ask(where, '/api/v1/configuration')).body).toEqual(STATUS);
    for (const path of ['/api/v1/apply', '/api/v1/confirm', '/api/v1/rollback'])
      expect((await post(where, path, '{"by":"ann","text":""}')).status).toBe(401);
    expect((await ask(where, '/api/v1/configuration/files')).status).toBe(401);
  });

  it.each([
    ['no text', { by: 'ann' }],
    ['nobody', { text: '' }],
    ['too short a time', { text: '', by: 'ann', confirmMs: CONFIRM_MS.least - 1 }],
    ['no number', { text: '', by: 'ann', confirmMs: '2m' }],
  ])('refuses an order with %s', async (_what, body) => {
    const { socketPath } = await serve(configured().gateway);
    const answer = await post({ socketPath }, '/api/v1/apply', JSON.stringify(body));
    expect(answer).toMatchObject({
      status: 400,
      body: { detail: expect.any(String), remedy: expect.any(String), code: EXIT.usage },
    });
  });

  it('is not there where a gateway has no file, as in the demo', async () => {
    const { socketPath } = await serve(fakeGateway());
    expect((await ask({ socketPath }, '/api/v1/configuration')).status).toBe(404);
  });
});
