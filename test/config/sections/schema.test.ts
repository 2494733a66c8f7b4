import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatSchema, generateSchema, writeSchema } from '../../../src/config/sections/schema.ts';
import { drivers } from '../double/drivers.ts';

type Json = { [key: string]: Json } & { readonly [Symbol.iterator]?: never };

/** The part of a schema at a path. */
function at(schema: object, ...path: (string | number)[]): Json {
  return path.reduce((part, key) => (part as Json)[key]!, schema as Json) as Json;
}

/** Every key of the file below a schema, with whether it is described. */
function undescribed(schema: Json, path: string[] = []): string[] {
  return Object.entries(schema).flatMap(([key, part]) => {
    if (typeof part !== 'object' || part === null) return [];
    if (key !== 'properties') return undescribed(part, [...path, key]);
    return Object.entries(part).flatMap(([name, inner]) => [
      ...('description' in inner || 'const' in inner ? [] : [[...path, name].join('.')]),
      ...undescribed(inner, [...path, name]),
    ]);
  });
}

describe('the JSON Schema', () => {
  const schema = generateSchema(drivers);

  it('refuses unknown keys at every level', () => {
    const open: string[] = [];
    const visit = (part: unknown, path: string): void => {
      if (typeof part !== 'object' || part === null) return;
      const { type, properties, additionalProperties } = part as Record<string, unknown>;
      if (type === 'object' && properties !== undefined && additionalProperties !== false) open.push(path);
      for (const [key, inner] of Object.entries(part)) visit(inner, `${path}/${key}`);
    };
    visit(schema, '');
    expect(open).toEqual([]);
  });

  it('describes every key for editors', () => {
    expect(undescribed(schema as Json)).toEqual([]);
  });

  it('has the patterns, defaults and examples that completion needs', () => {
    expect(at(schema, 'properties', 'store', 'properties', 'commitEvery')).toMatchObject({
      type: 'string',
      pattern: '^(\\d+(?:\\.\\d+)?)(us|ms|s|m|h|d)$',
      default: '1s',
    });
    expect(
      at(schema, 'properties', 'devices', 'additionalProperties', 'anyOf', 0, 'properties', 'every'),
    ).toMatchObject({
      examples: ['200ms', '1s', '10s'],
    });
    expect(at(schema, 'properties', 'channels', 'additionalProperties', 'anyOf').length).toBe(drivers.length);
    expect(at(schema, 'properties', 'uplinks', 'additionalProperties', 'anyOf', 0, 'properties', 'topic').default).toBe(
      'millgate/{id}',
    );
  });

  it('lets a tag leave out what its profile gives, and a channel nothing it needs', () => {
    const tag = at(
      schema,
      'properties',
      'devices',
      'additionalProperties',
      'anyOf',
      0,
      'properties',
      'tags',
      'additionalProperties',
      'anyOf',
      0,
    );
    expect(tag.required).toBeUndefined();
    expect(at(schema, 'properties', 'channels', 'additionalProperties', 'anyOf', 0).required).toEqual([
      'driver',
      'port',
    ]);
  });

  it('is written only when it changed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'millgate-schema-'));
    const file = join(folder, 'millgate.schema.json');
    expect([writeSchema(file, drivers), writeSchema(file, drivers), writeSchema(file, drivers.slice(1))]).toEqual([
      true,
      false,
      true,
    ]);
    expect(readFileSync(file, 'utf8')).toBe(formatSchema(generateSchema(drivers.slice(1))));
    rmSync(folder, { recursive: true });
  });
});
