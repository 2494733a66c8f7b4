import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { machineAt } from '../../../src/cli/doctor/read-machine.ts';
import { support, tar } from '../../../src/cli/support/support.ts';
import { EXIT } from '../../../src/core/errors.ts';
import { contextOf, millgate, serve, temporaryFolder } from '../../double/command-line.ts';
import { fakeGateway, SIX, STATUS } from '../../double/fake-gateway.ts';
import { QUIET_MACHINE, writeMachine } from '../../double/machine-root.ts';

/** Secrets, one for each place that could give one away. */
const SECRETS = {
  file: 'correct horse battery',
  environment: 'Tr0ub4dor&3',
  inline: 'hunter2-inline',
  url: 'url-pa55',
  conf: 'conf-d-t0ken',
  profile: 'profile-s3cret',
  event: 'event-pa55word',
  journal: 'journal-t0k3n-abc',
  kernel: 'ghp_0123456789abcdefghijKL',
  pem: 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC',
};

/** A gateway with a secret in every place, on a machine whose journal has some, too. */
async function bench(text?: string) {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  writeFileSync(join(folder, 'mqtt.secret'), `${SECRETS.file}\n`);
  writeFileSync(
    file,
    text ??
      `channels: {sim: {driver: mock}}
devices: {oven: {channel: sim, tags: {temp: {address: 201.25}}}}
store: {path: ${folder}/store}
# it used to be  password: ${SECRETS.inline}
uplinks:
  plant: {type: mqtt, url: "mqtt://127.0.0.1:1", username: gw, password: {file: mqtt.secret}}
`,
  );
  mkdirSync(join(folder, 'conf.d'));
  writeFileSync(join(folder, 'conf.d/10-more.yaml'), `# token: ${SECRETS.conf}\n`);
  mkdirSync(join(folder, 'profiles'));
  writeFileSync(join(folder, 'profiles/own.yaml'), `# mqtts://me:${SECRETS.profile}@broker\n`);
  mkdirSync(join(folder, 'store'));
  const uplinks = STATUS.uplinks.map((each) => ({ ...each, reason: `mqtt://gw:${SECRETS.url}@b refused` }));
  const message = `broker said: password=${SECRETS.event} (${SECRETS.file}) ${SECRETS.environment}`;
  const view = fakeGateway({
    status: async () => ({ ...STATUS, config: { file, hash: 'x' }, uplinks }),
    events: async () => ({ events: [{ seq: 1, t: SIX, kind: 'audit', message }], next: undefined }),
  });
  await serve(view, { socketPath: join(folder, 'store/api.sock') });
  const key = `-----BEGIN PRIVATE KEY-----\\n${SECRETS.pem}\\n-----END PRIVATE KEY-----`;
  const log = `gw: Authorization: Bearer ${SECRETS.journal}\\ngw: ${SECRETS.file}\\n${key}\\nline-a: the port is gone`;
  const root = writeMachine(temporaryFolder(), {
    ...QUIET_MACHINE,
    '/usr/bin/journalctl': `#!/bin/sh\nif [ "$1" = -k ]; then printf 'usb 1-1: ${SECRETS.kernel}'; else printf '${log.replaceAll("'", '')}'; fi\n`,
  });
  const env = { MILLGATE_SOCKET: '', MILLGATE_CONFIG: file, MQTT_PASSWORD: SECRETS.environment };
  const { context, terminal, err } = contextOf({ env, cwd: folder });
  return { folder, context, machine: machineAt(root, context), terminal, err };
}

/** Unpacks with the tar of the machine, which knows nothing of how it was packed. */
function unpack(archive: string): ReadonlyMap<string, string> {
  const folder = temporaryFolder();
  execFileSync('tar', ['xzf', archive, '-C', folder]);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), readFileSync(path, 'utf8')];
    }),
  );
}

describe('support', () => {
  it('packs everything that tells what is wrong, and not one of the secrets', async () => {
    const { folder, context, machine, terminal, err } = await bench();
    const output = join(folder, 'out.tar.gz');
    expect(await support({ output }, context, machine)).toBe(EXIT.ok);
    expect(terminal.written).toBe(`${output}\n`);
    const files = unpack(output);
    expect([...files.keys()].sort()).toEqual(
      [
        ...[
          'README.txt',
          'check.txt',
          'config/conf.d/10-more.yaml',
          'config/millgate.yaml',
          'config/profiles/own.yaml',
        ],
        ...['doctor.txt', 'events.jsonl', 'journal.log', 'kernel.log', 'ledger.json', 'status.json', 'status.txt'],
        ...['system.json', 'tags.json'],
      ].map((name) => `millgate-support/${name}`),
    );
    for (const [name, secret] of Object.entries(SECRETS))
      for (const [file, text] of [...files, ['stderr', err()] as const])
        expect(text.includes(secret), `${name} in ${file}`).toBe(false);
    expect(files.get('millgate-support/journal.log')).toContain('line-a: the port is gone');
    expect(files.get('millgate-support/config/millgate.yaml')).toContain('password: {file: mqtt.secret}');
    expect(files.get('millgate-support/events.jsonl')).toContain('broker said: password=[redacted]');
    expect(JSON.parse(files.get('millgate-support/status.json')!)).toMatchObject({ state: 'running' });
    expect(JSON.parse(files.get('millgate-support/system.json')!)).toMatchObject({ node: process.versions.node });
  });

  it('is for its owner only, and says what it put in and took out', async () => {
    const { folder, context, machine, err } = await bench();
    await support({ output: 'out.tar.gz' }, context, machine);
    expect(statSync(join(folder, 'out.tar.gz')).mode & 0o777).toBe(0o600);
    expect(err()).toMatch(/In it:\n {2}doctor\.txt +\d/);
    expect(err()).toMatch(
      /Taken out, and replaced by \[redacted\]:\n( {2}\d+ × .*\n)* {2}\d+ × value of a configured secret\n/,
    );
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('works with a broken file, whose secrets are found all the same', async () => {
    const text = `chanels: {}\nuplinks:\n  plant:\n    password: ${SECRETS.inline}\n`;
    const { folder, context, machine } = await bench(text);
    await support({ output: 'out.tar.gz' }, context, machine);
    const files = unpack(join(folder, 'out.tar.gz'));
    expect(files.get('millgate-support/config/millgate.yaml')).toContain('password: [redacted]');
    expect(files.get('millgate-support/check.txt')).toContain('chanels');
    expect([...files.values()].join()).not.toContain(SECRETS.inline);
    // The file does not say any more where its gateway answers, but the gateway says which file it runs.
    expect(files.has('millgate-support/status.json')).toBe(true);
  });

  it('stays below ten megabytes whatever the logs hold', async () => {
    const { folder, context, machine } = await bench();
    const line = 'a line of a log that says the same again and again, for ever';
    const ask = async () => `${`${line}\n`.repeat(200_000)}the end`;
    await support({ output: 'out.tar.gz' }, context, { ...machine, ask });
    const files = unpack(join(folder, 'out.tar.gz'));
    const total = [...files.values()].reduce((sum, text) => sum + text.length, 0);
    expect(total).toBeLessThan(10_000_000);
    expect(files.get('millgate-support/journal.log')).toMatch(/the end$/);
    expect(files.get('millgate-support/README.txt')).toMatch(/journal\.log .* more were left out/);
  });

  it('does not overwrite, and says where it may not write', async () => {
    const { folder, context, machine } = await bench();
    writeFileSync(join(folder, 'there.tar.gz'), 'mine');
    await expect(support({ output: 'there.tar.gz' }, context, machine)).rejects.toThrow(/there already/);
    await expect(support({ output: 'nowhere/x.tar.gz' }, context, machine)).rejects.toThrow(
      /nowhere\/x\.tar\.gz: there is no folder .*nowhere\. Make it, or name another file with --output\.$/,
    );
    expect(readFileSync(join(folder, 'there.tar.gz'), 'utf8')).toBe('mine');
  });

  it('works without a file and without a gateway', async () => {
    const cwd = temporaryFolder();
    const run = millgate(['support', '--json', '--config', '/nonexistent/m.yaml', '--output', 'x.tar.gz'], { cwd });
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(JSON.parse(run.out())).toMatchObject({ file: join(cwd, 'x.tar.gz') });
    expect(unpack(join(cwd, 'x.tar.gz')).get('millgate-support/doctor.txt')).toContain('there is no such file');
  });
});

it('an archive of any contents is one that tar lists', () => {
  const folder = temporaryFolder();
  const contents = [0, 1, 511, 512, 513, 70_000].map((size) => ({ name: `f-${size}`, content: Buffer.alloc(size, 7) }));
  writeFileSync(join(folder, 'a.tar'), tar(contents, SIX));
  const listed = execFileSync('tar', ['tvf', join(folder, 'a.tar'), '--utc'], { encoding: 'utf8' });
  expect(listed.match(/\d+ 2025-11-24 06:00/g)).toEqual(
    contents.map(({ content }) => `${content.length} 2025-11-24 06:00`),
  );
  expect(() => tar([{ name: 'x'.repeat(101), content: Buffer.alloc(0) }], SIX)).toThrow(/too long/);
});
