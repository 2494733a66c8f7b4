import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { ROUTES } from '../../src/api/routes.ts';
import { ask } from '../double/ask.ts';
import { serve } from '../double/command-line.ts';
import { fakeGateway, SIX } from '../double/fake-gateway.ts';
import { misfits, type Schema } from '../double/json-schema.ts';
import { ROOT } from '../double/source-tree.ts';

/** What of an OpenAPI 3.1 document is looked at here. */
interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: 'path' | 'query'; readonly schema: Schema }[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: Schema & { examples: object[] } }>>;
  };
  readonly responses: Readonly<Record<string, { readonly content: Readonly<Record<string, { schema?: Schema }>> }>>;
}

interface Description {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

async function described() {
  const view = fakeGateway();
  const { socketPath, api } = await serve(view, { listen: { host: '127.0.0.1', port: 0 } });
  const document = (await ask({ socketPath }, '/api/v1/openapi.json')).body as Description;
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  return { view, api, where: { socketPath }, document, operations };
}

/** What stands in the place of the parameters of a path, so that the fake has it. */
const PLACES: Readonly<Record<string, string>> = { device: 'press-1', tag: 'oil-temp', id: 'oil-hot' };

function addressOf(path: string): string {
  const name = path.includes('/spc/') ? 'shaft' : path.includes('/uplinks/') ? 'plant' : 'oil-change';
  return path.replaceAll(/\{(\w+)\}/g, (_, place: string) => PLACES[place] ?? name);
}

describe('the OpenAPI description', () => {
  it('is one of 3.1: every reference leads somewhere, ids are unique, and parameters of paths are declared', async () => {
    const { document, operations } = await described();
    expect(document.openapi).toBe('3.1.0');
    const text = JSON.stringify(document);
    const refs = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref!);
    expect(refs.length).toBeGreaterThan(50);
    for (const ref of refs) {
      const found = ref
        .slice(2)
        .split('/')
        .reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], document);
      expect(found, ref).toBeTypeOf('object');
    }
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const declared = (operation.parameters ?? []).filter((one) => one.in === 'path').map(({ name }) => name);
      expect([path, declared]).toEqual([path, inPath]);
      expect(Object.keys(operation.responses)).toEqual(['200', 'default']);
    }
    const used = new Set(refs.map((ref) => ref.split('/').at(-1)));
    expect(Object.keys(document.components.schemas).filter((name) => !used.has(name))).toEqual([]);
  });

  it('is made of the types of the answers as they are now', () => {
    const run = spawnSync(process.execPath, ['scripts/api-answers.mjs', '--check'], { cwd: ROOT, encoding: 'utf8' });
    expect(run.stdout + run.stderr).toBe('');
  }, 120_000);

  it('says whole what every route answers, and how it refuses', async () => {
    const { where, document, operations } = await described();
    const { schemas } = document.components;
    const answered: string[] = [];
    for (const { path, method, operation } of operations) {
      const content = operation.responses[200]!.content['application/json'];
      if (!content?.schema || path === '/api/v1/openapi.json') continue;
      const example = operation.requestBody?.content['application/json']?.schema.examples[0];
      const body = example && JSON.stringify(example);
      const headers = { 'Content-Type': 'application/json' };
      const given = await ask(where, addressOf(path), { method: method.toUpperCase(), headers, ...(body && { body }) });
      const schema =
        given.status === 200
          ? content.schema
          : operation.responses.default!.content['application/problem+json']!.schema!;
      expect([path, misfits(given.body, schema, schemas)]).toEqual([path, []]);
      // An example is right: where it is refused, the gateway does not have what it names.
      expect([path, given.status === 400 || given.status === 415]).toEqual([path, false]);
      if (given.status === 200) answered.push(`${method} ${path}`);
    }
    expect(answered.length).toBeGreaterThan(25);
  });

  it('names what every route answers that answers with JSON', () => {
    const silent = ROUTES.filter(({ answers, answer }) => answers === undefined && answer).map(({ path }) => path);
    expect(silent).toEqual(['/metrics']);
  });
});

/** A client that knows nothing but the document: each operation is a function of its parameters and its body. */
function clientOf(document: Description, base: { port: number }, token: string) {
  const call = new Map<string, (parameters: Record<string, string>, body?: object) => Promise<unknown>>();
  for (const [path, methods] of Object.entries(document.paths))
    for (const [method, { operationId, parameters = [], requestBody }] of Object.entries(methods))
      call.set(operationId, async (given, body) => {
        const inPath = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(given[name]!));
        const query = parameters
          .filter((one) => one.in === 'query' && given[one.name] !== undefined)
          .map(({ name }) => `${name}=${encodeURIComponent(given[name]!)}`);
        const [type] = Object.keys(requestBody?.content ?? {});
        const headers = { Authorization: `Bearer ${token}`, ...(type && { 'Content-Type': type }) };
        const target = query.length > 0 ? `${inPath}?${query.join('&')}` : inPath;
        const answer = await ask(base, target, {
          method: method.toUpperCase(),
          headers,
          ...(body && { body: JSON.stringify(body) }),
        });
        if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
        return answer.body;
      });
  return (operation: string, parameters: Record<string, string> = {}, body?: object) =>
    call.get(operation)!(parameters, body);
}

describe('a client that is made from the description alone', () => {
  it('reads a value with its history, and acknowledges an alarm in the name of its token', async () => {
    const { view, api, document } = await described();
    const { token } = api.tokens.create('mes', 'technician', 'ann');
    const call = clientOf(document, { port: api.port()! }, token);
    const [tag] = (await call('getTags')) as { tag: string; last: { value: number } }[];
    expect(tag).toMatchObject({ tag: 'press-1/oil-temp', last: { value: 45.2 } });
    const place = { device: 'press-1', tag: 'oil-temp', from: String(SIX - 5000), to: String(SIX) };
    expect(await call('getTagsDeviceTagHistory', place)).toMatchObject({ points: [{ value: 45.25 }] });
    const { alarms } = (await call('getAlarms')) as { alarms: { id: string; state: string; occurrence: number }[] };
    const standing = alarms.find(({ state }) => state === 'unacked')!;
    await call('postAlarmsIdAck', { id: standing.id }, { occurrence: standing.occurrence, by: 'whoever' });
    expect(view.orders).toEqual([{ id: 'oil-hot', order: { do: 'ack', occurrence: 3 }, orderer: { by: 'mes' } }]);
  });
});
