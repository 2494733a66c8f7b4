/** Routes that show, try, keep and roll back the configuration. */
import { readFile } from 'node:fs/promises';
import { CHANGE_DEADLINE_MS, CONFIRM_MS } from '../core/configuration.ts';
import { installed } from '../core/file-system.ts';
import { type Answer, ok, Refused, type Route, type RouteRequest } from './answer.ts';
import { ORDER, ORDERER } from './description/orderer.ts';
import type { BodyShape } from './description/shape.ts';
import type { ConfigurationView, GatewayView } from './view.ts';

const CHECK = {
  type: 'object',
  required: ['text'],
  properties: {
    text: { type: 'string', description: 'the main file, whole' },
    path: {
      type: 'array',
      items: { type: 'string', minLength: 1, maxLength: 63 },
      minItems: 2,
      maxItems: 4,
      description:
        'puts an entry into it first, comments kept: its section, what leads to it, and its name, such as ["alarms","oil-hot"] or ["devices","press-1","tags","oil"]',
    },
    value: { type: 'string', description: 'the entry, as JSON text' },
  },
  examples: [{ text: 'gateway: {id: press-shop-1}' }],
} as const satisfies BodyShape;

const TRY_ALARM = {
  type: 'object',
  required: ['text', 'alarm'],
  properties: {
    text: CHECK.properties.text,
    alarm: { type: 'string', description: 'its name in the text' },
    hours: { type: 'integer', minimum: 1, maximum: 168, description: 'how far back; 24 unless given' },
  },
  examples: [{ text: 'alarms: {oil-hot: {tag: press-1/oil-temp, above: 75}}', alarm: 'oil-hot', hours: 24 }],
} as const satisfies BodyShape;

const APPLY = {
  type: 'object',
  required: ['text', 'by'],
  properties: {
    text: CHECK.properties.text,
    confirmMs: {
      type: 'integer',
      minimum: CONFIRM_MS.least,
      maximum: CONFIRM_MS.most,
      description: 'it has to be confirmed within this; unless given, it is kept when data flows',
    },
    by: ORDERER.by,
  },
  examples: [{ text: 'gateway: {id: press-shop-1}', confirmMs: 120_000, by: 'ann' }],
} as const satisfies BodyShape;

const BUNDLE = {
  type: 'object',
  required: ['bundle', 'by'],
  properties: {
    bundle: { type: 'string', description: 'the bundle, whole' },
    key: { type: 'string', minLength: 64, maxLength: 64, description: 'in place of fleet.key of the file' },
    by: ORDERER.by,
  },
  examples: [{ bundle: '{"form":"millgate/bundle/1",…}\nSIGNATURE\n', by: 'ann' }],
} as const satisfies BodyShape;

/** Routes of the configuration and its changes. */
export const CONFIGURATION_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/api/v1/configuration',
    summary: 'The configuration in force, whether it is on trial, and what was in force before.',
    answers: 'configuration',
    answer: async (view) => ok(await configurationOf(view).status()),
  },
  {
    method: 'get',
    path: '/api/v1/configuration/files',
    summary: 'The files of the configuration in force, whole.',
    changes: true,
    role: 'admin',
    answers: 'files',
    answer: (view) => ok(configurationOf(view).running()),
  },
  {
    method: 'post',
    path: '/api/v1/configuration/check',
    summary: 'What is wrong with a main file, and what it would change; does nothing.',
    requestBody: CHECK,
    changes: true,
    role: 'admin',
    deadlineMs: CHANGE_DEADLINE_MS,
    answers: 'checked',
    answer: async (view, request) => {
      const { text, path, value } = await request.body(CHECK);
      const edit = path && { path, value: parsedValue(value) };
      return ok(await configurationOf(view).check(text, edit));
    },
  },
  {
    method: 'post',
    path: '/api/v1/configuration/try-alarm',
    summary: 'What an alarm of a text would have done over the readings that are stored; puts nothing in force.',
    requestBody: TRY_ALARM,
    changes: true,
    role: 'admin',
    deadlineMs: CHANGE_DEADLINE_MS,
    answers: 'alarmTrial',
    answer: async (view, request) => {
      const { text, alarm, hours = 24 } = await request.body(TRY_ALARM);
      return ok(await configurationOf(view).tryAlarm(text, alarm, hours, request.signal));
    },
  },
  {
    method: 'get',
    path: '/api/v1/configuration/schema',
    summary: 'The JSON schema of the file.',
    answers: 'schema',
    answer: schemaOfFile,
  },
  {
    method: 'get',
    path: '/api/v1/profiles',
    summary: 'Names of the profiles of devices that there are.',
    answers: 'profiles',
    answer: async (view) => ok({ profiles: await configurationOf(view).profiles() }),
  },
  {
    method: 'post',
    path: '/api/v1/apply',
    summary: 'Puts another main file in force, on trial: it is kept when data flows again, else rolled back.',
    requestBody: APPLY,
    changes: true,
    role: 'admin',
    deadlineMs: CHANGE_DEADLINE_MS,
    answers: 'applied',
    answer: apply,
  },
  {
    method: 'post',
    path: '/api/v1/bundle',
    summary: 'Puts a signed bundle in force, on trial, as millgate pull does; says why where it is refused.',
    requestBody: BUNDLE,
    changes: true,
    role: 'admin',
    deadlineMs: CHANGE_DEADLINE_MS,
    answers: 'bundle',
    answer: takeBundle,
  },
  {
    method: 'post',
    path: '/api/v1/confirm',
    summary: 'Confirms the configuration on trial.',
    requestBody: ORDER,
    changes: true,
    role: 'admin',
    answers: 'configuration',
    answer: async (view, request) => {
      await configurationOf(view).confirm((await request.body(ORDER)).by);
      return ok(await configurationOf(view).status());
    },
  },
  {
    method: 'post',
    path: '/api/v1/rollback',
    summary: 'Takes back the configuration on trial, else the last one that was kept.',
    requestBody: ORDER,
    changes: true,
    role: 'admin',
    deadlineMs: CHANGE_DEADLINE_MS,
    answers: 'configuration',
    answer: async (view, request) => {
      await configurationOf(view).rollback((await request.body(ORDER)).by);
      return ok(await configurationOf(view).status());
    },
  },
];

/** As it was generated: it is sent as it is read, since to parse it would hold up polling. */
async function schemaOfFile(): Promise<Answer> {
  const body = await readFile(installed('config/millgate.schema.json'), 'utf8');
  return { status: 200, body, textType: 'application/json; charset=utf-8' };
}

async function apply(view: GatewayView, request: RouteRequest): Promise<Answer> {
  return ok(await configurationOf(view).apply(await request.body(APPLY)));
}

async function takeBundle({ bundles }: GatewayView, request: RouteRequest): Promise<Answer> {
  if (!bundles) throw withoutFile();
  const { bundle, key, by } = await request.body(BUNDLE);
  if (key !== undefined && !/^[0-9a-f]{64}$/.test(key))
    throw new Refused(400, 'key is not a public key', 'Give 64 hexadecimal digits, or leave it out.');
  return ok(await bundles.take({ bundle, by, key }));
}

function parsedValue(value: string | undefined): unknown {
  try {
    return JSON.parse(value ?? '');
  } catch {
    throw new Refused(400, '"value" in the body is no JSON', 'Send the entry as JSON text with its path.');
  }
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
