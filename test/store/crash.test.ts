import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { localStore, temporaryFolder } from './stores.ts';

const WRITER = resolve(import.meta.dirname, 'writer-process.mjs');
const KILLS = 10;

/** Runs the writer, kills it at a random moment, and gives the numbers that it was told are durable. */
async function writeAndKill(folder: string, maxBytes: number): Promise<{ readings: number; events: number }> {
  const child = spawn(process.execPath, [WRITER, folder, String(maxBytes)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  let isWriting = () => {};
  const writing = new Promise<void>((done) => {
    isWriting = done;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (said.split('\n').length > 3 + Math.random() * 60) isWriting();
  });
  const ended = once(child, 'exit');
  await Promise.race([writing, ended]);
  child.kill('SIGKILL');
  expect((await ended)[1]).toBe('SIGKILL');
  const last = said.slice(0, said.lastIndexOf('\n')).split('\n').at(-1)!;
  const [readings, events] = last.replace('open ', '').split(' ').map(Number);
  return { readings: readings!, events: events! };
}

/** Reads everything and checks that each record is the one with its number. */
async function checkRecords(store: Store): Promise<void> {
  for (let at = 1; ; ) {
    const { from, records, next } = await store.peek(at, 5000);
    if (records.length === 0) return;
    const numbers = records.map(({ fields: [field] }) => field?.quality === 'good' && field.value);
    expect(numbers).toEqual(records.map((_, index) => from + index));
    at = next;
  }
}

describe('a process that is killed while it commits', () => {
  it('loses nothing that was acknowledged, and goes on with its numbers', { timeout: 60_000 }, async () => {
    const folder = temporaryFolder();
    for (let kill = 0; kill < KILLS; kill++) {
      const acknowledged = await writeAndKill(folder, 3_000_000);
      const { store } = await localStore(folder, { maxBytes: 3_000_000 });
      const { next, losses, oldest } = await store.status();
      expect(next.readings).toBeGreaterThanOrEqual(acknowledged.readings);
      expect(next.events).toBeGreaterThanOrEqual(acknowledged.events);
      expect(losses.filter(({ cause }) => cause !== 'evicted')).toEqual([]);
      expect(oldest.events).toBe(1);
      expect((await store.states()).get('last')).toBe(String(next.readings - 1));
      await checkRecords(store);
      await store.close();
    }
  });
});
