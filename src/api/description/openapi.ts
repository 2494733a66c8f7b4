/** Makes the OpenAPI description of the routes that there are. */
import type { Route } from '../answer.ts';

const TEXT = { type: 'string' };
const WHOLE = { type: 'integer' };

/** What `scripts/api-answers.mjs` makes of the types of the answers. */
export interface AnswerSchemas {
  /** By the names that routes give their answers. */
  readonly answers: Readonly<Record<string, object>>;
  /** Components that these refer to. */
  readonly schemas: Readonly<Record<string, object>>;
}

/** Content types of the routes that do not answer with JSON. */
const OTHER_TYPES: Readonly<Record<string, object>> = {
  '/metrics': { 'text/plain': { schema: TEXT } },
  '/api/v1/stream': { 'text/event-stream': {} },
  '/api/v1/record': { 'application/jsonl': {} },
};

/** What a query gives as text; everything else is a whole number. */
const TEXT_QUERIES = new Set(['tag', 'every', 'channel', 'shift', 'date', 'month', 'against']);

/** The OpenAPI 3.1 description of the routes. */
export function openApi(routes: readonly Route[], { answers, schemas }: AnswerSchemas, version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    paths[route.path]![route.method] = describe(route, answers);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Millgate', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths,
    components: {
      schemas,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'made by: millgate token create --role ROLE NAME' },
      },
    },
  };
}

function describe(route: Route, answers: AnswerSchemas['answers']): object {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: TEXT,
  }));
  const inQuery = Object.entries(route.query ?? {}).map(([name, description]) => ({
    name,
    in: 'query',
    description,
    schema: TEXT_QUERIES.has(name) ? TEXT : WHOLE,
  }));
  const role = route.role ?? (route.changes ? 'technician' : 'viewer');
  const problem = { 'application/problem+json': { schema: answers.problem } };
  const answer = route.answers === undefined ? {} : answers[route.answers]!;
  return {
    operationId: operationId(route),
    summary: route.summary,
    // Without a token, too, where it only reads on the gateway's own machine.
    security: [...(role === 'viewer' ? [{}] : []), ...(route.open ? [] : [{ token: [] }])],
    ...(inPath.length + inQuery.length > 0 && { parameters: [...inPath, ...inQuery] }),
    ...(route.requestBody && { requestBody: { required: true, content: json(route.requestBody) } }),
    responses: {
      200: { description: 'OK', content: OTHER_TYPES[route.path] ?? json(answer) },
      default: { description: 'Refused', content: problem },
    },
  };
}

/** `get` and the words of the path: `getTagsDeviceTagHistory`. */
function operationId({ method, path }: Route): string {
  const words = path.replace('/api/v1/', '/').match(/[a-zA-Z]+/g) ?? [];
  return method + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
}

function json(schema: object): object {
  return { 'application/json': { schema } };
}
