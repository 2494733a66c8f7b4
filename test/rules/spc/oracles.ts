import { readOracle } from '../../double/oracle.ts';

/** A file about control charts: qcc for R, published tables. */
export function oracle<T>(name: string): T {
  return readOracle(`spc/${name}`) as T;
}

/** How far two numbers are apart, relative to the second (absolute below 1e-300). */
export function relativeError(got: number, wanted: number): number {
  return Math.abs(got - wanted) / (wanted === 0 ? 1 : Math.abs(wanted));
}
