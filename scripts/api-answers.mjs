// Writes config/api-answers.json: the JSON Schemas of what the API answers, made of the types in src/api/description/answers.ts.
// With --check it changes nothing and fails where the file is not what the types say.
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { API } from 'typescript/unstable/sync';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const root = path('');
const file = path('config/api-answers.json');
const api = new API({ cwd: root });
const [project] = api.updateSnapshot({ openProject: path('tsconfig.build.json') }).getProjects();
const { checker, program } = project;

const components = new Map();
const sources = new Map();

/** The interface `Answers`. */
function answersType() {
  const module = checker.getSymbolAtLocation(program.getSourceFile(path('src/api/description/answers.ts')));
  const found = checker.getExportsOfModule(module).find(({ name }) => name === 'Answers');
  return checker.getDeclaredTypeOfSymbol(found);
}

/** The name under which a type is a component: that of its interface or alias, where it is one of ours. */
function nameOf(type) {
  const alias = type.getAliasSymbol();
  const symbol = alias ?? (type.isClassOrInterface() ? type.getSymbol() : undefined);
  if (!symbol || (alias && type.getAliasTypeArguments()?.length)) return undefined;
  const [declaration] = symbol.declarations;
  const where = relative(root, String(declaration?.path ?? ''));
  return where.startsWith('src/') || where.startsWith('hal/') ? { name: symbol.name, symbol, where } : undefined;
}

function schemaOf(type) {
  const named = nameOf(type);
  if (!named || type.isIntrinsicType()) return bareSchema(type);
  const { name, symbol, where } = named;
  if (sources.has(name) && sources.get(name) !== where)
    throw new Error(`${name} is in ${sources.get(name)} and in ${where}`);
  if (!components.has(name)) {
    sources.set(name, where);
    components.set(name, {});
    components.set(name, described(bareSchema(type), symbol));
  }
  return { $ref: `#/components/schemas/${name}` };
}

function described(schema, symbol) {
  const text = checker.getDocumentationCommentOfSymbol(symbol).replaceAll(/\s+/g, ' ').trim();
  return text === '' ? schema : { description: text, ...schema };
}

function bareSchema(type) {
  if (type.isUnionType()) return unionSchema(type);
  if (type.isLiteralType()) return { const: type.value };
  if (checker.isTupleType(type)) {
    const items = checker.getTypeArguments(type).map(schemaOf);
    return { type: 'array', prefixItems: items, minItems: items.length, maxItems: items.length };
  }
  if (checker.isArrayType(type)) return { type: 'array', items: schemaOf(checker.getTypeArguments(type)[0]) };
  const text = checker.typeToString(type);
  if (text === 'string' || text === 'number' || text === 'boolean' || text === 'null') return { type: text };
  // An integer that no double can hold is a decimal string in JSON.
  if (text === 'bigint') return { type: ['integer', 'string'] };
  if (text === 'unknown') return {};
  if (type.isTemplateLiteralType()) return { type: 'string' };
  if (type.isObjectType() || type.isIntersectionType()) return objectSchema(type);
  throw new Error(`no schema for ${text}`);
}

function unionSchema(type) {
  const parts = type.getTypes().filter((part) => checker.typeToString(part) !== 'undefined');
  const literals = parts.filter((part) => part.isLiteralType());
  const words = literals.filter((part) => !part.isBooleanLiteralType()).map(({ value }) => value);
  const booleans = literals.filter((part) => part.isBooleanLiteralType());
  const rest = parts.filter((part) => !part.isLiteralType()).map(schemaOf);
  const options = [
    ...(words.length === 1 ? [{ const: words[0] }] : words.length > 1 ? [{ enum: words.toSorted() }] : []),
    ...(booleans.length === 2 ? [{ type: 'boolean' }] : booleans.map(({ value }) => ({ const: value }))),
    ...rest,
  ];
  const isPlain = options.every((option) => typeof option.type === 'string' && Object.keys(option).length === 1);
  if (options.length === 1) return options[0];
  return isPlain ? { type: options.map((option) => option.type) } : { anyOf: options };
}

function objectSchema(type) {
  const properties = {};
  const required = [];
  for (const symbol of checker.getPropertiesOfType(type)) {
    const inner = checker.getTypeOfSymbol(symbol);
    const isOptional =
      checker.typeToString(inner).split(' | ').includes('undefined') || (symbol.flags & OPTIONAL) !== 0;
    properties[symbol.name] = described(schemaOf(inner), symbol);
    if (!isOptional) required.push(symbol.name);
  }
  const [index] = checker.getIndexInfosOfType(type);
  return {
    type: 'object',
    ...(required.length > 0 && { required }),
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(index && { additionalProperties: schemaOf(index.valueType) }),
  };
}

/** SymbolFlags.Optional. */
const OPTIONAL = 1 << 24;

const answers = Object.fromEntries(
  checker.getPropertiesOfType(answersType()).map((symbol) => [symbol.name, schemaOf(checker.getTypeOfSymbol(symbol))]),
);
api.close();
const inOrder = [...components].sort(([a], [b]) => (a < b ? -1 : 1));
const text = `${JSON.stringify({ answers, schemas: Object.fromEntries(inOrder) }, undefined, 1)}\n`;
const before = (() => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
})();
if (process.argv.includes('--check')) {
  if (text !== before)
    console.error(
      'config/api-answers.json is not what src/api/description/answers.ts says: node scripts/api-answers.mjs',
    );
  process.exitCode = text === before ? 0 : 1;
} else if (text !== before) {
  writeFileSync(file, text);
  console.log(`written: ${file}`);
}
