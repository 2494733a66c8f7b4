/** Turns the bytes of a YAML file into the located tree. */
import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Pair,
  type ParsedNode,
  Parser,
  type Scalar,
  YAMLParseError,
} from 'yaml';
import { MAX_FILE_BYTES } from './disk-files.ts';
import type { Report } from './problems.ts';
import type { Entry, MapNode, Node, Path, Place } from './tree.ts';

/** Deepest nesting; the format itself needs 6. */
const MAX_DEPTH = 48;
/** Most values in one file after aliases are followed, so that a few lines cannot grow into gigabytes. */
const MAX_NODES = 500_000;
/** Most lexical tokens in one file; a bound on the parser's memory. */
const MAX_TOKENS = 1_000_000;

/** What the parser complains of, as a technician reads it. The texts never repeat what the file says. */
const SYNTAX: Record<string, string> = {
  TAB_AS_INDENT: 'a tab is used for indentation: use spaces',
  BAD_INDENT: 'this line is not indented like those it belongs to: begin all keys of one block in the same column',
  MISSING_CHAR:
    'something is missing here or above: a quote or a bracket is not closed, or a key has no ": " and value',
  BAD_SCALAR_START:
    'the value begins with a character that YAML keeps for itself, such as @, % or a backquote: put the value in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'two keys stand on one line: write the second on its own line, indented; if the ": " belongs to a text, put the text in quotes',
  MULTILINE_IMPLICIT_KEY:
    'a key has no value here: perhaps a space is missing after a colon (write id: gate, not id:gate), or a quote is not closed',
  UNEXPECTED_TOKEN: 'this does not belong here: check indentation, quotes and brackets of the lines above',
  MULTIPLE_DOCS: 'a second document begins here: remove the line "---"',
  BLOCK_IN_FLOW: 'a block cannot stand within brackets: write {key: value, …} or [value, …]',
  BAD_ALIAS:
    'a & or * is not followed by a name: & names a value so that * can repeat it; if it belongs to a text, put the text in quotes',
  TAG_RESOLVE_FAILED: 'a value begins with "!", which YAML keeps for itself: put the value in quotes',
};

/** Turns a file's bytes into a located tree; undefined when it cannot be read at all, which is then in the report. */
export function parseYaml(file: string, bytes: Uint8Array, report: Report): MapNode | undefined {
  const top = { place: { file, line: 1, column: 1 }, path: [] };
  if (bytes.length > MAX_FILE_BYTES) {
    report.error(top, `the file is larger than ${MAX_FILE_BYTES / 1e6} MB: split it into conf.d/*.yaml`);
    return undefined;
  }
  const text = decode(file, bytes, report);
  if (text === undefined) return undefined;
  const lines = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(Math.min(Math.max(offset, 0), text.length));
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  let document: Document.Parsed | undefined;
  try {
    document = parse(text, lines);
  } catch (error) {
    if (!(error instanceof TooComplex || error instanceof RangeError)) throw error;
    const isStack = error instanceof RangeError;
    const why = isStack ? 'to be read' : 'or holds too many values to be a configuration';
    report.error(top, `the file is nested too deeply ${why}`);
    return undefined;
  }
  // One slip makes the parser complain of much that follows; only its first complaint can be trusted.
  const slips = document.errors.length > 0 ? document.errors.slice(0, 1) : document.warnings;
  for (const { code, pos } of slips) {
    const words = SYNTAX[code] ?? 'this is not valid YAML: check quotes and colons';
    const { at, message } = causeOf(text, pos[0], code) ?? { at: pos[0], message: words };
    report.error({ place: placeAt(at), path: [] }, message);
  }
  if (slips.length > 0) return undefined;
  return toTree(document, top, placeAt, report);
}

/**
 * UTF-8 or nothing, with or without a byte order mark: a wrong guess would turn `°C` into something else without a word.
 */
function decode(file: string, bytes: Uint8Array, report: Report): string | undefined {
  const wide = wideEncodingOf(bytes);
  if (wide) {
    const message = `the file is saved as ${wide}: save it again with the encoding UTF-8`;
    report.error({ place: { file, line: 1, column: 1 }, path: [] }, message);
    return undefined;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const badAt = firstInvalid(bytes);
    const before = new TextDecoder('utf-8').decode(bytes.subarray(0, badAt));
    const line = before.split('\n').length;
    const column = before.length - before.lastIndexOf('\n');
    const byte = `0x${bytes[badAt]!.toString(16).toUpperCase().padStart(2, '0')}`;
    report.error(
      { place: { file, line, column }, path: [] },
      `the byte ${byte} here is not UTF-8 text; it was probably written in a code page of Windows ("ANSI"): save the file again with the encoding UTF-8`,
    );
    return undefined;
  }
}

/** The encoding of a text of two or four bytes a character: by its byte order mark, or by the zeros of plain letters. */
function wideEncodingOf(bytes: Uint8Array): string | undefined {
  const [first, second, third, fourth] = bytes;
  if (first === 0xff && second === 0xfe) return third === 0 && fourth === 0 ? 'UTF-32' : 'UTF-16 ("Unicode")';
  if (first === 0xfe && second === 0xff) return 'UTF-16 ("Unicode big endian")';
  if (first === 0 && second === 0 && third === 0xfe && fourth === 0xff) return 'UTF-32';
  return (first === 0) !== (second === 0) && (third === 0) !== (fourth === 0) ? 'UTF-16 ("Unicode")' : undefined;
}

/** Offset of the first byte that is not UTF-8: the longest prefix that decodes, found by halving. */
function firstInvalid(bytes: Uint8Array): number {
  const decodes = (length: number, stream: boolean): boolean => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length), { stream });
      return true;
    } catch {
      return false;
    }
  };
  let good = 0;
  let bad = bytes.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (decodes(middle, true)) good = middle;
    else bad = middle;
  }
  // What streams may end within a character, which is then the one that is wrong.
  while (!decodes(good, false)) good--;
  return good;
}

/** A file that is no configuration, or made to eat the machine. */
class TooComplex extends Error {}

/** Counts nesting and tokens as they come, before the parser works on them: its memory grows with the square of the depth. */
function createTokenGuard(): (token: string) => void {
  let flowDepth = 0;
  let indicatorsInRow = 0;
  let tokens = 0;
  return (token) => {
    if (token === '[' || token === '{') flowDepth++;
    else if (token === ']' || token === '}') flowDepth--;
    if (token === '-' || token === '?') indicatorsInRow++;
    else if (token.includes('\n') || token.trim() !== '') indicatorsInRow = 0;
    if (flowDepth > MAX_DEPTH || indicatorsInRow > MAX_DEPTH || ++tokens > MAX_TOKENS) throw new TooComplex();
  };
}

/** The tokens of a text for the composer, each counted on its way from the lexer. */
function* tokensOf(text: string, lineCounter: LineCounter) {
  const parser = new Parser(lineCounter.addNewLine);
  const guard = createTokenGuard();
  lineCounter.addNewLine(0);
  for (const token of new Lexer().lex(text)) {
    guard(token);
    yield* parser.next(token);
  }
  yield* parser.end();
}

/**
 * The first document of a text; that there is another is an error of it. Throws {@link TooComplex}, or a `RangeError` where
 * the stack ran out.
 */
function parse(text: string, lineCounter: LineCounter): Document.Parsed {
  const composer = new Composer({ version: '1.2', prettyErrors: false, uniqueKeys: false, intAsBigInt: true });
  let first: Document.Parsed | undefined;
  for (const document of composer.compose(tokensOf(text, lineCounter), true, text.length)) {
    if (first) {
      const [start, end] = document.range;
      first.errors.push(new YAMLParseError([start, end], 'MULTIPLE_DOCS', 'a second document'));
      break;
    }
    first = document as Document.Parsed;
  }
  return first!;
}

/** Where a mistake begins, which the parser only notices further on, and what to do about it. */
interface Cause {
  readonly at: number;
  readonly message: string;
}

/** The cause of the parser's complaint at `noticed`, where it can be told: a quote or bracket that is open, a step in the indentation. */
function causeOf(text: string, noticed: number, code: string): Cause | undefined {
  if (code === 'TAB_AS_INDENT' || code === 'MULTIPLE_DOCS') return undefined;
  if (code === 'BAD_DQ_ESCAPE') {
    const sign = /^\\[\x21-\x7e]/.exec(text.slice(noticed))?.[0].slice(1);
    const letter = sign === undefined ? '' : `: write \\\\${sign} for a backslash and "${sign}", or use single quotes`;
    return { at: noticed, message: `\\${sign ?? ''} has no meaning in double quotes${letter}` };
  }
  const open = openAt(text, noticed);
  if (open) return open;
  const value = text.slice(noticed);
  if (/^[}\]]/.test(value)) return { at: noticed, message: `this ${value[0]} closes nothing: remove it` };
  if (code === 'UNEXPECTED_TOKEN' && /["'][ ]*$/.test(text.slice(0, noticed)))
    return {
      at: noticed,
      message: 'the text in quotes ends before this: remove what follows it, or put all of it in quotes',
    };
  const step = code === 'BLOCK_AS_IMPLICIT_KEY' ? /^[^\n:{}[\]"']*\n([ ]+)(?=[\w"'-]+:(?:\s|$))/.exec(value) : null;
  return step
    ? {
        at: noticed + step[0].length,
        message: 'this key begins further to the right than the one above: begin both in the same column',
      }
    : undefined;
}

/** The quote or bracket that is open where the parser stumbled. The text in quotes may be a secret and is not repeated. */
function openAt(text: string, noticed: number): Cause | undefined {
  const brackets: { at: number; sign: string }[] = [];
  let forced = false;
  let quote: { at: number; sign: string } | undefined;
  let at = 0;
  let plain = false;
  for (const token of new Lexer().lex(text)) {
    if (token === '\u0002' || token === '\u0018' || token === '\u001f') {
      plain = token === '\u001f';
      forced = token === '\u0018';
      if (forced) break;
      continue;
    }
    if (at > noticed) break;
    const sign = plain ? '' : token[0]!;
    plain = false;
    const isOpen = token.length < 2 || !token.endsWith(sign) || token.includes('\n');
    if ((sign === '"' || sign === "'") && isOpen) quote = { at, sign };
    else if (token === '{' || token === '[') brackets.push({ at, sign: token });
    else if (token === '}' || token === ']') {
      const last = brackets.at(-1);
      if (last && last.sign !== (token === '}' ? '{' : '['))
        return { at, message: `this ${token} closes a ${last.sign}: write ${closing(last.sign)} in its place` };
      brackets.pop();
    }
    at += token.length;
  }
  if (quote)
    return { at: quote.at, message: `this quote is not closed: write another ${quote.sign} at the end of the text` };
  const [first, ...others] = brackets;
  if (!first || !(forced || at >= text.length)) return undefined;
  const closers = brackets
    .map(({ sign }) => closing(sign))
    .reverse()
    .join('');
  const isOneLine = text.slice(first.at, Math.max(noticed, first.at)).trimEnd().indexOf('\n') < 0;
  const which = others.length === 0 ? `this ${first.sign} is` : `the ${brackets.length} brackets that begin here are`;
  const where = isOneLine ? 'at the end of this line' : 'where their entries end, and indent the lines between';
  return {
    at: first.at,
    message: `${which} not closed: add ${closers} ${others.length === 0 ? where.replace('their', 'its') : where}`,
  };
}

function closing(sign: string): string {
  return sign === '{' ? '}' : ']';
}

interface Walk {
  readonly document: Document.Parsed;
  readonly placeAt: (offset: number) => Place;
  readonly report: Report;
  nodes: number;
  /** Nothing more is read. */
  stopped: boolean;
  /** Something could not be read; what it stands for is not known. */
  unusable: boolean;
}

function toTree(
  document: Document.Parsed,
  top: { place: Place; path: Path },
  placeAt: (offset: number) => Place,
  report: Report,
): MapNode | undefined {
  const empty: MapNode = { kind: 'map', ...top, entries: new Map() };
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) return empty;
  const walk: Walk = { document, placeAt, report, nodes: 0, stopped: false, unusable: false };
  const tree = convert(walk, document.contents, top.place, [], 0);
  if (walk.stopped || walk.unusable) return undefined;
  if (tree.kind === 'map') return tree;
  report.error(
    tree,
    'the file must consist of sections such as channels: and devices:, with their entries indented on the lines below',
  );
  return undefined;
}

/** One node of the parser as one of ours; `near` is where to point when the parser does not say. */
function convert(walk: Walk, node: ParsedNode | null, near: Place, path: Path, depth: number): Node {
  const place = node?.range ? walk.placeAt(node.range[0]) : near;
  const nothing: Node = { kind: 'scalar', place, path, value: null, source: '' };
  if (walk.stopped) return nothing;
  if (++walk.nodes > MAX_NODES || depth > MAX_DEPTH) {
    walk.stopped = true;
    walk.report.error({ place, path }, 'the file is nested too deeply, or its aliases grow without end');
    return nothing;
  }
  if (isAlias(node)) {
    const target = node.resolve(walk.document) as ParsedNode | undefined;
    if (target) return { ...convert(walk, target, place, path, depth + 1), place };
    walk.unusable = true;
    walk.report.error(
      { place, path },
      'a word after * stands for a value marked & with the same word further up, and there is none: write the value itself, or put the text in quotes if it begins with a *',
    );
    return nothing;
  }
  if (isMap(node)) return convertMap(walk, node.items as Pair[], place, path, depth);
  if (isSeq(node)) {
    const items = node.items as (ParsedNode | null)[];
    return {
      kind: 'list',
      place,
      path,
      items: items.map((item, index) => convert(walk, item, place, [...path, index], depth + 1)),
    };
  }
  return isScalar(node) ? { kind: 'scalar', place, path, ...scalar(node) } : nothing;
}

/** Whole numbers come as bigint, so that none is rounded; those a double holds exactly become numbers. */
function scalar(node: Scalar): { value: string | number | bigint | boolean | null; source: string } {
  const { value } = node;
  const source = node.source ?? '';
  if (typeof value === 'bigint') return { value: Number.isSafeInteger(Number(value)) ? Number(value) : value, source };
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return { value, source: value === null ? '' : source };
  return { value: String(value), source };
}

function convertMap(walk: Walk, pairs: readonly Pair[], place: Place, path: Path, depth: number): Node {
  const entries = new Map<string, Entry>();
  const inherited = new Map<string, Entry>();
  for (const pair of pairs) {
    const keyNode = pair.key as ParsedNode | null;
    const keyPlace = keyNode?.range ? walk.placeAt(keyNode.range[0]) : place;
    if (!isScalar(keyNode) || keyNode.value === null || keyNode.value === '') {
      walk.report.error({ place: keyPlace, path }, 'a key must be a plain word: write key: value');
      continue;
    }
    const key = typeof keyNode.value === 'string' ? keyNode.value : (keyNode.source ?? String(keyNode.value));
    const node = convert(walk, pair.value as ParsedNode | null, keyPlace, [...path, key], depth + 1);
    const earlier = entries.get(key);
    if (key === '<<') mergeInto(inherited, node, walk.report);
    else if (earlier)
      walk.report.error(
        { place: keyPlace, path: [...path, key] },
        `is given twice, first at ${formatPlace(earlier.keyPlace)}: keep one`,
      );
    else entries.set(key, { keyPlace, path: [...path, key], node });
  }
  for (const [key, entry] of inherited) if (!entries.has(key)) entries.set(key, entry);
  return { kind: 'map', place, path, entries };
}

/** `<<: *defaults` or `<<: [*a, *b]`: keys that the map itself does not give; the first of a list wins. */
function mergeInto(inherited: Map<string, Entry>, node: Node, report: Report): void {
  if (node.kind === 'list') for (const item of node.items) mergeInto(inherited, item, report);
  else if (node.kind === 'map') {
    for (const [key, entry] of node.entries) if (!inherited.has(key)) inherited.set(key, entry);
  } else
    report.error(
      node,
      'after <<: the name of a marked block must follow, for example <<: *defaults. If you do not use such blocks, remove the key <<',
    );
}

/** `millgate.yaml:12:3`. */
export function formatPlace({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`;
}
