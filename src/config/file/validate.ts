/** Checks a part of the tree against a schema and reports each problem at its place, unknown keys among them. */
import { z } from 'zod';
import type { Problem } from '../../core/checked.ts';
import { hint, nearest } from '../../core/suggest.ts';
import type { Report } from './problems.ts';
import { type Entry, type Node, nodeAt, type Path, spotOf, toPlain } from './tree.ts';
import { clip, describeIssue, NOT_OURS } from './words.ts';

type Issue = z.core.$ZodIssue;

/** What to add to the word "unknown key", when there is something better to say than the nearest key. */
type KeyAdvice = (key: string, path: Path) => string | undefined;

/**
 * Checks the value of an entry against a schema. Everything that is wrong goes to the report, at its own line and in
 * our words.
 *
 * @returns the parsed value, or undefined when something was wrong
 */
export function validate<T>(
  schema: z.ZodType<T>,
  entry: Entry,
  report: Report,
  advice: KeyAdvice = () => undefined,
): T | undefined {
  const result = schema.safeParse(toPlain(entry.node), { error: () => NOT_OURS });
  if (result.success) return result.data;
  const issues = result.error.issues.flatMap((found) => unfold(found, []));
  const mistyped = mistypedKeys(schema, entry, issues);
  for (const issue of issues)
    if (!mistyped.has(JSON.stringify(issue.path)) || nodeAt(entry.node, issue.path as Path))
      tell(schema, entry, issue, report, advice);
  return undefined;
}

/**
 * {@link validate} for a strict schema of fixed keys. When unknown keys are all that is wrong, the known ones are still given, so
 * that the checks that follow find the rest in the same run.
 */
export function validateKeys(
  schema: z.ZodObject,
  entry: Entry,
  report: Report,
  advice?: KeyAdvice,
): Record<string, unknown> | undefined {
  const strict = validate(schema as z.ZodType<Record<string, unknown>>, entry, report, advice);
  if (strict) return strict;
  const lenient = z.object(schema.shape).safeParse(toPlain(entry.node));
  return lenient.success ? (lenient.data as Record<string, unknown>) : undefined;
}

/** The keys of a broken map that are good by themselves, so that what depends on them can still be checked. */
export function salvageKeys(schema: z.ZodObject, entry: Entry): Record<string, unknown> {
  const plain = toPlain(entry.node) as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(schema.shape).flatMap(([key, field]) => {
      const parsed = (field as z.ZodType).safeParse(Object.hasOwn(plain, key) ? plain[key] : undefined);
      return parsed.success && parsed.data !== undefined ? [[key, parsed.data]] : [];
    }),
  );
}

/** Paths of keys that look missing only because they are mistyped: the unknown key says it all. */
function mistypedKeys(schema: z.ZodType, entry: Entry, issues: readonly Issue[]): Set<string> {
  const paths = issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [];
    const path = issue.path as Path;
    const absent = keysAt(schema, path).filter((key) => !nodeAt(entry.node, [...path, key]));
    return issue.keys.map((key) => [...path, nearest(key, absent)]);
  });
  return new Set(paths.map((path) => JSON.stringify(path)));
}

/** Reports what a driver found in a part; its paths are relative to the entry. */
export function reportAll(entry: Entry, problems: readonly Problem[], report: Report): void {
  for (const { path, message } of problems) report.error(spotOf(entry, path), message);
}

function tell(schema: z.ZodType, entry: Entry, issue: Issue, report: Report, advice: KeyAdvice): void {
  const path = issue.path as Path;
  if (issue.code === 'unrecognized_keys') {
    const valid = keysAt(schema, path);
    for (const key of issue.keys) {
      const message =
        advice(key, path) ??
        decimalComma(key, nodeAt(entry.node, path)) ??
        `unknown key${hint(key, valid, 'keys here')}`;
      report.error(spotOf(entry, [...path, key], 'key'), message);
    }
    return;
  }
  const at = issue.code === 'invalid_key' ? 'key' : 'value';
  const inner = schemaAt(schema, path);
  report.error(spotOf(entry, path, at), describeIssue(issue, nodeAt(entry.node, path), inner));
}

/** `{scale: 0,1}` is read as two keys, `scale` and `1`. */
function decimalComma(key: string, node: Node | undefined): string | undefined {
  if (!/^\d+$/.test(key) || node?.kind !== 'map') return undefined;
  const entries = [...node.entries];
  const at = entries.findIndex(([name]) => name === key);
  const [name, before] = entries[at - 1] ?? [];
  if (!isEmpty(entries[at]![1].node) || before?.node.kind !== 'scalar' || !/^[-+]?\d+$/.test(before.node.source))
    return undefined;
  return `unknown key; a decimal number has a point, not a comma: write ${name}: ${before.node.source}.${key}`;
}

/** Follows unions into the branch that was meant, and records into their keys, down to the issues that matter. */
function unfold(issue: Issue, above: Path): Issue[] {
  const path = [...above, ...(issue.path as Path)];
  const here = { ...issue, path: [...path] } as Issue;
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.filter(
      (branch) => !branch.some((one) => one.code === 'invalid_type' && one.path.length === 0),
    );
    const best = [...meant].sort((a, b) => a.length - b.length)[0];
    const deeper = best?.some(
      (one) => one.path.length > 0 || one.code === 'unrecognized_keys' || one.code === 'custom',
    );
    return best && deeper ? best.flatMap((one) => unfold(one, path)) : [here];
  }
  if (issue.code === 'invalid_element')
    return issue.issues.flatMap((one) => unfold(one, [...path, issue.key as string]));
  if (issue.code === 'invalid_key') {
    const message = issue.issues[0]?.message ?? NOT_OURS;
    return [{ ...here, message } as Issue];
  }
  return [here];
}

/** The schema of a part, through optionals, defaults, transforms and the fitting branch of a union. */
function schemaAt(schema: z.ZodType, path: Path): z.ZodType | undefined {
  const bare = unwrap(schema);
  const [key, ...rest] = path;
  if (key === undefined) return schema;
  if (bare instanceof z.ZodObject) {
    const next = (bare.shape as z.ZodRawShape)[String(key)];
    return next && schemaAt(next as z.ZodType, rest);
  }
  if (bare instanceof z.ZodRecord) return schemaAt(bare.valueType as z.ZodType, rest);
  if (bare instanceof z.ZodArray) return schemaAt(bare.element as z.ZodType, rest);
  if (bare instanceof z.ZodUnion)
    return (bare.options as z.ZodType[]).map((option) => schemaAt(option, path)).find((found) => found !== undefined);
  return undefined;
}

/** A schema without its wrappers. */
function unwrap(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return unwrap(schema.unwrap() as z.ZodType);
  return schema instanceof z.ZodPipe ? unwrap(schema.in as z.ZodType) : schema;
}

/** Keys that are valid at a place. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  const found = schemaAt(schema, path);
  const bare = found && unwrap(found);
  if (bare instanceof z.ZodObject) return Object.keys(bare.shape);
  if (bare instanceof z.ZodUnion)
    return [...new Set((bare.options as z.ZodType[]).flatMap((option) => keysAt(option, [])))];
  return [];
}

/** Whether a node is there and is a map; says so when it is something else. */
export function isMapOr(entry: Entry, report: Report, example: string): boolean {
  if (entry.node.kind === 'map') return true;
  report.error(spotOf(entry, []), notAMap(entry, example));
  return false;
}

/** What to say of a value where entries belong. */
export function notAMap({ path, node }: Entry, example: string): string {
  const key = JSON.stringify(clip(String(path.at(-1))));
  if (node.kind === 'list')
    return `${key} cannot be a list: remove the dashes or [ ], and write for example ${example}`;
  return `${key} needs its own entries, for example ${example}`;
}

/** Whether a node is left empty: the key is there, its value is not. */
export function isEmpty(node: Node): boolean {
  return node.kind === 'scalar' && node.value === null;
}

/** Keys of these shapes, each with any value: for parts whose driver is not known. */
export function anything(shapes: readonly z.ZodRawShape[]): z.ZodRawShape {
  return Object.fromEntries(shapes.flatMap((shape) => Object.keys(shape).map((key) => [key, z.unknown().optional()])));
}

/** These keys of an object, where it has them. */
export function pick(from: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(from, key)).map((key) => [key, from[key]]));
}
