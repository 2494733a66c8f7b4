// Writes docs/configuration.md from config/millgate.schema.json, which is generated from the code that validates the file.
// With --check it changes nothing and fails where the document is not what the schema says.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const schema = JSON.parse(readFileSync(path('config/millgate.schema.json'), 'utf8'));

const INTRODUCTION = `# The configuration file

This page is written by \`node scripts/configuration-reference.mjs\` from the schema that \`millgate check\` uses; do not edit it.

One YAML file, by default \`/etc/millgate/millgate.yaml\`; \`--config FILE\` and \`MILLGATE_CONFIG\` name another. Files in
\`conf.d/*.yaml\` beside it are merged into it in the order of their names; a key that is given twice is an error that names
both places. Profiles of devices are looked up in \`profiles/\` beside the file, then among those that come with the program.
The file is UTF-8. Unknown keys are errors. \`millgate check\` shows every problem at once.

Durations are written \`200us\`, \`250ms\`, \`1s\`, \`5m\`, \`8h\`, \`30d\`; sizes \`500MB\`, \`2GB\`; rates \`500/s\`. Names are
\`a-z\`, \`0-9\`, \`-\` and \`_\`, at most 63 characters, beginning with a letter or a digit. Secrets are never in the file:
\`{file: PATH}\` or \`{env: NAME}\`. An asterisk marks a key that must be given.
`;

/** A value as YAML in one line. */
function flow(value) {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([key, inner]) => `${key}: ${flow(inner)}`)
      .join(', ')}}`;
  if (typeof value !== 'string') return String(value);
  return /^[\w./%°-]+$/.test(value) && !/^[\d.]+$/.test(value) ? value : JSON.stringify(value);
}

/** What may be written, in words. */
function kindOf(node) {
  if (node.const !== undefined) return `\`${flow(node.const)}\``;
  if (node.enum) return node.enum.map((word) => `\`${flow(word)}\``).join(', ');
  const options = node.anyOf ?? node.oneOf;
  if (options) return [...new Set(options.map(kindOf))].join(' or ');
  const { minimum, maximum, exclusiveMinimum: above } = node;
  const low = Math.abs(minimum) >= Number.MAX_SAFE_INTEGER ? undefined : minimum;
  const high = Math.abs(maximum) >= Number.MAX_SAFE_INTEGER ? undefined : maximum;
  const range =
    low !== undefined && high !== undefined
      ? ` ${low} to ${high}`
      : low !== undefined
        ? ` from ${low}`
        : high !== undefined
          ? ` up to ${high}`
          : above !== undefined
            ? ` above ${above}`
            : '';
  switch (node.type) {
    case 'boolean':
      return '`true`, `false`';
    case 'integer':
      return `whole number${range}`;
    case 'number':
      return `number${range}`;
    case 'array':
      return `list of ${node.items ? kindOf(node.items) : 'values'}`;
    case 'object':
      return node.properties
        ? `keys ${Object.keys(node.properties)
            .map((key) => `\`${key}\``)
            .join(', ')}`
        : 'keys and values';
    case 'string':
      if (node.pattern?.includes('us|ms|s')) return 'duration';
      if (node.pattern?.includes('kB')) return 'size';
      if (node.pattern?.includes('\\/(s|m|h)')) return 'rate';
      return node.maxLength ? `text of at most ${node.maxLength}` : 'text';
    default:
      return 'value';
  }
}

/** The default, as the schema or the description has it. */
function defaultOf(node) {
  if (node.default !== undefined) return `\`${flow(node.default)}\``;
  const said = /[Dd]efault:? ((?:[^.;]|\.(?=\S))+)/.exec(node.description ?? '')?.[1].trim();
  if (said === undefined) return '';
  return said.includes(' ') ? said : `\`${said}\``;
}

/** Examples of texts, by key, where the schema has none. */
const TEXTS = {
  id: 'press-shop-1',
  description: 'the press by the door',
  host: '192.168.1.20',
  port: '/dev/serial/by-id/usb-FTDI_A10',
  path: '/var/lib/millgate',
  channel: 'line-a',
  profile: 'eastron-sdm120',
  chip: 'auto',
  clientId: 'press-shop-1',
  username: 'press-shop-1',
  delimiter: '\r\n',
  request: 'SI\r\n',
  pattern: '^ST,GS,(?<value>[-+0-9.]+)',
  tag: 'press-1/oil-temp',
  while: 'press-1/running',
  scaleFrom: 'power-factor-sf',
  ca: '/etc/millgate/ca.pem',
  cert: '/etc/millgate/gw.crt',
  key: '/etc/millgate/gw.key',
};

/** A value that could stand there. */
function exampleOf(node, key = '') {
  if (node.examples?.length) return flow(node.examples[0]);
  if (node.const !== undefined) return flow(node.const);
  if (node.enum) return flow(node.enum.at(-1));
  if (node.default !== undefined) return flow(node.default);
  const options = node.anyOf ?? node.oneOf;
  if (options) return exampleOf({ ...options[0], description: node.description }, key);
  const said = defaultOf(node).replaceAll('`', '');
  switch (node.type) {
    case 'boolean':
      return 'true';
    case 'integer':
    case 'number':
      if (/^-?[\d.]+$/.test(said ?? '')) return said;
      return String(Math.max(node.minimum > -1e9 ? node.minimum : 0, 1));
    case 'array':
      return `[${node.items ? exampleOf(node.items) : ''}]`;
    case 'object':
      return node.properties
        ? `{${Object.entries(node.properties)
            .slice(0, 2)
            .map(([key, inner]) => `${key}: ${exampleOf(inner, key)}`)
            .join(', ')}}`
        : '{}';
    default: {
      const kind = kindOf(node);
      if (kind === 'duration') return /^\d/.test(said ?? '') ? said : '5s';
      if (kind === 'size') return '500MB';
      return kind === 'rate'
        ? '500/s'
        : flow(TEXTS[key] ?? (/chip/.test(node.description ?? '') ? 'temperature' : 'holding:100'));
    }
  }
}

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');

/** The keys of a map as a table. */
function tableOf(node, without = []) {
  const rows = Object.entries(node.properties ?? {})
    .filter(([key]) => !without.includes(key))
    .map(([key, inner]) => {
      const must = (node.required ?? []).includes(key) ? ' *' : '';
      const cells = [`\`${key}\`${must}`, kindOf(inner), defaultOf(inner)];
      return `| ${[...cells, inner.description ?? '', `\`${key}: ${exampleOf(inner, key)}\``].map(cell).join(' | ')} |`;
    });
  return ['| key | what may stand there | default | what it means | example |', '|---|---|---|---|---|', ...rows].join(
    '\n',
  );
}

/** What may stand under a name of a section: one kind or several. */
const kindsOf = (node) => node.anyOf ?? [node];

/** A section with everything below it. */
function sectionOf(name, node) {
  const parts = [`## \`${name}\``, node.description ?? ''];
  if (node.properties) return [...parts, tableOf(node)].join('\n\n');
  for (const kind of kindsOf(node.additionalProperties)) {
    parts.push(`### ${kind.title}`, tableOf(kind, ['tags']));
    const tags = kind.properties?.tags?.additionalProperties;
    for (const tag of tags ? kindsOf(tags) : [])
      if (tag.properties && (tag.title !== 'computed tag' || kind === kindsOf(node.additionalProperties).at(-1)))
        parts.push(`#### ${tag.title}`, tableOf(tag));
  }
  return parts.join('\n\n');
}

const sections = Object.entries(schema.properties).map(([name, node]) => sectionOf(name, node));
const text = `${[INTRODUCTION, ...sections].join('\n\n').replaceAll(/\n{3,}/g, '\n\n')}\n`;
const file = path('docs/configuration.md');
let before;
try {
  before = readFileSync(file, 'utf8');
} catch {
  before = undefined;
}
if (before !== text) {
  if (process.argv.includes('--check')) {
    console.log('docs/configuration.md is not what the schema says: run npm run schema');
    process.exit(1);
  }
  writeFileSync(file, text);
  console.log(`written: ${file}`);
}
