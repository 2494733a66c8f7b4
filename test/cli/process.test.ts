import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';

const PROGRAM = resolve(import.meta.dirname, '../../dist/src/cli.js');

/** The compiled program, running a demo; resolves with the folder it works in. */
async function startDemo() {
  const child = spawn(process.execPath, [PROGRAM, 'demo', '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    err += chunk;
  });
  const exit = once(child, 'exit') as Promise<[number | null, string | null]>;
  const lines = createInterface({ input: child.stdout });
  const [first] = (await once(lines, 'line')) as [string];
  const { socket } = (JSON.parse(first) as { demo: { socket: string } }).demo;
  return { child, folder: dirname(socket), exit, err: () => err };
}

describe('the process', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('ends clean within a second of %s', async (signal) => {
    const { child, folder, exit, err } = await startDemo();
    const sentMs = performance.now();
    child.kill(signal);
    expect(await exit).toEqual([0, null]);
    expect(performance.now() - sentMs).toBeLessThan(1000);
    expect(existsSync(folder)).toBe(false);
    expect(err()).toBe('');
  });

  it('ends quietly, and tidies up, when its reader goes away', async () => {
    const { child, folder, exit, err } = await startDemo();
    child.stdout.destroy();
    expect(await exit).toEqual([0, null]);
    expect(existsSync(folder)).toBe(false);
    expect(err()).toBe('');
  });
});
