import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { EXIT } from '../../src/core/errors.ts';
import { lockFolder } from '../../src/store/format/lock.ts';
import { temporaryFolder } from '../double/command-line.ts';
import { startDaemon } from '../double/daemon.ts';

/** The priority of every line that a gateway with this file writes to the journal until it ends, and its exit code. */
async function journal(text: (folder: string) => string, folder = temporaryFolder()) {
  const file = join(folder, 'millgate.yaml');
  writeFileSync(file, text(folder));
  const daemon = await startDaemon(file, systemClock, { JOURNAL_STREAM: '8:1234' });
  const exitCode = await daemon.exitCode;
  return { exitCode, lines: daemon.log().trimEnd().split('\n') };
}

describe('in the journal each line has the priority that it is of', () => {
  it('all problems of a file, each on a line of its own', async () => {
    const { exitCode, lines } = await journal(() => 'channels: {a: {driver: nope}}\ndevices: {x: {chanel: a}}\n');
    expect(exitCode).toBe(EXIT.configInvalid);
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.filter((line) => !line.startsWith('<3>'))).toEqual([]);
  });

  it('a store that another process holds', async () => {
    const folder = temporaryFolder();
    const lock = lockFolder(join(folder, 'store'), { pid: 4711, sinceWallMs: systemClock.wallMs() });
    const { exitCode, lines } = await journal(
      () =>
        `channels: {sim: {driver: mock}}\ndevices: {a: {channel: sim, tags: {x: {address: constant(value=1)}}}}\nstore: {path: ${join(folder, 'store')}}\n`,
      folder,
    );
    lock.release();
    expect(exitCode).toBe(EXIT.unavailable);
    expect(lines.at(-1)).toMatch(/^<3>.*process 4711/);
  });
});
