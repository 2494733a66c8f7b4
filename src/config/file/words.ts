/** Puts what a schema refuses into words that a technician understands; an unknown key is worded in `validate.ts`. */
import { z } from 'zod';
import { nearest, orList } from '../../core/suggest.ts';
import type { Node } from './tree.ts';

type Issue = z.core.$ZodIssue;

/** Stands for "no message of its own": the issue is then put into words here. */
export const NOT_OURS = '\u0000';

/** Longest piece of the file that is repeated in a message. */
const MAX_SHOWN = 60;

/** What the file says there, short and on one line. Never used for secrets. */
export function shown(node: Node | undefined): string {
  if (!node) return 'nothing';
  if (node.kind === 'map') return 'keys and values';
  if (node.kind === 'list') return 'a list';
  if (node.value === null) return 'nothing';
  return clip(typeof node.value === 'string' ? JSON.stringify(node.value) : node.source);
}

/** A text cut to what fits in a message. */
export function clip(text: string): string {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…` : text;
}

/** What a type is called in the field. */
const NOUNS: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'keys and values',
  record: 'keys and values',
  array: 'a list',
  tuple: 'a list',
  bigint: 'a whole number',
};

/**
 * One issue as a technician reads it.
 *
 * @param node what the file has there, if anything
 * @param schema what belongs there, for examples
 */
export function describeIssue(issue: Issue, node: Node | undefined, schema: z.ZodType | undefined): string {
  if (node === undefined) return describeAbsence(issue, schema);
  const key = issue.path.findLast((part) => typeof part === 'string');
  if (issue.message !== NOT_OURS && issue.message !== '') return withNearest(issue, node);
  switch (issue.code) {
    case 'invalid_type':
      return describeType(issue.expected, node, schema, key);
    case 'invalid_value':
      return describeChoice(issue.values, node, key);
    case 'too_small':
      return describeBound(issue.origin, issue.minimum, issue.inclusive === false ? 'more than' : 'at least', node);
    case 'too_big':
      return describeBound(issue.origin, issue.maximum, issue.inclusive === false ? 'less than' : 'at most', node);
    case 'invalid_format':
      return `${shown(node)} does not have the right form${exampleOf(schema)}`;
    case 'invalid_union':
      return describeUnion(issue.errors.flat(), node, schema);
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}; got ${shown(node)}`;
    default:
      return `${shown(node)} cannot be used here${exampleOf(schema)}`;
  }
}

function describeType(
  expected: string,
  node: Node,
  schema: z.ZodType | undefined,
  key: PropertyKey | undefined,
): string {
  const noun = NOUNS[expected] ?? 'another kind of value';
  if (noun === 'keys and values' && key !== undefined) return needsEntries(String(key), node, firstExample(schema));
  if (node.kind !== 'scalar') return `expected ${noun}; got ${shown(node)}${exampleOf(schema)}`;
  if (node.value === null) return `has no value: write ${noun}, or remove the key${exampleOf(schema)}`;
  return `expected ${noun}; got ${shown(node)}${remedyOf(expected, node.value, node.source)}`;
}

/** What to say of a value where entries belong. */
function needsEntries(key: string, node: Node, example: unknown): string {
  const shownExample = example === undefined ? '' : `, for example ${key}: ${flow(example)}`;
  return node.kind === 'list'
    ? `${JSON.stringify(clip(key))} cannot be a list: remove the dashes or [ ], and write its entries${shownExample}`
    : `${JSON.stringify(clip(key))} needs its own entries${shownExample}`;
}

/** The usual slips, and what to write instead. */
function remedyOf(expected: string, value: unknown, source: string): string {
  if (expected === 'string') return `: quote it: "${clip(source)}"`;
  if (expected === 'boolean') {
    if (/^(true|false)$/i.test(source)) return `: write ${source.toLowerCase()} without quotes`;
    if (/^(yes|on|y|1)$/i.test(source)) return ': write true';
    return /^(no|off|n|0)$/i.test(source) ? ': write false' : '';
  }
  if (expected !== 'number' && expected !== 'int') return '';
  if (typeof value === 'bigint') return ': the number is too large';
  const text = String(value).trim();
  if (expected === 'int' && /^\d{1,3}\.\d{3}$/.test(source)) return `: write ${source.replace('.', '')}`;
  if (/^[-+]?\d+,\d+$/.test(text)) return `: write ${text.replace(',', '.')}`;
  const grouped = /^([-+]?\d{1,3}(?:\.\d{3})+),(\d+)$|^([-+]?\d{1,3}(?:,\d{3})+)\.(\d+)$/.exec(text);
  if (grouped && expected === 'number') {
    const [, whole = grouped[3]!, decimals = grouped[4]!] = grouped;
    return `: write ${whole.replace(/[.,]/g, '')}.${decimals} (a point for the decimals, nothing between the thousands)`;
  }
  if (typeof value === 'string' && /^[-+]?(\d+(\.\d+)?|0x[0-9a-f]+)$/i.test(text))
    return `: write ${text} without quotes`;
  const united = /^([-+]?\d+(?:\.\d+)?)\s*[^\d%]+$/.exec(text);
  return united ? `: write ${united[1]} alone` : '';
}

/** Of more words than this, only the one that was meant is named. */
const MANY_WORDS = 6;

function describeChoice(values: readonly unknown[], node: Node, key: PropertyKey | undefined): string {
  const words = [...new Set(values.map(String))];
  const listed = orList(words);
  if (node.kind === 'scalar' && node.value === null) return `has no value: write ${listed}`;
  const near = node.kind === 'scalar' ? nearest(node.source, words) : undefined;
  const meant = near === undefined ? '' : `; did you mean "${near}"?`;
  if (meant !== '' && key !== undefined && words.length > MANY_WORDS)
    return `there is no ${String(key)} ${shown(node)}${meant}`;
  return `expected ${listed}; got ${shown(node)}${meant}`;
}

function describeBound(origin: string, bound: number | bigint, how: string, node: Node): string {
  if (origin === 'string') return bound === 1 ? 'must not be empty' : `must have ${how} ${bound} characters`;
  if (origin === 'array') return `must have ${how} ${bound} entries`;
  return `must be ${how} ${bound}; got ${shown(node)}`;
}

/** None of the branches fits: name them all, or repeat what the only branch of the right kind had to say. */
function describeUnion(issues: readonly Issue[], node: Node, schema: z.ZodType | undefined): string {
  const own = issues.find(({ code, message }) => code !== 'invalid_type' && message !== NOT_OURS);
  if (own) return own.message;
  const choices = issues.flatMap((issue) => (issue.code === 'invalid_value' ? issue.values : []));
  const nouns = issues.flatMap((issue) => (issue.code === 'invalid_type' ? [NOUNS[issue.expected] ?? ''] : []));
  const words = [...new Set([...choices.map(String), ...nouns])].filter((word) => word !== '');
  return `expected ${orList(words)}; got ${shown(node)}${exampleOf(schema)}`;
}

/** The owner's words, with what was found, and the usual slip or the nearest word when they do not say it. */
function withNearest(issue: Issue, node: Node): string {
  const { message } = issue;
  const saysAll = / got |did you mean|in quotes/.test(message) || !message.startsWith('expected');
  if (saysAll || node.kind !== 'scalar' || node.value === null) return message;
  const found = `${message}; got ${shown(node)}`;
  if (issue.code === 'invalid_type') return found + remedyOf(issue.expected, node.value, node.source);
  const word = node.source.toLowerCase();
  const answer = /^(yes|y|true|on)$/.test(word)
    ? ['true', 'on']
    : /^(no|n|false|off)$/.test(word)
      ? ['false', 'off']
      : [];
  const meant = /^expected (true|on)/.exec(message)?.[1] === 'on' ? answer[1] : answer[0];
  if (meant !== undefined && /^expected (true|on)/.test(message)) return `${found}: write ${meant}`;
  if (typeof node.value === 'string' && /^\d+$/.test(node.value) && new RegExp(`\\b${node.value}\\b`).test(message))
    return `${found}: write ${node.value} without quotes`;
  const near = issue.code === 'invalid_value' ? nearest(node.source, issue.values.map(String)) : undefined;
  return near === undefined ? found : `${found}; did you mean "${near}"?`;
}

/** A missing key, with an example, or what its owner says of it. */
function describeAbsence(issue: Issue, schema: z.ZodType | undefined): string {
  const own = issue.message !== NOT_OURS && firstExample(schema) === undefined ? issue.message : undefined;
  if (own?.startsWith('is missing')) return own;
  return own ? `is missing: ${own.replace(/^expected /, 'write ')}` : `is missing${example(issue, schema)}`;
}

/** `: write type: …`, from the schema's first example. */
function example(issue: Issue, schema: z.ZodType | undefined): string {
  const key = String(issue.path.at(-1) ?? '');
  const first = firstExample(schema);
  if (first !== undefined) return `: write for example ${key}: ${flow(first)}`;
  if (issue.code === 'invalid_value') return `: write ${key}: ${issue.values.map(String).join(' | ')}`;
  const noun = issue.code === 'invalid_type' ? NOUNS[issue.expected] : undefined;
  return noun ? `: write ${key}: and ${noun}` : `: write ${key}: and its value`;
}

function exampleOf(schema: z.ZodType | undefined): string {
  const first = firstExample(schema);
  return first === undefined ? '' : `; for example ${flow(first)}`;
}

/** The first example of a schema or of what it wraps. */
function firstExample(schema: z.ZodType | undefined): unknown {
  if (!schema) return undefined;
  const examples = schema.meta()?.examples as unknown[] | undefined;
  if (Array.isArray(examples) && examples.length > 0) return examples[0];
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    return firstExample(schema.unwrap() as z.ZodType);
  return schema instanceof z.ZodPipe ? firstExample(schema.in as z.ZodType) : undefined;
}

/** A value as YAML in one line. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([key, inner]) => `${key}: ${flow(inner)}`)
      .join(', ')}}`;
  if (typeof value !== 'string') return String(value);
  return /^[A-Za-z/][\w./-]*$/.test(value) ? value : JSON.stringify(value);
}
