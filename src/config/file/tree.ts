/** A spot in a file; lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A path into a tree of keys and list positions. */
export type Path = readonly (string | number)[];

/** What every node knows of itself. `path` is the path within the file it was written in. */
interface Located {
  readonly place: Place;
  readonly path: Path;
}

/** A text, number, truth value or nothing. `source` is how it was written, without quotes. */
interface ScalarNode extends Located {
  readonly kind: 'scalar';
  readonly value: string | number | bigint | boolean | null;
  readonly source: string;
}

/** A list. */
interface ListNode extends Located {
  readonly kind: 'list';
  readonly items: readonly Node[];
}

/** One key with its value. */
export interface Entry {
  readonly keyPlace: Place;
  /** Path of this key within the file it was written in. */
  readonly path: Path;
  readonly node: Node;
}

/** Keys and values, in the order of the file. */
export interface MapNode extends Located {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Entry>;
}

/** A YAML value that knows where it was written, so that merged files still point at their own lines. */
export type Node = ScalarNode | ListNode | MapNode;

/** The plain value of a node. Keys become own properties, whatever their name. */
export function toPlain(node: Node): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toPlain);
  return Object.fromEntries([...node.entries].map(([key, entry]) => [key, toPlain(entry.node)]));
}

/** The entry of a key, if the node is a map that has it. */
export function entryOf(node: Node | undefined, key: string): Entry | undefined {
  return node?.kind === 'map' ? node.entries.get(key) : undefined;
}

/** The child at a key or position. */
function childOf(node: Node, key: string | number): Node | undefined {
  if (node.kind === 'map') return node.entries.get(String(key))?.node;
  return node.kind === 'list' && typeof key === 'number' ? node.items[key] : undefined;
}

/** The node at a path, if there is one. */
export function nodeAt(node: Node, path: Path): Node | undefined {
  let current: Node | undefined = node;
  for (const key of path) current = current && childOf(current, key);
  return current;
}

/** Where a problem is shown. */
export interface Spot {
  readonly place: Place;
  readonly path: Path;
}

/**
 * Where to point for a path below an entry: at the value when it is there, else at the key of the deepest part that is.
 *
 * @param at `key` points at the last key itself, for problems of the name
 */
export function spotOf(entry: Entry, path: Path, at: 'key' | 'value' = 'value'): Spot {
  let current = entry;
  for (const [depth, key] of path.entries()) {
    const next = stepInto(current, key);
    if (!next) return { place: current.keyPlace, path: [...current.path, ...path.slice(depth)] };
    current = next;
  }
  const pointAtKey = at === 'key' || current.node.kind !== 'scalar' || current.node.source === '';
  return { place: pointAtKey ? current.keyPlace : current.node.place, path: current.path };
}

/** One step down, as an entry; list items are their own keys. */
function stepInto(entry: Entry, key: string | number): Entry | undefined {
  const { node } = entry;
  if (node.kind === 'map') return node.entries.get(String(key));
  const item = node.kind === 'list' && typeof key === 'number' ? node.items[key] : undefined;
  return item && { keyPlace: item.place, path: [...entry.path, key], node: item };
}

/** `over` laid on `under`: maps merge key by key, anything else of `over` replaces what was below. */
export function overlay(under: Node, over: Node): Node {
  if (under.kind !== 'map' || over.kind !== 'map') return over;
  const entries = new Map(under.entries);
  for (const [key, entry] of over.entries) {
    const below = under.entries.get(key);
    entries.set(key, below ? { ...entry, node: overlay(below.node, entry.node) } : entry);
  }
  return { ...over, entries };
}

/** A map made by the program in place of one in the file: everything in it points to `entry`. */
export function madeMap(keys: Readonly<Record<string, Node | string | number | boolean>>, entry: Entry): MapNode {
  const { keyPlace: place, path } = entry;
  const entries = Object.entries(keys).map(([key, value]): [string, Entry] => {
    const node: Node =
      typeof value === 'object' ? value : { kind: 'scalar', value, source: String(value), place, path: [...path, key] };
    return [key, { keyPlace: place, path: [...path, key], node }];
  });
  return { kind: 'map', place, path, entries: new Map(entries) };
}

/** A map with some keys taken out. */
export function without(node: MapNode, keys: readonly string[]): MapNode {
  return { ...node, entries: new Map([...node.entries].filter(([key]) => !keys.includes(key))) };
}

/** A dotted path: `devices.press-1.tags`; keys with other characters are quoted, list positions in brackets. */
export function formatPath(path: Path): string {
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      const text = /^[\w-]{1,80}$/.test(key) ? key : JSON.stringify(key.length > 80 ? `${key.slice(0, 77)}…` : key);
      return index === 0 ? text : `.${text}`;
    })
    .join('');
}
