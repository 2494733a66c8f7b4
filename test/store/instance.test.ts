import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { localStore, temporaryFolder } from './stores.ts';

const WRITER = resolve(import.meta.dirname, 'writer-process.mjs');

/** Another process that has the store, after it committed to it. */
async function holder(folder: string) {
  const child = spawn(process.execPath, [WRITER, folder, '3000000'], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  for (let said = ''; said.split('\n').length < 5; ) said += String(await once(child.stdout, 'data'));
  child.stdout.resume();
  return child;
}

describe('a store that another process has', () => {
  it('is refused with exit 69, and says which process has it since when', async () => {
    const folder = temporaryFolder();
    const child = await holder(folder);
    await expect(localStore(folder)).rejects.toMatchObject({
      code: 69,
      message: expect.stringMatching(new RegExp(`in use by process ${child.pid} since 20.*systemctl stop millgate`)),
    });
  });

  it('is free as soon as that process is gone, however it went', async () => {
    const folder = temporaryFolder();
    const child = await holder(folder);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const { store } = await localStore(folder);
    expect((await store.status()).next.readings).toBeGreaterThan(1);
    await store.close();
  });
});
