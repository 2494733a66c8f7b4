/** Finds and reads the files a configuration is made of. */
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf, messageOf } from '../../core/errors.ts';
import { SECTIONS } from '../sections/sections.ts';
import type { FileAccess } from './disk-files.ts';
import type { Report } from './problems.ts';
import type { Entry, MapNode } from './tree.ts';
import { formatPlace, parseYaml } from './yaml.ts';

/**
 * The files as they are, but for one that is `text`, written or not.
 *
 * @param withConfD whether files in `conf.d` beside it are merged into it
 */
export function withText(files: FileAccess, file: string, text: string, withConfD = false): FileAccess {
  const bytes = new TextEncoder().encode(text);
  const isIt = (path: string): boolean => resolve(path) === resolve(file);
  const isConfD = (path: string): boolean => resolve(path) === resolve(dirname(file), 'conf.d');
  return {
    read: (path) => (isIt(path) ? bytes : files.read(path)),
    list: (path) => (isConfD(path) && !withConfD ? [] : files.list(path)),
    exists: (path) => isIt(path) || files.exists(path),
  };
}

/** All the files of a configuration as one tree, and their bytes in the order they were merged. */
export interface Sources {
  readonly tree: MapNode;
  readonly bytes: readonly Uint8Array[];
}

/**
 * Reads the file and `conf.d/*.yaml` beside it, and merges them in name order.
 *
 * @param file as the technician gave it; problems show it like this
 * @returns undefined when one of them cannot be read; the report says which and why
 */
export function readSources(file: string, access: FileAccess, report: Report): Sources | undefined {
  const folder = join(dirname(file), 'conf.d');
  const names = [...listSafely(folder, access, report)].sort();
  for (const name of names.filter((each) => /\.yml$/i.test(each)))
    report.warning(
      { place: { file: join(folder, name), line: 1, column: 1 }, path: [] },
      'is not read: rename it to .yaml',
    );
  const paths = [file, ...names.filter((name) => name.endsWith('.yaml')).map((name) => join(folder, name))];

  const trees: MapNode[] = [];
  const bytes: Uint8Array[] = [];
  let complete = true;
  for (const path of paths) {
    const content = readOne(path, access, report);
    const tree = content && parseYaml(path, content, report);
    if (content && tree) {
      trees.push(tree);
      bytes.push(content);
    } else complete = false;
  }
  const tree = trees.length > 0 && complete ? merge(trees, report) : undefined;
  return tree && { tree, bytes };
}

/** Reads one file; what keeps it from being read is a problem of its first line. */
export function readOne(path: string, access: FileAccess, report: Report): Uint8Array | undefined {
  try {
    return access.read(path);
  } catch (error) {
    report.error({ place: { file: path, line: 1, column: 1 }, path: [] }, whyUnreadable(error, nearby(path, access)));
    return undefined;
  }
}

/** A file of this name in the folder the command was given in, when another one was looked for. */
function nearby(path: string, access: FileAccess): string | undefined {
  const name = basename(path);
  if (name === path) return undefined;
  try {
    access.read(name);
    return name;
  } catch {
    return undefined;
  }
}

function listSafely(folder: string, access: FileAccess, report: Report): readonly string[] {
  try {
    return access.list(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') return [];
    report.error({ place: { file: folder, line: 1, column: 1 }, path: [] }, whyUnreadable(error));
    return [];
  }
}

function whyUnreadable(error: unknown, nearby?: string): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return nearby === undefined
        ? 'there is no such file: check the path; --config FILE names another, and millgate init writes a first one'
        : `there is no such file, but this folder has one of that name: add --config ${nearby}`;
    case 'EACCES':
    case 'EPERM':
      return 'may not be read by this user: run as root or as the millgate user, or change its permissions';
    case 'EISDIR':
      return 'is a folder: name the file in it';
    default:
      return `cannot be read: ${messageOf(error)}`;
  }
}

/** Lays the files together: sections are joined, and so are the keys in them; a key given twice is an error. */
function merge(trees: readonly MapNode[], report: Report): MapNode {
  const [first, ...others] = trees as [MapNode, ...MapNode[]];
  const sections = new Map(first.entries);
  for (const { entries } of others) {
    for (const [name, added] of entries) {
      const present = sections.get(name);
      sections.set(name, present ? mergeSection(present, added, report) : added);
    }
  }
  return { ...first, entries: sections };
}

function mergeSection(present: Entry, added: Entry, report: Report): Entry {
  if (added.node.kind !== 'map') {
    if (added.node.kind === 'scalar' && added.node.value === null) return present;
    return twice(present, added, report);
  }
  if (present.node.kind !== 'map') {
    if (present.node.kind === 'scalar' && present.node.value === null) return added;
    return twice(present, added, report);
  }
  const entries = new Map(present.node.entries);
  for (const [key, entry] of added.node.entries) {
    const earlier = entries.get(key);
    entries.set(key, earlier ? twice(earlier, entry, report) : entry);
  }
  return { ...present, node: { ...present.node, entries } };
}

/** Says both places; the first stays, so that the rest can still be checked. */
function twice(earlier: Entry, later: Entry, report: Report): Entry {
  report.error(
    { place: later.keyPlace, path: later.path },
    `is already given at ${formatPlace(earlier.keyPlace)}: keep one of them or rename one`,
  );
  return earlier;
}

/** Names of the top level, for messages. */
export const SECTION_NAMES = SECTIONS.map(({ name }) => name);
