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

/** A duration such as `250ms` or `5s`; gives milliseconds. */
export const durationField = z
  .string({ error: 'expected a duration with its unit, such as 250ms or 5s' })
  .regex(DURATION_PATTERN, 'expected a duration with its unit, such as 250ms or 5s')
  .transform((text) => parseDuration(text) ?? 0);

/** A size such as `500MB`; gives bytes. */
export const sizeField = z
  .string({ error: 'expected a size with its unit, such as 500MB or 2GB' })
  .regex(SIZE_PATTERN, 'expected a size with its unit, such as 500MB or 2GB')
  .transform((text) => parseSize(text) ?? 0);

/** A rate such as `500/s`; gives events a second. */
export const rateField = z
  .string({ error: 'expected a rate, such as 500/s' })
  .regex(RATE_PATTERN, 'expected a rate, such as 500/s')
  .transform((text) => parseRate(text) ?? 0);

/** A name of a channel, a device, a tag or an uplink. */
export const nameField = z
  .string({ error: 'expected a name' })
  .regex(NAME_PATTERN, 'a name has lower-case letters, digits, "-" and "_", and begins with a letter or a digit');
