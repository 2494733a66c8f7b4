/** Turns the schema of the file into the fields of a form, and what was typed into an entry. Pure functions. */

/** What of a schema a form understands; anything else is written in the text. */
export interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly pattern?: string;
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
}

/** One line of a form. */
export interface SchemaField {
  readonly key: string;
  readonly isRequired: boolean;
  readonly hint: string;
  /** Closed list of what it may be, as JSON text would show them; undefined: anything that fits. */
  readonly options: readonly string[] | undefined;
  readonly pattern: string | undefined;
  readonly isNumber: boolean;
}

/** A kind of entry of a section: a channel of one driver, an uplink of one preset. */
export interface Kind {
  readonly title: string;
  /** What it is told by, such as `driver: modbus-tcp`; it needs no field. */
  readonly fixed: Readonly<Record<string, unknown>>;
  /** Those that are required first. */
  readonly fields: readonly SchemaField[];
  /** Required keys that no field can give. */
  readonly beyond: readonly string[];
}

/** The kinds of entries of a section of the file; empty where its entries have no names. */
export function kindsOf(schema: Schema, section: string): Kind[] {
  const entry = schema.properties?.[section]?.additionalProperties;
  if (typeof entry !== 'object') return [];
  return (entry.anyOf ?? [entry]).map((kind) => {
    const all = Object.entries(kind.properties ?? {});
    const required = new Set(kind.required ?? []);
    const fields = all.flatMap(([key, one]) => fieldOf(key, one, required.has(key)) ?? []);
    const known = new Set(fields.map(({ key }) => key));
    const fixed = Object.fromEntries(
      all.filter(([key, one]) => one.const !== undefined && required.has(key)).map(([key, one]) => [key, one.const]),
    );
    return {
      title: kind.title ?? section,
      fixed,
      fields: [...fields.filter(({ isRequired }) => isRequired), ...fields.filter(({ isRequired }) => !isRequired)],
      beyond: [...required].filter((key) => !known.has(key) && !(key in fixed)),
    };
  });
}

/** Undefined for what stands in lists or has keys of its own. */
function fieldOf(key: string, schema: Schema, isRequired: boolean): SchemaField | undefined {
  const { description = '', pattern, examples, type } = schema;
  if (schema.const !== undefined) return undefined;
  const choices = schema.enum ?? constsOf(schema.anyOf);
  const words = type === 'boolean' ? [true, false] : choices;
  if (!words && !['string', 'number', 'integer'].includes(type ?? '')) return undefined;
  const example = examples?.[0] === undefined ? '' : ` Such as ${String(examples[0])}.`;
  return {
    key,
    isRequired,
    hint: `${description}${example}`.trim(),
    options: words?.map(String),
    pattern: words ? undefined : pattern,
    isNumber: type === 'number' || type === 'integer',
  };
}

function constsOf(anyOf: readonly Schema[] | undefined): readonly unknown[] | undefined {
  const all = anyOf?.map((one) => one.const);
  return all?.every((one) => one !== undefined) ? all : undefined;
}

/** The entry that was typed; what was left empty is not in it. */
export function entryOf({ fixed, fields }: Kind, typed: Readonly<Record<string, string>>): Record<string, unknown> {
  const entry: Record<string, unknown> = { ...fixed };
  for (const { key, isNumber, options } of fields) {
    const text = typed[key]?.trim() ?? '';
    if (text === '') continue;
    if (text === 'true' || text === 'false') entry[key] = options ? text === 'true' : text;
    // A number that a list gives, or that the file has, is one; in all else digits are a text, such as a password's.
    else entry[key] = (isNumber || options) && Number.isFinite(Number(text)) ? Number(text) : text;
  }
  return entry;
}
