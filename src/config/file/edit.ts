/** Puts one entry into the text of a file; everything around it stays as it was written, to the letter. */
import { Document, isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml';
import type { ConfigurationEdit } from '../../core/configuration.ts';

/** Lines are not broken: whoever wrote long ones wanted them. */
const FORM = { lineWidth: 0, flowCollectionPadding: false } as const;

/**
 * The text with the entry at the end of its section, or in place of the one of its name. A text that is no file comes back
 * as it is: whoever loads it says what is wrong with it. Entries are written on one line, as the examples have them, but
 * devices one key below the other.
 */
export function withEntry(text: string, { path: [section, name], value }: ConfigurationEdit): string {
  const document = parseDocument(text);
  const top = document.contents;
  if (document.errors.length > 0 || (top !== null && !isMap(top))) return text;
  const lines = linesOf(name, value, section === 'devices');
  const pair = top && pairOf(top, section);
  if (!pair) return `${wholeLines(text)}${section}:\n${indented(lines, 2)}\n`;
  const entries = pair.value;
  if (isScalar(entries) && entries.value === null && isScalar(pair.key))
    return inserted(text, lineEnd(text, pair.key.range![1]), indented(lines, 2));
  if (!isMap(entries)) return text;
  if (entries.flow || entries.items.length === 0) {
    document.setIn([section, name], document.createNode(value, { flow: true }));
    return document.toString(FORM);
  }
  return inBlock(text, entries, name, lines);
}

/** The text with an entry in a section whose entries stand one below the other. */
function inBlock(text: string, entries: YAMLMap, name: string, lines: readonly string[]): string {
  const first = startOf(entries.items[0]!);
  const indent = first - (text.lastIndexOf('\n', first - 1) + 1);
  const before = pairOf(entries, name);
  if (!before) return inserted(text, lineEnd(text, endOf(text, entries.items.at(-1)!)), indented(lines, indent));
  return text.slice(0, startOf(before)) + indented(lines, indent).trimStart() + text.slice(endOf(text, before));
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

/** An entry by itself, as YAML. */
function linesOf(name: string, value: unknown, isBlock: boolean): string[] {
  const document = new Document({ [name]: null });
  document.set(name, document.createNode(value, { flow: !isBlock }));
  return document.toString(FORM).trimEnd().split('\n');
}

function indented(lines: readonly string[], indent: number): string {
  return lines.map((line) => ' '.repeat(indent) + line).join('\n');
}
