import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { formatProblems } from '../../src/config/file/problems.ts';
import { loadConfig } from '../../src/config/load.ts';
import { formatSchema, generateSchema } from '../../src/config/sections/schema.ts';

const ROOT = join(import.meta.dirname, '../..');

function problemsOf(file: string): string {
  const loaded = loadConfig({ file, drivers: DRIVERS, hostname: 'shop-1', timezone: 'Europe/London' });
  return loaded.ok ? '' : formatProblems(loaded.problems);
}

/** YAML blocks of a Markdown text that are whole configurations. */
function configurationsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^( *)```yaml\n([\s\S]*?)^ *```/gm)]
    .map(([, indent, text]) => text!.replace(new RegExp(`^${indent}`, 'gm'), ''))
    .filter((text) => /^channels:/m.test(text) && /^devices:/m.test(text));
}

describe('what is shipped', () => {
  const examples = readdirSync(join(ROOT, 'config/examples')).filter((file) => file.endsWith('.yaml'));

  it.each(['config/demo.yaml', ...examples.map((file) => `config/examples/${file}`)])('%s is a good file', (file) => {
    expect(problemsOf(join(ROOT, file))).toBe('');
  });

  it('the schema is the one that the code generates; after a change: npm run build && npm run schema', () => {
    const committed = readFileSync(join(ROOT, 'config/millgate.schema.json'), 'utf8');
    expect(committed).toBe(formatSchema(generateSchema(DRIVERS)));
  });

  it.each([
    'README.md',
    'hal/i2c/README.md',
    'hal/serial/README.md',
    'docs/alarms.md',
    'docs/spc.md',
    'docs/maintenance.md',
    'docs/expressions.md',
    'docs/uplinks.md',
    'docs/modbus-server.md',
  ])('the configurations in %s are good files', (file) => {
    const configurations = configurationsOf(readFileSync(join(ROOT, file), 'utf8'));
    expect(configurations.length).toBeGreaterThan(0);
    for (const text of configurations) {
      const files = {
        read: () => Buffer.from(text),
        list: () => [],
        exists: () => false,
      };
      const loaded = loadConfig({ file: 'millgate.yaml', drivers: DRIVERS, hostname: 'shop-1', files });
      expect(loaded.ok ? '' : formatProblems(loaded.problems)).toBe('');
    }
  });
});
