import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Numbers made by independent tools, each file naming its own: qcc for R, published tables. MILLGATE_ORACLES names others. */
export function oracle<T>(name: string): T {
  const root = process.env.MILLGATE_ORACLES;
  const file = root ? join(root, 'spc', name) : join(import.meta.dirname, 'oracles', name);
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

/** How far two numbers are apart, relative to the second (absolute below 1e-300). */
export function relativeError(got: number, wanted: number): number {
  return Math.abs(got - wanted) / (wanted === 0 ? 1 : Math.abs(wanted));
}
