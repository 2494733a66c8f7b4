/** Reads our own TypeScript as a graph: what each file imports, exports and calls, and how long its functions are. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseAst } from 'rolldown/parseAst';

export const ROOT = resolve(import.meta.dirname, '../..');

/** One import or re-export of a file of ours. `names` is `all` where every export may be meant. */
export interface Edge {
  readonly target: string;
  readonly names: readonly string[] | 'all';
  readonly typeOnly: boolean;
  /** Loaded only when the code comes there, by `import()` or in a thread. */
  readonly isLazy: boolean;
  readonly line: number;
}

export interface SourceFunction {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  readonly edges: readonly Edge[];
  readonly exports: readonly { name: string; line: number }[];
  readonly functions: readonly SourceFunction[];
  /** Interfaces that have methods. */
  readonly interfaces: readonly { name: string; line: number }[];
  /** Types that a function here returns, a class fills, or an object is declared to be. */
  readonly makes: readonly string[];
  /** Lines on which an object is spread that was written out on the spot: `...{ a, b }`. */
  readonly spreads: readonly number[];
}

/** A node of the parser's tree; only the fields that are looked at have a type here. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

/** Every node below `node`, itself first, each with the node it hangs on. */
function* walk(node: Node, parent?: Node): Generator<{ node: Node; parent: Node | undefined }> {
  yield { node, parent };
  for (const value of Object.values(node))
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) yield* walk(child, node);
}

const nameOf = (node: unknown): string | undefined => {
  if (!isNode(node)) return undefined;
  const { name, value } = node as { name?: unknown; value?: unknown };
  return typeof name === 'string' ? name : typeof value === 'string' ? value : undefined;
};

const nodes = (value: unknown): Node[] => (Array.isArray(value) ? value.filter(isNode) : []);

/** Paths below a folder from the root, in order, that end as asked. */
export function filesBelow(folder: string, ends = '.ts'): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ends) && !entry.name.endsWith('.d.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort();
}

/** The names that a declaration brings into the world. */
function declared(declaration: Node): string[] {
  if (declaration.type !== 'VariableDeclaration') return [nameOf(declaration.id) ?? '?'];
  return nodes(declaration.declarations).flatMap(({ id }) => {
    const pattern = id as Node;
    if (pattern.type === 'ObjectPattern') return nodes(pattern.properties).map(({ value }) => nameOf(value) ?? '?');
    return [nameOf(pattern) ?? '?'];
  });
}

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

/** What a file takes from another by one import statement. */
function taken(node: Node): readonly string[] | 'all' {
  const specifiers = nodes(node.specifiers);
  if (node.type === 'ExportAllDeclaration' || specifiers.some(({ type }) => type === 'ImportNamespaceSpecifier'))
    return 'all';
  return specifiers.map((specifier) => nameOf(specifier.imported ?? specifier.local) ?? 'default');
}

/** Whether a statement takes types only, as a whole or name by name. */
function onlyTypes(node: Node): boolean {
  const specifiers = nodes(node.specifiers);
  const kinds = specifiers.map((specifier) => specifier.importKind ?? specifier.exportKind);
  return (
    (node.importKind ?? node.exportKind) === 'type' || (kinds.length > 0 && kinds.every((kind) => kind === 'type'))
  );
}

/** The names of the types that a part of the tree speaks of. */
function typeNames(part: unknown): string[] {
  if (!isNode(part)) return [];
  return [...walk(part)].flatMap(({ node }) => (node.type === 'TSTypeReference' ? (nameOf(node.typeName) ?? []) : []));
}

/** The types that a node makes something of. */
function made(node: Node): string[] {
  if (FUNCTIONS.has(node.type)) return typeNames(node.returnType);
  if (node.type === 'ClassDeclaration')
    return nodes(node.implements).flatMap(({ expression }) => nameOf(expression) ?? []);
  const isObject = node.type === 'VariableDeclarator' && (node.init as Node | null)?.type === 'ObjectExpression';
  return isObject ? typeNames((node.id as Node).typeAnnotation) : [];
}

/** Reads one file. */
function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const starts = [0, ...[...text.matchAll(/\n/g)].map((match) => match.index + 1)];
  const lineOf = (offset: number) => starts.findLastIndex((start) => start <= offset) + 1;
  const edges: Edge[] = [];
  const exports: { name: string; line: number }[] = [];
  const functions: SourceFunction[] = [];
  const interfaces: { name: string; line: number }[] = [];
  const makes: string[] = [];
  const spreads: number[] = [];

  const edge = (source: unknown, names: readonly string[] | 'all', typeOnly: boolean, at: number, isLazy = false) => {
    const name = nameOf(source);
    if (!name?.startsWith('.')) return;
    const target = relative(ROOT, resolve(ROOT, dirname(path), name));
    edges.push({ target, names, typeOnly, isLazy, line: lineOf(at) });
  };
  /** A module that is loaded at run time: of its exports those count as used whose names stand in this file. */
  const lazily = () => [...new Set(text.match(/\b[A-Za-z_$][\w$]*\b/g))];

  for (const { node, parent } of walk(
    parseAst(text, { lang: path.endsWith('.tsx') ? 'tsx' : 'ts' }) as unknown as Node,
  )) {
    const line = lineOf(node.start);
    makes.push(...made(node));
    if (node.type === 'TSInterfaceDeclaration') {
      const members = nodes((node.body as Node).body);
      if (members.some(({ type }) => type === 'TSMethodSignature')) interfaces.push({ name: nameOf(node.id)!, line });
    } else if (node.type === 'ImportDeclaration' || node.type === 'ExportAllDeclaration')
      edge(node.source, taken(node), onlyTypes(node), node.start);
    else if (node.type === 'ImportExpression') edge(node.source, lazily(), false, node.start, true);
    else if (node.type === 'TSImportType') edge(node.source ?? node.argument, lazily(), true, node.start);
    else if (node.type === 'NewExpression' && nameOf(node.callee) === 'URL') {
      // A worker thread's file is named by `new URL('./worker.ts', import.meta.url)`.
      const name = nameOf(nodes(node.arguments)[0]);
      if (name?.endsWith('.ts')) edge(nodes(node.arguments)[0], 'all', false, node.start, true);
    } else if (node.type === 'ExportNamedDeclaration') {
      if (isNode(node.declaration)) exports.push(...declared(node.declaration).map((name) => ({ name, line })));
      else exports.push(...nodes(node.specifiers).map(({ exported }) => ({ name: nameOf(exported) ?? '?', line })));
      if (isNode(node.source)) edge(node.source, taken(node), onlyTypes(node), node.start);
    } else if (node.type === 'SpreadElement' && (node.argument as Node).type === 'ObjectExpression') spreads.push(line);
    else if (FUNCTIONS.has(node.type) && isNode(node.body)) {
      const named = nameOf(node.id) ?? nameOf(parent?.key) ?? nameOf(parent?.id) ?? '(anonymous)';
      functions.push({ name: named, line, lines: lineOf(node.end) - line + 1 });
    }
  }
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  return { path, text, lines, edges, exports, functions, interfaces, makes, spreads };
}

/** Every file of the product, by its path. */
export function readProduct(): ReadonlyMap<string, SourceFile> {
  return new Map(
    [...filesBelow('src'), ...filesBelow('src', '.tsx'), ...filesBelow('hal')].map((path) => [path, readSource(path)]),
  );
}

/** Interfaces that only one maker, in their own file, fills: `outside` are files that may double them. */
export function interfacesOfOneMaker(files: ReadonlyMap<string, SourceFile>, outside: readonly string[]): string[] {
  const makers = new Map<string, string[]>();
  for (const { path, makes } of [...files.values(), ...outside.map(readSource)])
    for (const name of makes) makers.set(name, [...(makers.get(name) ?? []), path]);
  return [...files.values()].flatMap(({ path, interfaces }) =>
    interfaces.flatMap(({ name, line }) => {
      const known = makers.get(name) ?? [];
      return known.length === 1 && known[0] === path ? [`${path}:${line} ${name}`] : [];
    }),
  );
}

/** What files outside of the product take from it, by its sources or as it was built: `path name`. */
export function takenBy(paths: readonly string[]): ReadonlySet<string> {
  const edges = paths.flatMap((path) => readSource(path).edges);
  return new Set(
    edges.flatMap(({ target, names }) => {
      const source = target.replace(/^dist\/(.*)\.js$/, '$1.ts');
      return names === 'all' ? [] : names.map((name) => `${source} ${name}`);
    }),
  );
}

/** The groups of files that import each other in a circle, types included (Tarjan, 1972). */
export function circles(files: ReadonlyMap<string, SourceFile>): string[][] {
  const order = new Map<string, { index: number; low: number; open: boolean }>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (path: string) => {
    const own = { index: order.size, low: order.size, open: true };
    order.set(path, own);
    stack.push(path);
    for (const { target } of files.get(path)?.edges ?? []) {
      if (!files.has(target)) continue;
      const seen = order.get(target) ?? visit(target);
      if (seen.open) own.low = Math.min(own.low, seen.low);
    }
    if (own.low !== own.index) return own;
    const circle = stack.splice(stack.indexOf(path));
    for (const member of circle) order.get(member)!.open = false;
    if (circle.length > 1) found.push(circle);
    return own;
  };
  for (const path of files.keys()) if (!order.has(path)) visit(path);
  return found;
}

/** Exports that no other file of the product, and no script, takes. */
export function unusedExports(files: ReadonlyMap<string, SourceFile>): string[] {
  const used = new Map<string, Set<string> | 'all'>();
  const note = (target: string, names: readonly string[] | 'all') => {
    const before = used.get(target) ?? new Set<string>();
    used.set(target, names === 'all' || before === 'all' ? 'all' : new Set([...before, ...names]));
  };
  for (const file of files.values()) for (const { target, names } of file.edges) note(target, names);
  for (const script of readdirSync(join(ROOT, 'scripts'), { recursive: true, withFileTypes: true })) {
    if (!script.isFile()) continue;
    const text = readFileSync(join(script.parentPath, script.name), 'utf8');
    for (const [, target] of text.matchAll(/dist\/((?:src|hal)\/[\w./-]+)\.js/g))
      note(`${target}.ts`, text.match(/\b[A-Za-z_$][\w$]*\b/g) ?? []);
  }
  return [...files.values()].flatMap(({ path, exports }) => {
    const names = used.get(path) ?? new Set<string>();
    return names === 'all'
      ? []
      : exports.filter(({ name }) => !names.has(name)).map((e) => `${path}:${e.line} ${e.name}`);
  });
}
