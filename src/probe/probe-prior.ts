/** What is likely before anything was read: types, orders and scales of known register maps. */
import { isByteSwapped } from '../../hal/modbus/map/register-values.ts';
import type { Decoding, NumberType } from './probe-decode.ts';

/*
 * What is usual, as natural logarithms of shares. Types and orders: the eighteen profiles that come with the program and
 * the manuals behind them; scales: the same, the rare ones rounded up so that none is impossible.
 */

/** Powers of ten that a raw value is multiplied by. */
export const SCALE_EXPONENTS = [0, -1, -2, -3, -4, 1, 2, 3, 4] as const;
export type ScaleExponent = (typeof SCALE_EXPONENTS)[number];

/** Types of tags. */
export const TYPE_SHARE: Record<NumberType, number> = {
  uint16: 0.22,
  int16: 0.16,
  float32: 0.22,
  uint32: 0.12,
  int32: 0.11,
  float64: 0.04,
  uint64: 0.035,
  int64: 0.03,
  bcd16: 0.03,
  bcd32: 0.025,
};

/** Orders of values of more than one register, and the share of devices that swap the bytes of one register. */
export const ORDER_SHARE = { ABCD: 0.48, CDAB: 0.36, BADC: 0.07, DCBA: 0.09 };
export const SWAPPED_SHARE = 0.08;

const WHOLE_SCALE_SHARE: Record<ScaleExponent, number> = {
  0: 0.24,
  [-1]: 0.23,
  [-2]: 0.19,
  [-3]: 0.12,
  [-4]: 0.04,
  1: 0.06,
  2: 0.05,
  3: 0.04,
  4: 0.03,
};

const FLOAT_SCALE_SHARE: Record<ScaleExponent, number> = {
  0: 0.7,
  [-3]: 0.08,
  3: 0.06,
  [-1]: 0.03,
  [-2]: 0.03,
  1: 0.03,
  2: 0.03,
  [-4]: 0.02,
  4: 0.02,
};

/** Whether a type is a float. */
export function isFloat(type: NumberType): boolean {
  return type === 'float32' || type === 'float64';
}

/** A raw value in the unit of the display; a division where that is exact, as 2314 by 10 is. */
export function scaled(value: number, exponent: ScaleExponent): number {
  return exponent < 0 ? value / 10 ** -exponent : value * 10 ** exponent;
}

/**
 * How usual a scale is for a type; most displays show the very decimals that a whole number is scaled to.
 *
 * @param decimals that the display shows
 */
export function scalePrior({ type }: Decoding, exponent: ScaleExponent, decimals: number): number {
  const isDisplays = decimals > 0 && exponent === -decimals && !isFloat(type);
  return Math.log(scaleShare(type, exponent)) + (isDisplays ? LN_DISPLAYS_SCALE : 0);
}

const LN_DISPLAYS_SCALE = Math.log(2);

/** The device was made by one maker: how much likelier the second decoding is once the first is known. */
export function togetherPrior(first: Decoding, second: Decoding): number {
  const same = first.type === second.type ? 0.55 : isSibling(first.type, second.type) ? 0.2 : 0;
  const type = Math.log((same + 0.25 * TYPE_SHARE[second.type]) / TYPE_SHARE[second.type]);
  const isSame =
    first.registers === 1 || second.registers === 1
      ? isByteSwapped(first.order) === isByteSwapped(second.order)
      : first.order === second.order;
  const usual = orderShare(second);
  const ofThose = first.registers === 1 && second.registers > 1 ? usual / sharesOf(isByteSwapped(first.order)) : 1;
  const order = Math.log(((isSame ? 0.95 * ofThose : 0) + 0.05 * usual) / usual);
  return type + order;
}

/** The same of scales: values of one kind share theirs. */
export function togetherScalePrior(type: NumberType, first: ScaleExponent, second: ScaleExponent): number {
  const usual = scaleShare(type, second);
  return Math.log(((first === second ? 0.5 : 0) + 0.5 * usual) / usual);
}

function sharesOf(isSwapped: boolean): number {
  return isSwapped ? ORDER_SHARE.BADC + ORDER_SHARE.DCBA : ORDER_SHARE.ABCD + ORDER_SHARE.CDAB;
}

function scaleShare(type: NumberType, exponent: ScaleExponent): number {
  return (isFloat(type) ? FLOAT_SCALE_SHARE : WHOLE_SCALE_SHARE)[exponent];
}

function orderShare({ registers, order }: Decoding): number {
  if (registers > 1) return ORDER_SHARE[order];
  return order === 'BADC' ? SWAPPED_SHARE : 1 - SWAPPED_SHARE;
}

/** Whether two types differ in their sign only. */
function isSibling(one: NumberType, other: NumberType): boolean {
  return one.replace('u', '') === other.replace('u', '');
}
