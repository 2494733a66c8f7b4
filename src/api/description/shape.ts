/** Shapes of the bodies that routes take, as JSON Schema: they check what comes, give it its type, and describe it. */
import { orList } from '../../core/suggest.ts';

interface Described {
  readonly description?: string;
}

interface TextShape extends Described {
  readonly type: 'string';
  readonly minLength?: number;
  readonly maxLength?: number;
}

interface WholeShape extends Described {
  readonly type: 'integer';
  readonly minimum?: number;
  readonly maximum?: number;
}

interface WordShape extends Described {
  readonly enum: readonly string[];
  readonly default?: string;
}

/** A single value of any of these kinds. */
interface ValueShape extends Described {
  readonly type: readonly ('number' | 'boolean' | 'string')[];
}

interface ListShape extends Described {
  readonly type: 'array';
  readonly items: TextShape | WholeShape;
  readonly minItems?: number;
  readonly maxItems?: number;
}

type Shape = TextShape | WholeShape | WordShape | ValueShape | ListShape;

/** The body of a request. What it does not name is passed over. */
export interface BodyShape {
  readonly type: 'object';
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, Shape>>;
  /** The first is what a refusal tells to send. */
  readonly examples: readonly [object];
}

type ValueOf<S> = S extends { readonly type: 'string' }
  ? string
  : S extends { readonly type: 'integer' }
    ? number
    : S extends { readonly enum: readonly (infer Word)[] }
      ? Word
      : S extends { readonly type: 'array'; readonly items: infer Item }
        ? readonly ValueOf<Item>[]
        : number | boolean | string;

/** What a body of a shape holds. */
export type BodyOf<S extends BodyShape> = {
  readonly [Name in keyof S['properties'] & S['required'][number]]: ValueOf<S['properties'][Name]>;
} & { readonly [Name in Exclude<keyof S['properties'], S['required'][number]>]?: ValueOf<S['properties'][Name]> };

/** Whole numbers beyond this are none that JSON carries exactly. */
const MAX_WHOLE = Number.MAX_SAFE_INTEGER;

/** What is wrong first with a body; undefined when it has the shape. */
export function troubleOf(body: unknown, { required, properties }: BodyShape): string | undefined {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return 'the body is no JSON object';
  const given = body as Readonly<Record<string, unknown>>;
  for (const [name, shape] of Object.entries(properties)) {
    const value = given[name];
    if (value === undefined) {
      if (required.includes(name)) return `"${name}" is missing in the body`;
    } else {
      const wanted = wantedOf(value, shape);
      if (wanted !== undefined) return `"${name}" in the body must be ${wanted}`;
    }
  }
  return undefined;
}

/** What a value should be; undefined when it is that. */
function wantedOf(value: unknown, shape: Shape): string | undefined {
  if ('enum' in shape) return shape.enum.includes(value as string) ? undefined : orList(shape.enum);
  switch (shape.type) {
    case 'string': {
      const { minLength = 0, maxLength = Number.POSITIVE_INFINITY } = shape;
      if (typeof value !== 'string') return 'text';
      if (value.length < minLength) return 'text that is not empty';
      return value.length > maxLength ? `text of at most ${maxLength} characters` : undefined;
    }
    case 'integer': {
      const { minimum = -MAX_WHOLE, maximum = MAX_WHOLE } = shape;
      const fits = Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) <= maximum;
      if (fits) return undefined;
      const upTo = maximum === MAX_WHOLE ? '' : ` to ${maximum}`;
      return minimum === -MAX_WHOLE ? 'a whole number' : `a whole number from ${minimum}${upTo}`;
    }
    case 'array': {
      const { items, minItems = 0, maxItems = Number.POSITIVE_INFINITY } = shape;
      if (!Array.isArray(value) || value.length < minItems || value.length > maxItems)
        return `a list of ${minItems} to ${maxItems} entries`;
      const wrong = value.map((entry) => wantedOf(entry, items)).find((wanted) => wanted !== undefined);
      return wrong && `a list, each entry ${wrong}`;
    }
    default: {
      const kinds: readonly string[] = shape.type;
      // JSON may hold 1e999, which is no number here.
      const isOne = kinds.includes(typeof value) && (typeof value !== 'number' || Number.isFinite(value));
      return isOne ? undefined : orList(kinds);
    }
  }
}
