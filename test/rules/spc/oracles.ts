import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Numbers made by independent tools: qcc for R, published tables. */
export function oracle<T>(name: string): T {
  const root = process.env.MILLGATE_ORACLES ?? resolve(import.meta.dirname, '../../../../shared/oracles');
  const file = join(root, 'spc', name);
  if (!existsSync(file))
    throw new Error(
      `no oracle ${file}: set MILLGATE_ORACLES to the folder that holds spc/${name}; nothing was compared`,
    );
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

/** How far two numbers are apart, relative to the second (absolute below 1e-300). */
export function relativeError(got: number, wanted: number): number {
  return Math.abs(got - wanted) / (wanted === 0 ? 1 : Math.abs(wanted));
}
