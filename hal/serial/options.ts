/** The options of channels and tags of text lines. */
import { z } from 'zod';
import { type Checked, failed, lazily, type Problem, passed } from '../../src/core/checked.ts';
import { durationField, rateField } from '../../src/core/fields.ts';
import type { Value } from '../../src/core/reading.ts';
import { orList } from '../../src/core/suggest.ts';
import type { TagSource } from '../driver-type.ts';
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

/** A text that a write sends. */
interface SerialLineCommand {
  /** `{value}` in it is replaced by the value that is written. */
  readonly text: string;
  /** What the device answers when it took the command; undefined: nothing is awaited. */
  readonly reply: RegExp | undefined;
}

/** Where a tag is: the request that is answered by its line (none: the line comes by itself), and its place in the line. */
export interface SerialLineAddress {
  readonly request: string | undefined;
  /** False: lines say nothing to this tag, which is there to be written. */
  readonly isRead: boolean;
  /** Undefined: any line, whole. */
  readonly pattern: RegExp | undefined;
  readonly form: 'number' | 'text' | 'degrees';
  readonly decimal: '.' | ',';
  /** What a write sends; undefined: the tag cannot be written. */
  readonly command: SerialLineCommand | undefined;
  /** At most one reading in this time, ms: the newest of a device that sends without pause. 0: every line. */
  readonly apartMs: number;
  /** As other parts of the gateway call it. */
  readonly type: 'float64' | 'string';
}

const DEFAULTS = { baud: 9600, parity: 'none' } as const;

/** Keys of a `serial-line` channel. */
export const serialLineChannelShape = lazily(() => ({
  ...serialShape(DEFAULTS),
  delimiter: z
    .string({ error: 'expected the characters that end a line, such as "\\r\\n"' })
    .min(
      1,
      'must not be empty: write what ends a line, for example "\\n", or remove delimiter (then it is CR, LF or both)',
    )
    .max(8, 'must have at most 8 characters: write only those that end a line')
    .refine((text) => Buffer.from(text).length === text.length, 'expected ASCII characters')
    .optional()
    .describe(
      'What ends a line, in double quotes; idle: nothing but a pause of idle, as with readers that send a bare code. Default: CR, LF, or both.',
    ),
  start: z
    .string({ error: 'expected the character that begins a line, such as "\\x02"' })
    .length(1, 'expected one character, such as "\\x02"')
    .refine((text) => text.charCodeAt(0) < 0x80, 'expected an ASCII character')
    .optional()
    .describe(
      'What begins a line, such as "\\x02" (STX), in double quotes; bytes before it are dropped. Default: nothing.',
    ),
  length: z
    .int({ error: 'expected the number of bytes of a frame, 1 to 1024' })
    .min(1)
    .max(1024)
    .optional()
    .describe('Length of a frame in bytes, for devices that send no delimiter.'),
  maxLine: z
    .int({ error: 'expected the longest line in bytes, 8 to 4096' })
    .min(8)
    .max(4096)
    .optional()
    .describe('Longest line in bytes; longer ones are dropped. Default: 1024.'),
  encoding: z
    .enum(['ascii', 'latin1', 'utf8'], { error: 'expected ascii, latin1 or utf8' })
    .optional()
    .describe('Characters of a line; anything else is noise. Default: ascii.'),
  checksum: z
    .enum(CHECKSUMS, { error: `expected ${orList(CHECKSUMS)}` })
    .optional()
    .describe('Checksum at the end of each line: nmea (*HH), xor or sum (two hex digits). Default: none.'),
  idle: durationField(
    'A line that pauses longer is dropped. Default: 500ms; 100ms with delimiter: idle, where the pause ends the line.',
    { min: '20ms', max: '1m' },
  ).optional(),
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
}));

/** Keys of a device on it. */
export const serialLineDeviceShape = lazily(() => ({
  request: z
    .string({ error: 'expected the text to send, with its line end, such as "SI\\r\\n"' })
    .min(1)
    .max(256)
    .optional()
    .describe('Text to send for each reading, in double quotes; left out: the device sends by itself.'),
  maxRate: rateField(
    'At most so many readings of a tag, such as 5/s: the newest of a device that sends without pause. Default: every line.',
  ).optional(),
}));

/** Keys of its tags. */
export const serialLineTagShape = lazily(() => ({
  request: serialLineDeviceShape().request.describe(
    'Text to send for a reading of this tag, in double quotes, in place of the request of its device.',
  ),
  send: z
    .string({ error: 'expected the text that a write sends, such as "T\\r\\n" or "SP {value}\\r\\n"' })
    .min(1)
    .max(256)
    .optional()
    .describe(
      'Text that a write sends, in double quotes; {value} in it is the value. The tag needs `writable` as well.',
    ),
  reply: z
    .string({ error: 'expected a regular expression such as ^T S' })
    .min(1)
    .optional()
    .describe('Regular expression of the answer to `send`; left out: no answer is awaited.'),
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
}));

/** Completes a channel. */
export function checkSerialLineChannel(options: Record<string, unknown>): Checked<SerialLineChannel> {
  const given = options as z.output<z.ZodObject<ReturnType<typeof serialLineChannelShape>>>;
  if (given.length !== undefined && given.delimiter !== undefined)
    return failed(
      ['delimiter'],
      'length and delimiter are both given: keep length if every message has the same number of bytes, delimiter if it ends with a mark; remove the other',
    );
  const endsByPause = given.delimiter === BY_PAUSE;
  return passed({
    serial: serialSettings(given, DEFAULTS),
    line: {
      delimiters: delimitersOf(given),
      start: given.start?.charCodeAt(0),
      length: given.length === undefined ? undefined : given.length + (given.start === undefined ? 0 : 1),
      maxLine: Math.max(given.maxLine ?? 1024, (given.length ?? 0) + 1),
      encoding: given.encoding ?? 'ascii',
      checksum: given.checksum ?? 'none',
      idleMs: given.idle ?? (endsByPause ? 100 : 500),
      endsByPause,
    },
    timeoutMs: given.timeout ?? 1000,
    retries: given.retries ?? 1,
  });
}

/** The `delimiter` of lines that nothing ends but a pause. */
export const BY_PAUSE = 'idle';

/** What ends a line where the file does not say: readers and scales send CR, LF or both. */
const ANY_RETURN = ['\r', '\n'];

function delimitersOf({ delimiter, length }: { delimiter?: string; length?: number }): Buffer[] {
  if (length !== undefined || delimiter === BY_PAUSE) return [];
  return (delimiter === undefined ? ANY_RETURN : [delimiter]).map((text) => Buffer.from(text, 'latin1'));
}

interface TagOptions {
  readonly pattern?: string;
  readonly type?: SerialLineAddress['form'];
  readonly decimal?: '.' | ',';
  readonly request?: string;
  readonly send?: string;
  readonly reply?: string;
}

/** Checks one tag and gives its complete address. */
export function checkSerialLineTag(source: TagSource<Record<string, unknown>>): Checked<SerialLineAddress> {
  const options = source.options as TagOptions;
  const device = source.deviceOptions as { request?: string; maxRate?: number };
  const problems: Problem[] = [];
  const pattern = options.pattern === undefined ? undefined : checkPattern(options.pattern);
  if (pattern && !pattern.ok) problems.push(...pattern.problems);
  const form = options.type ?? (pattern ? 'number' : 'text');
  if (form === 'degrees' && !options.pattern?.includes('(?<hemisphere>'))
    problems.push({
      path: ['pattern'],
      message: 'degrees need a second group that is N, S, E or W: write (?<hemisphere>[NSEW]) where that letter stands',
    });
  if (form === 'text' && options.decimal !== undefined)
    problems.push({ path: ['decimal'], message: 'decimal is for numbers, and this tag is a text: remove decimal' });
  const reply = options.reply === undefined ? undefined : checkPattern(options.reply, 'without a value');
  if (reply && !reply.ok) problems.push(...reply.problems.map(({ message }) => ({ path: ['reply'], message })));
  if (options.reply !== undefined && options.send === undefined)
    problems.push({
      path: ['reply'],
      message: 'reply is the answer to send, which is missing: add send, or remove reply',
    });
  if (problems.length > 0 || (pattern && !pattern.ok) || (reply && !reply.ok)) return { ok: false, problems };
  const isRead = options.send === undefined || options.pattern !== undefined;
  return passed({
    request: isRead ? (options.request ?? device.request) : undefined,
    isRead,
    pattern: pattern?.value,
    form,
    decimal: options.decimal ?? '.',
    command: options.send === undefined ? undefined : { text: options.send, reply: reply?.value },
    apartMs: device.maxRate === undefined ? 0 : 1000 / device.maxRate,
    type: form === 'text' ? 'string' : 'float64',
  });
}

/** A line for a technician. */
export function describeSerialLineAddress({ request, pattern, form, isRead, command }: SerialLineAddress): string {
  const sent = command && `sends ${JSON.stringify(command.text)} when written`;
  if (!isRead && sent) return sent;
  const line = pattern ? `line /${pattern.source}/` : 'whole line';
  return `${line}, ${form}${request === undefined ? '' : `, asked with ${JSON.stringify(request)}`}${sent ? `, ${sent}` : ''}`;
}

/** The value of the groups of a match; undefined when they are not of the tag's form. */
export function valueIn(groups: Exclude<Match, string>, { form, decimal }: SerialLineAddress): Value | undefined {
  const text = groups.value ?? '';
  if (form === 'text') return text;
  if (form === 'degrees') return degreesOf(text, groups.hemisphere);
  // A scale may set the sign apart from the number; a space inside of it means that it is not one number.
  const plain = text
    .trim()
    .replace(/^([-+])\s+/, '$1')
    .replace(decimal, '.');
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
