/** A schema of the API's description, as far as its generator writes any. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly description?: string;
}

/**
 * What does not fit, as paths with what was expected there. Unlike JSON Schema a property that nothing names does not fit
 * either: the description has to be whole.
 */
export function misfits(value: unknown, schema: Schema, named: Readonly<Record<string, Schema>>, at = '$'): string[] {
  const { $ref, const: only, enum: words, anyOf } = schema;
  if ($ref !== undefined) {
    const found = named[$ref.replace('#/components/schemas/', '')];
    return found ? misfits(value, found, named, at) : [`${at}: nothing at ${$ref}`];
  }
  if (anyOf) {
    const all = anyOf.map((option) => misfits(value, option, named, at));
    return all.some((found) => found.length === 0) ? [] : all.sort((a, b) => a.length - b.length)[0]!;
  }
  if ('const' in schema) return value === only ? [] : [`${at}: not ${JSON.stringify(only)}`];
  if (words) return words.includes(value) ? [] : [`${at}: not one of ${JSON.stringify(words)}`];
  if (schema.type === undefined) return [];
  const kind = kindOf(value);
  const types = [schema.type].flat();
  if (!types.includes(kind) && !(kind === 'number' && types.includes('integer') && Number.isInteger(value)))
    return [`${at}: ${kind}, not ${types.join(' or ')}`];
  if (kind === 'array') return (value as unknown[]).flatMap((one, n) => itemMisfits(one, n, schema, named, at));
  return kind === 'object' ? objectMisfits(value as Record<string, unknown>, schema, named, at) : [];
}

function itemMisfits(one: unknown, n: number, schema: Schema, named: Readonly<Record<string, Schema>>, at: string) {
  return misfits(one, schema.prefixItems?.[n] ?? schema.items ?? {}, named, `${at}[${n}]`);
}

function objectMisfits(
  value: Readonly<Record<string, unknown>>,
  { required = [], properties = {}, additionalProperties }: Schema,
  named: Readonly<Record<string, Schema>>,
  at: string,
): string[] {
  const missing = required.filter((name) => value[name] === undefined).map((name) => `${at}: no ${name}`);
  const inner = Object.entries(value).flatMap(([name, one]) => {
    const schema = properties[name] ?? additionalProperties;
    return schema ? misfits(one, schema, named, `${at}.${name}`) : [`${at}.${name}: not described`];
  });
  return [...missing, ...inner];
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
