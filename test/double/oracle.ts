import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Numbers that are not ours: made by independent tools, or printed in standards and tables. Each file names its sources.
 * MILLGATE_ORACLES names a folder with others in their place.
 *
 * @param name folder and file, such as `spc/constants.json`
 */
export function readOracle(name: string): unknown {
  const folder = process.env.MILLGATE_ORACLES ?? join(import.meta.dirname, '../oracles');
  return JSON.parse(readFileSync(join(folder, name), 'utf8'));
}
