/** The options of channels and tags of text lines. */
import { z } from 'zod';
import { type Checked, type Problem, passed } from '../../src/core/checked.ts';
import { durationField } from '../../src/core/fields.ts';
import type { Value } from '../../src/core/reading.ts';
import type { TagSource } from '../driver.ts';
import { CHECKSUMS } from './checksum.ts';
import type { LineSettings } from './lines.ts';
import { checkPattern, type Match } from './pattern.ts';
import { type SerialSettings, serialSettings, serialShape } from './settings.ts';

/** A channel of text lines, complete. */
export interface SerialLineChannel {
  readonly serial: SerialSettings;
  readonly line: LineSettings;
  /** Longest wait for the answer to a request, ms. */
  readonly timeoutMs: number;
  readonly retries: number;
}

/** Where a tag is: the request that is answered by its line (none: the line comes by itself), and its place in the line. */
export interface SerialLineAddress {
  readonly request: string | undefined;
  /** Undefined: any line, whole. */
  readonly pattern: RegExp | undefined;
  readonly form: 'number' | 'text' | 'degrees';
  readonly decimal: '.' | ',';
  /** As other parts of the gateway call it. */
  readonly type: 'float64' | 'string';
}

const DEFAULTS = { baud: 9600, parity: 'none' } as const;

/** Keys of a `serial-line` channel. */
export const serialLineChannelShape = {
  ...serialShape(DEFAULTS),
  delimiter: z
    .string({ error: 'expected the characters that end a line, such as "\\r\\n"' })
    .min(1, 'a line needs an end, such as "\\r\\n"')
    .max(8, 'at most 8 characters')
    .refine((text) => Buffer.from(text).length === text.length, 'expected ASCII characters')
    .optional()
    .describe('What ends a line, in double quotes. Default: "\\r\\n".'),
  maxLine: z
    .int({ error: 'expected the longest line in bytes, 8 to 1024' })
    .min(8)
    .max(1024)
    .optional()
    .describe('Longest line in bytes; longer ones are dropped. Default: 256.'),
  encoding: z
    .enum(['ascii', 'latin1', 'utf8'], { error: 'expected ascii, latin1 or utf8' })
    .optional()
    .describe('Characters of a line; anything else is noise. Default: ascii.'),
  checksum: z
    .enum(CHECKSUMS, { error: `expected one of ${CHECKSUMS.join(', ')}` })
    .optional()
    .describe('Checksum at the end of each line: nmea (*HH), xor or sum (two hex digits). Default: none.'),
  idle: durationField('A line that pauses longer is dropped. Default: 500ms.', { min: '20ms', max: '1m' }).optional(),
  timeout: durationField('Longest wait for the answer to a request. Default: 1s.', {
    min: '10ms',
    max: '60s',
  }).optional(),
  retries: z
    .int({ error: 'expected a whole number from 0 to 10' })
    .min(0)
    .max(10)
    .optional()
    .describe('How often a request without an answer is sent again. Default: 1.'),
};

/** Keys of a device on it. */
export const serialLineDeviceShape = {
  request: z
    .string({ error: 'expected the text to send, with its line end, such as "SI\\r\\n"' })
    .min(1)
    .max(256)
    .optional()
    .describe('Text to send for each reading, in double quotes; left out: the device sends by itself.'),
};

/** Keys of its tags. */
export const serialLineTagShape = {
  pattern: z
    .string({ error: 'expected a regular expression such as ^ST,GS,(?<value>[-+0-9.]+)' })
    .min(1)
    .optional()
    .describe('Regular expression with a group named value; left out: the whole line.'),
  type: z
    .enum(['number', 'text', 'degrees'], { error: 'expected number, text or degrees' })
    .optional()
    .describe(
      'What the value is; degrees are NMEA positions (ddmm.mm) with a group named hemisphere. Default: number with a pattern, text without.',
    ),
  decimal: z.enum(['.', ',']).optional().describe('Character before the decimals. Default: a point.'),
};

/** Completes a channel. */
export function checkSerialLineChannel(options: Record<string, unknown>): Checked<SerialLineChannel> {
  const given = options as z.output<z.ZodObject<typeof serialLineChannelShape>>;
  return passed({
    serial: serialSettings(given, DEFAULTS),
    line: {
      delimiter: Buffer.from(given.delimiter ?? '\r\n', 'latin1'),
      maxLine: given.maxLine ?? 256,
      encoding: given.encoding ?? 'ascii',
      checksum: given.checksum ?? 'none',
      idleMs: given.idle ?? 500,
    },
    timeoutMs: given.timeout ?? 1000,
    retries: given.retries ?? 1,
  });
}

/** Checks one tag and gives its complete address. */
export function checkSerialLineTag(source: TagSource<Record<string, unknown>>): Checked<SerialLineAddress> {
  const options = source.options as { pattern?: string; type?: SerialLineAddress['form']; decimal?: '.' | ',' };
  const problems: Problem[] = [];
  const pattern = options.pattern === undefined ? undefined : checkPattern(options.pattern);
  if (pattern && !pattern.ok) problems.push(...pattern.problems);
  const form = options.type ?? (pattern ? 'number' : 'text');
  if (form === 'degrees' && !options.pattern?.includes('(?<hemisphere>'))
    problems.push({ path: ['pattern'], message: 'degrees need a second group, (?<hemisphere>[NSEW])' });
  if (form === 'text' && options.decimal !== undefined)
    problems.push({ path: ['decimal'], message: 'belongs to numbers; this tag is a text: leave it out' });
  if (problems.length > 0 || (pattern && !pattern.ok)) return { ok: false, problems };
  return passed({
    request: source.deviceOptions.request as string | undefined,
    pattern: pattern?.value,
    form,
    decimal: options.decimal ?? '.',
    type: form === 'text' ? 'string' : 'float64',
  });
}

/** A line for a technician. */
export function describeSerialLineAddress({ request, pattern, form }: SerialLineAddress): string {
  const line = pattern ? `line /${pattern.source}/` : 'whole line';
  return `${line}, ${form}${request === undefined ? '' : `, asked with ${JSON.stringify(request)}`}`;
}

/** The value of the groups of a match; undefined when they are not of the tag's form. */
export function valueIn(groups: Exclude<Match, string>, { form, decimal }: SerialLineAddress): Value | undefined {
  const text = groups.value ?? '';
  if (form === 'text') return text;
  if (form === 'degrees') return degreesOf(text, groups.hemisphere);
  const plain = text.replace(/\s+/g, '').replace(decimal, '.');
  if (!/^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d{1,3})?$/i.test(plain)) return undefined;
  const value = Number(groups.sign === '-' ? `-${plain.replace(/^[-+]/, '')}` : plain);
  return Number.isFinite(value) ? value : undefined;
}

/** Degrees of `dddmm.mmmm` with a hemisphere, south and west negative (NMEA 0183, position fields). */
function degreesOf(text: string, hemisphere: string | undefined): number | undefined {
  const match = /^(\d{1,3})(\d{2}(?:\.\d+)?)$/.exec(text);
  if (!match || !/^[NSEW]$/.test(hemisphere ?? '')) return undefined;
  const minutes = Number(match[2]);
  const degrees = Number(match[1]) + minutes / 60;
  if (minutes >= 60 || degrees > (/[NS]/.test(hemisphere!) ? 90 : 180)) return undefined;
  return /[SW]/.test(hemisphere!) ? -degrees : degrees;
}
