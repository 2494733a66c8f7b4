/** One mistake of each kind: what a technician reads must be understood without the code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { diskFilesFrom } from '../../src/config/file/disk-files.ts';
import { withText } from '../../src/config/file/files.ts';
import { formatProblems } from '../../src/config/file/problems.ts';
import { loadConfig } from '../../src/config/load.ts';

const FOLDER = join(import.meta.dirname, 'texts');
const PROFILES = join(import.meta.dirname, '../../config/profiles');

/** What `check` prints of a text. */
function printed(text: string): string {
  const files = withText(diskFilesFrom('/'), 'millgate.yaml', text);
  const options = { file: 'millgate.yaml', drivers: DRIVERS, hostname: 'gate', timezone: 'UTC', profiles: PROFILES };
  const loaded = loadConfig({ ...options, files });
  return formatProblems(loaded.ok ? loaded.warnings : loaded.problems).replaceAll(PROFILES, 'config/profiles');
}

describe('what check says of mistakes in', () => {
  it.each([
    'syntax',
    'sections',
    'channels',
    'devices',
    'tags',
    'formulas',
    'alarms',
    'spc',
    'production',
    'maintenance',
    'scanned',
    'uplinks',
    'notify',
    'serve',
    'fleet',
    'slips',
  ])('%s', async (name) => {
    const parts = readFileSync(join(FOLDER, `${name}.yaml`), 'utf8').split(/^####(.*)\n/m);
    const [first, ...titled] = parts;
    const cases = first === '' ? [] : [`${name}\n\n${printed(first!)}`];
    for (let index = 0; index < titled.length; index += 2)
      cases.push(`${titled[index]!.trim()}\n\n${printed(titled[index + 1]!)}`);
    await expect(`${cases.join('\n\n\n')}\n`).toMatchFileSnapshot(join(FOLDER, `${name}.txt`));
  });
});
