import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { serve, temporaryFolder, until } from '../double/command-line.ts';
import { fakeGateway } from '../double/fake-gateway.ts';
import { BINARY } from '../double/processes.ts';
import { Terminal } from '../double/terminal.ts';

const children: ReturnType<typeof spawn>[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** The compiled program on a real terminal, which socat makes, with a gateway of its own. */
async function onTerminal(args: readonly string[], env: Record<string, string> = {}) {
  if (spawnSync('socat', ['-V']).error) throw new Error('this test needs socat: apt-get install socat');
  const { socketPath, api } = await serve(fakeGateway());
  const script = join(temporaryFolder(), 'start.sh');
  writeFileSync(
    script,
    `stty cols 80 rows 24 -echo -echoctl -onlcr\necho pid=$$\nexec '${process.execPath}' '${BINARY}' ${args.join(' ')}\n`,
  );
  const child = spawn('socat', ['-', `EXEC:sh ${script},pty,ctty,setsid,stderr`], {
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', TERM: 'xterm', MILLGATE_SOCKET: socketPath, ...env },
  });
  children.push(child);
  const terminal = new Terminal();
  let pid = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    pid ||= Number(/pid=(\d+)/.exec(text)?.[1] ?? 0);
    terminal.write(text.replace(/pid=\d+\r?\n/, ''));
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await until(() => terminal.isOnAlternatePage && terminal.lines.length > 3);
  return {
    api,
    terminal,
    ended,
    press: (keys: string) => child.stdin.write(keys),
    kill: (name: NodeJS.Signals) => process.kill(pid, name),
  };
}

const GIVEN_BACK = { isOnAlternatePage: false, isCursorShown: true, doesWrap: true };

describe('a terminal that watch has taken over', () => {
  it('is given back on Ctrl-C, with the last table on it', async () => {
    const { terminal, ended, press } = await onTerminal(['watch']);
    press('\u0003');
    await ended;
    expect(terminal).toMatchObject(GIVEN_BACK);
    expect(terminal.lines.join('\n')).toMatch(/oil-temp +45\.2 +°C/);
  });

  it.each(['SIGTERM', 'SIGHUP'] as const)('is given back on %s', async (name) => {
    const { terminal, ended, kill } = await onTerminal(['watch']);
    kill(name);
    await ended;
    expect(terminal).toMatchObject(GIVEN_BACK);
  });

  it('is given back on Ctrl-Z, and taken and drawn again on fg', async () => {
    const { terminal, ended, press, kill } = await onTerminal(['watch']);
    kill('SIGTSTP');
    await until(() => !terminal.isOnAlternatePage);
    expect(terminal).toMatchObject(GIVEN_BACK);
    kill('SIGCONT');
    await until(() => terminal.isOnAlternatePage && terminal.lines.some((line) => line.includes('oil-temp')));
    press('\u0003');
    await ended;
    expect(terminal).toMatchObject(GIVEN_BACK);
  });

  it('gets ASCII without a locale in UTF-8, says that the gateway went, and is given back on two Ctrl-C', async () => {
    const { api, terminal, ended, press } = await onTerminal(['watch'], { LANG: 'C' });
    expect(terminal.lines.join('\n')).toMatch(/oil-temp +45\.2 +oC/);
    await api.close();
    await until(() => terminal.lines.join('\n').includes('Trying again; gone for'));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is looked for
    expect(terminal.written).toMatch(/^[\u0000-\u007f]*$/);
    press('\u0003\u0003');
    await ended;
    expect(terminal).toMatchObject(GIVEN_BACK);
  });
});
