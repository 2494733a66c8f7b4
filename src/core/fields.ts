import { z } from 'zod';
import {
  DURATION_PATTERN,
  NAME_PATTERN,
  parseDuration,
  parseRate,
  parseSize,
  RATE_PATTERN,
  SIZE_PATTERN,
} from './quantity.ts';

/** A duration such as `300ms`; milliseconds. */
export const durationField = z
  .string({ error: 'write a duration with its unit, such as 300ms' })
  .regex(DURATION_PATTERN, 'write a duration with its unit, such as 300ms')
  .transform((text) => parseDuration(text)!);
/** A size such as `500MB`; bytes. */
export const sizeField = z
  .string()
  .regex(SIZE_PATTERN, 'write a size with its unit, such as 500MB')
  .transform((text) => parseSize(text)!);
/** A rate such as `500/s`; events per second. */
export const rateField = z
  .string()
  .regex(RATE_PATTERN, 'write a rate such as 500/s')
  .transform((text) => parseRate(text)!);
/** A name. */
export const nameField = z.string().regex(NAME_PATTERN, 'write a name of a-z, 0-9, _ and -');
