/** Makes the OpenAPI description of the routes that there are. */
import type { Route } from './answer.ts';

const TEXT = { type: 'string' };
const NUMBER = { type: 'number' };
const WHOLE = { type: 'integer' };
const TIME = { type: 'integer', description: 'UTC ms' };
const VALUE = { type: ['number', 'boolean', 'string'], description: 'an integer beyond ±(2⁵³−1) is a decimal string' };
const QUALITY = { enum: ['good', 'uncertain', 'bad'] };

function listOf(items: object): object {
  return { type: 'array', items };
}

function objectOf(required: readonly string[], properties: Readonly<Record<string, object>>): object {
  return { type: 'object', required, properties };
}

function ref(name: string): object {
  return { $ref: `#/components/schemas/${name}` };
}

const READING = { t: TIME, quality: QUALITY, value: VALUE, why: { type: 'string', description: 'docs/wire.md' } };

/** Shapes that answers are made of. */
const SCHEMAS: Readonly<Record<string, object>> = {
  Problem: objectOf(['type', 'title', 'status', 'detail', 'remedy', 'code'], {
    type: TEXT,
    title: TEXT,
    status: WHOLE,
    detail: { type: 'string', description: 'what is wrong and why' },
    remedy: { type: 'string', description: 'what to do about it' },
    code: { type: 'integer', description: 'the exit code of a command that ends with it' },
  }),
  Reading: objectOf(['tag', 't', 'quality'], { tag: TEXT, ...READING, detail: TEXT }),
  Tag: objectOf(['tag', 'readings'], {
    tag: TEXT,
    unit: TEXT,
    everyMs: NUMBER,
    description: TEXT,
    decimals: WHOLE,
    labels: { type: 'object', additionalProperties: TEXT },
    readings: WHOLE,
    last: ref('Reading'),
  }),
  History: objectOf(['tag', 'points'], {
    tag: TEXT,
    everyMs: { type: 'integer', description: 'only with every' },
    points: listOf({
      type: 'object',
      required: ['t'],
      properties: { seq: WHOLE, ...READING, count: WHOLE, bad: WHOLE, min: NUMBER, max: NUMBER, mean: NUMBER },
    }),
    next: WHOLE,
  }),
  Alarm: objectOf(['id', 'tag', 'state', 'occurrence', 'priority', 'active', 'message'], {
    id: TEXT,
    tag: TEXT,
    state: TEXT,
    occurrence: { type: 'integer', description: 'an acknowledgement names it' },
    priority: { enum: ['low', 'medium', 'high', 'critical'] },
    active: { type: 'boolean' },
    sinceMs: TIME,
    shelvedUntilMs: TIME,
    message: TEXT,
  }),
  Alarms: objectOf(['alarms'], { alarms: listOf(ref('Alarm')), floodForMs: NUMBER }),
  Events: objectOf(['events'], {
    events: listOf(objectOf(['seq', 't', 'kind'], { seq: WHOLE, t: TIME, kind: TEXT })),
    next: WHOLE,
  }),
};

/** What routes answer, where it has a name; every other answer is JSON as it comes. */
const ANSWERS: Readonly<Record<string, object>> = {
  '/api/v1/tags': listOf(ref('Tag')),
  '/api/v1/tags/{device}/{tag}/history': ref('History'),
  '/api/v1/read': listOf(ref('Reading')),
  '/api/v1/alarms': ref('Alarms'),
  '/api/v1/events': ref('Events'),
};

/** Content types of the routes that do not answer with JSON. */
const OTHER_TYPES: Readonly<Record<string, object>> = {
  '/metrics': { 'text/plain': { schema: TEXT } },
  '/api/v1/stream': { 'text/event-stream': {} },
  '/api/v1/record': { 'application/jsonl': {} },
};

/** What a query gives as text; everything else is a whole number. */
const TEXT_QUERIES = new Set(['tag', 'every', 'channel', 'shift', 'date', 'month', 'against']);

/** The OpenAPI 3.1 description of the routes. */
export function openApi(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    paths[route.path]![route.method] = describe(route);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Millgate', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'made by: millgate token create --role ROLE NAME' },
      },
    },
  };
}

function describe(route: Route): object {
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
  const problem = { 'application/problem+json': { schema: ref('Problem') } };
  const answer = route.path.startsWith('/api/v1/alarms/') ? ref('Alarm') : (ANSWERS[route.path] ?? {});
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
