import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configured } from '../double/configured.ts';
import { byTag, lineOfRecording, replayTransport, runChannel } from '../double/recorded.ts';

/**
 * Faults of the field, kept: `NAME.jsonl` is a recording, `NAME.yaml` the configuration it was made with (one channel of it),
 * `NAME.expected.txt` the values of each tag in their order, or why there was none. To add one, put the first two into
 * the folder, run this test with `-u`, and look whether the third is what should have been read.
 */
const FOLDER = join(import.meta.dirname, '../recordings');

describe('a recording from the field', () => {
  const recordings = readdirSync(FOLDER).filter((file) => file.endsWith('.jsonl'));

  it.each(recordings)('reads as it should: %s', async (file) => {
    const path = join(FOLDER, basename(file, '.jsonl'));
    const { line, channel: recorded } = lineOfRecording(readFileSync(`${path}.jsonl`, 'utf8').trimEnd().split('\n'));
    const channel = configured(readFileSync(`${path}.yaml`, 'utf8')).find(({ name }) => name === line.name);
    if (!channel) throw new Error(`${path}.yaml has no channel ${line.name}, which was recorded`);
    const strangers: string[] = [];
    const { records } = await runChannel(
      channel,
      (clock) => replayTransport(line, clock, strangers),
      line.lastUs / 1000,
      recorded.learned,
    );
    expect(strangers).toEqual([]);
    const values = Object.entries(byTag(records)).flatMap(([tag, all]) => [
      `${tag}:`,
      ...all.map((value) => `  ${value}`),
    ]);
    await expect(`${values.join('\n')}\n`).toMatchFileSnapshot(`${path}.expected.txt`);
  });
});
