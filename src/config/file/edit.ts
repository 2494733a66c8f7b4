/** Puts one entry into the text of a file; everything around it stays as it was written, to the letter. */
import { Document, isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml';
import type { ConfigurationEdit } from '../../core/configuration.ts';

/** Lines are not broken: whoever wrote long ones wanted them. */
const FORM = { lineWidth: 0, flowCollectionPadding: false } as const;

/**
 * The text with the entry at the end of the section or of the entry that its path leads into, or in place of the one of its
 * name. What of the path is not there yet is written with it. A text that is no file, or in which the path leads into
 * something else than entries, such as what an alias stands for, comes back as it is. Entries are written on one line, as
 * the examples have them, but devices one key below the other.
 */
export function withEntry(text: string, { path, value }: ConfigurationEdit): string {
  const document = parseDocument(text);
  const top = document.contents;
  if (document.errors.length > 0 || (top !== null && !isMap(top))) return text;
  const made: Made = { value, isBlock: path[0] === 'devices' && path.length === 2 };
  if (top !== null && pairOf(top, path[0]!)) return into(text, top, path, made);
  return `${wholeLines(text)}${linesOf(path, made).join('\n')}\n`;
}

/** What is put into a file, and whether it is written one key below the other. */
interface Made {
  readonly value: unknown;
  readonly isBlock: boolean;
}

/** The text with an entry below one of its maps. */
function into(text: string, map: YAMLMap, path: readonly string[], made: Made): string {
  const [name = '', ...deeper] = path;
  const found = pairOf(map, name);
  if (found && deeper.length > 0) {
    const inner = found.value;
    if (isMap(inner) && (inner.flow || inner.items.length > 0)) return into(text, inner, deeper, made);
    if (!isScalar(inner) || inner.value !== null || !isScalar(found.key) || map.flow) return text;
    const indent = columnOf(text, startOf(found)) + 2;
    return inserted(text, lineEnd(text, found.key.range![1]), indented(linesOf(deeper, made), indent));
  }
  return map.flow ? inFlow(text, map, path, made) : inBlock(text, map, path, made);
}

/** The text with an entry among others that stand in braces. */
function inFlow(text: string, map: YAMLMap, path: readonly string[], { value }: Made): string {
  const [line = ''] = linesOf([...path], { value, isBlock: false }, true);
  const before = pairOf(map, path[0]!);
  if (before) return text.slice(0, startOf(before)) + line + text.slice(endOf(text, before));
  const close = map.range![1] - 1;
  const inside = text.slice(0, close).trimEnd();
  const comma = map.items.length === 0 || inside.endsWith(',') ? '' : ',';
  const space = map.items.length === 0 ? '' : ' ';
  return `${inside}${comma}${space}${line}${text.slice(inside.length, close)}${text.slice(close)}`;
}

/** The text with an entry in a section whose entries stand one below the other. */
function inBlock(text: string, entries: YAMLMap, path: readonly string[], made: Made): string {
  const indent = columnOf(text, startOf(entries.items[0]!));
  const before = pairOf(entries, path[0]!);
  const lines = indented(linesOf(path, made), indent);
  if (!before) return inserted(text, lineEnd(text, endOf(text, entries.items.at(-1)!)), lines);
  return text.slice(0, startOf(before)) + lines.trimStart() + text.slice(endOf(text, before));
}

function columnOf(text: string, at: number): number {
  return at - (text.lastIndexOf('\n', at - 1) + 1);
}

function pairOf(map: YAMLMap, name: string): Pair | undefined {
  return map.items.find(({ key }) => isScalar(key) && String(key.value) === name);
}

function startOf({ key }: Pair): number {
  return isScalar(key) ? key.range![0] : 0;
}

/** Where an entry ends, without the empty lines behind it. */
function endOf(text: string, { key, value }: Pair): number {
  const ranged = (value ?? key) as { readonly range?: readonly number[] | null };
  let end = ranged.range?.[1] ?? text.length;
  while (/\s/.test(text[end - 1] ?? '')) end--;
  return end;
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}

function inserted(text: string, at: number, lines: string): string {
  return `${text.slice(0, at)}\n${lines}${text.slice(at) || '\n'}`;
}

function wholeLines(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

/** An entry by itself, as YAML: what leads to it one below the other, unless all of it goes into braces. */
function linesOf(path: readonly string[], { value, isBlock }: Made, isFlow = false): string[] {
  const document = new Document({});
  const nested = path.slice(1).reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
  if (isFlow) document.set(path[0], document.createNode(nested, { flow: true }));
  else document.setIn(path, document.createNode(value, { flow: !isBlock }));
  return document.toString(FORM).trimEnd().split('\n');
}

function indented(lines: readonly string[], indent: number): string {
  return lines.map((line) => ' '.repeat(indent) + line).join('\n');
}
