/** Routes that show, try, keep and roll back the configuration. */
import { CONFIRM_MS } from '../core/configuration.ts';
import { type Answer, asObject, ok, Refused, type Route, type RouteRequest } from './answer.ts';
import { ordererOf } from './rule-routes.ts';
import type { ConfigurationView, GatewayView } from './view.ts';

const BY = { type: 'string', maxLength: 100, description: 'who orders it, for the journal' };

/** Routes of the configuration and its changes. */
export const CONFIGURATION_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/api/v1/configuration',
    summary: 'The configuration in force, whether it is on trial, and what was in force before.',
    answer: async (view) => ok(await configurationOf(view).status()),
  },
  {
    method: 'get',
    path: '/api/v1/configuration/files',
    summary: 'The files of the configuration in force, whole.',
    changes: true,
    role: 'admin',
    answer: (view) => ok(configurationOf(view).running()),
  },
  {
    method: 'post',
    path: '/api/v1/configuration/check',
    summary: 'What is wrong with a main file, and what it would change; does nothing.',
    requestBody: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
    changes: true,
    role: 'admin',
    answer: async (view, request) => {
      const { text } = asObject(await request.body());
      return ok(await configurationOf(view).check(textOf(text)));
    },
  },
  {
    method: 'post',
    path: '/api/v1/apply',
    summary: 'Puts another main file in force, on trial: it is kept when data flows again, else rolled back.',
    requestBody: {
      type: 'object',
      required: ['text', 'by'],
      properties: {
        text: { type: 'string', description: 'the file, whole' },
        confirmMs: { type: 'integer', minimum: CONFIRM_MS.least, maximum: CONFIRM_MS.most },
        by: BY,
      },
    },
    changes: true,
    role: 'admin',
    answer: apply,
  },
  {
    method: 'post',
    path: '/api/v1/bundle',
    summary: 'Puts a signed bundle in force, on trial, as millgate pull does; says why where it is refused.',
    requestBody: {
      type: 'object',
      required: ['bundle', 'by'],
      properties: {
        bundle: { type: 'string', description: 'the bundle, whole' },
        key: { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'in place of fleet.key of the file' },
        by: BY,
      },
    },
    changes: true,
    role: 'admin',
    answer: takeBundle,
  },
  {
    method: 'post',
    path: '/api/v1/confirm',
    summary: 'Confirms the configuration on trial.',
    requestBody: { type: 'object', required: ['by'], properties: { by: BY } },
    changes: true,
    role: 'admin',
    answer: async (view, request) => {
      await configurationOf(view).confirm(ordererOf(asObject(await request.body())).by);
      return ok(await configurationOf(view).status());
    },
  },
  {
    method: 'post',
    path: '/api/v1/rollback',
    summary: 'Takes back the configuration on trial, else the last one that was kept.',
    requestBody: { type: 'object', required: ['by'], properties: { by: BY } },
    changes: true,
    role: 'admin',
    answer: async (view, request) => {
      await configurationOf(view).rollback(ordererOf(asObject(await request.body())).by);
      return ok(await configurationOf(view).status());
    },
  },
];

async function apply(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const body = asObject(await request.body());
  const { by } = ordererOf(body);
  const { confirmMs } = body;
  const text = textOf(body.text);
  const isTime = typeof confirmMs === 'number' && confirmMs >= CONFIRM_MS.least && confirmMs <= CONFIRM_MS.most;
  if (confirmMs !== undefined && !isTime)
    throw new Refused(
      400,
      'confirmMs is not allowed',
      `Give ${CONFIRM_MS.least} to ${CONFIRM_MS.most}, or leave it out.`,
    );
  return ok(await configurationOf(view).apply({ text, by, ...(isTime && { confirmMs }) }));
}

async function takeBundle({ bundles }: GatewayView, request: RouteRequest): Promise<Answer> {
  if (!bundles) throw withoutFile();
  const body = asObject(await request.body());
  const { by } = ordererOf(body);
  const { bundle, key } = body;
  if (typeof bundle !== 'string')
    throw new Refused(400, 'the body has no bundle', 'Send {"bundle":"…","by":"NAME"} with the whole bundle.');
  if (key !== undefined && !(typeof key === 'string' && /^[0-9a-f]{64}$/.test(key)))
    throw new Refused(400, 'key is not a public key', 'Give 64 hexadecimal digits, or leave it out.');
  return ok(await bundles.take({ bundle, by, key }));
}

function configurationOf({ configuration }: GatewayView): ConfigurationView {
  if (configuration) return configuration;
  throw withoutFile();
}

function withoutFile(): Refused {
  return new Refused(
    404,
    'this gateway has no file that could be changed',
    'Run one with: millgate run --config FILE.',
  );
}

function textOf(text: unknown): string {
  if (typeof text === 'string') return text;
  throw new Refused(400, 'the body has no text', 'Send {"text":"…","by":"NAME"} with the whole file.');
}
