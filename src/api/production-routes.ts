/** Routes of production: reports, and reasons of stops. */
import type { ProductionReport } from '../core/production/production.ts';
import { nearest } from '../core/suggest.ts';
import { type Answer, integer, ok, Refused, type Route, type RouteRequest } from './answer.ts';
import { ORDERER } from './description/orderer.ts';
import type { BodyShape } from './description/shape.ts';
import type { ProductionQuery, ProductionView, ShiftsQuery } from './production-view.ts';
import type { GatewayView } from './view.ts';

const REASON = {
  type: 'object',
  required: ['by', 'code'],
  properties: {
    code: { type: ['string', 'number'], description: 'code or name of the reason' },
    stop: {
      type: 'integer',
      minimum: 1,
      description: 'its number; the one that goes on, or the last, unless given',
    },
    from: { type: 'integer', minimum: 1, description: 'UTC ms: splits the stop there' },
    join: { type: 'integer', minimum: 1, description: 'number of the next stop: both become one' },
    ...ORDERER,
  },
  examples: [{ code: 10, by: 'ann' }],
} as const satisfies BodyShape;

const SPAN = {
  month: 'a month such as 2026-11: shifts that begin in it',
  from: 'UTC ms: shifts that end after it',
  to: 'UTC ms: shifts that begin before it; now unless given',
};

/** Routes of production. */
export const PRODUCTION_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/api/v1/production',
    summary:
      'The report of each machine, of the shift that runs or else of the last one, and the reasons of its stops.',
    answers: 'production',
    answer: async (view) => {
      const { production } = view;
      const names = production?.machines() ?? [];
      const machines = await reportsNow(view);
      return ok({ machines, reasons: Object.fromEntries(names.map((name) => [name, production!.reasons(name)])) });
    },
  },
  {
    method: 'get',
    path: '/api/v1/production/{name}',
    summary: 'A report of a machine: of the shift that runs, or else of the last one, unless another is asked for.',
    query: {
      shift: 'name of a shift, with date',
      date: 'local day on which that shift began, such as 2026-11-30',
      ...SPAN,
    },
    answers: 'productionReport',
    answer: async (view, request) => {
      const { production, name } = machineOf(view, request);
      return ok(await production.report(name, reportQuery(request)));
    },
  },
  {
    method: 'get',
    path: '/api/v1/production/{name}/shifts',
    summary: 'The reports of several shifts, oldest first.',
    query: SPAN,
    answers: 'shifts',
    answer: async (view, request) => {
      const { production, name } = machineOf(view, request);
      const query = spanQuery(request);
      if (!query) throw new Refused(400, 'no shifts are asked for', 'Give month, or from.');
      return ok({ shifts: await production.shifts(name, query) });
    },
  },
  {
    method: 'get',
    path: '/api/v1/production/{name}/compare',
    summary: 'One month against another by rates, each with an interval: better or worse only where it excludes 0.',
    query: { month: 'such as 2026-11', against: 'such as 2026-10' },
    answers: 'comparison',
    answer: async (view, request) => {
      const { production, name } = machineOf(view, request);
      const [month, against] = [monthIn(request, 'month'), monthIn(request, 'against')];
      if (!month || !against) throw new Refused(400, 'a month is missing', 'Give month and against, such as 2026-11.');
      return ok(await production.compare(name, month, against));
    },
  },
  {
    method: 'post',
    path: '/api/v1/production/{name}/reason',
    summary: 'Gives a stop its reason, splits it, or joins it with the next; audited with the value before.',
    requestBody: REASON,
    changes: true,
    answers: 'productionReport',
    answer: code,
  },
];

/** The report of each machine, of the shift that runs or else of the last one. */
export function reportsNow({ production }: GatewayView): Promise<readonly ProductionReport[]> {
  const names = production?.machines() ?? [];
  return Promise.all(names.map((name) => production!.report(name, { by: 'now' })));
}

function machineOf(view: GatewayView, { params }: RouteRequest): { production: ProductionView; name: string } {
  const name = params.name!;
  const { production } = view;
  const known = production?.machines() ?? [];
  if (production && known.includes(name)) return { production, name };
  const near = nearest(name, known);
  throw new Refused(
    404,
    `no machine ${JSON.stringify(name.slice(0, 130))}`,
    near ? `Did you mean ${near}?` : 'Machines are defined under production: in the configuration.',
  );
}

function reportQuery(request: RouteRequest): ProductionQuery {
  const [shift, date] = [request.query('shift'), request.query('date')];
  if ((shift === undefined) !== (date === undefined))
    throw new Refused(400, 'shift and date belong together', 'Give both, such as shift=early&date=2026-11-30.');
  if (shift === undefined || date === undefined) return spanQuery(request) ?? { by: 'now' };
  if (!/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(Date.parse(date)))
    throw new Refused(400, `date=${date.slice(0, 40)} is no day`, 'Give a day such as 2026-11-30.');
  return { by: 'shift', shift, date };
}

function spanQuery(request: RouteRequest): ShiftsQuery | undefined {
  const month = monthIn(request, 'month');
  if (month !== undefined) return { by: 'month', month };
  const fromMs = integer(request, 'from', 0, Number.MAX_SAFE_INTEGER);
  if (fromMs === undefined) return undefined;
  return { by: 'span', fromMs, toMs: integer(request, 'to', 0, Number.MAX_SAFE_INTEGER) ?? request.nowMs + 1 };
}

function monthIn(request: RouteRequest, name: string): string | undefined {
  const text = request.query(name);
  if (text === undefined || /^\d{4}-(?:0[1-9]|1[0-2])$/.test(text)) return text;
  throw new Refused(400, `${name}=${text.slice(0, 40)} is no month`, 'Give a month such as 2026-11.');
}

async function code(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const { code: given, stop, from, join, by, comment } = await request.body(REASON);
  const { production, name } = machineOf(view, request);
  const text = String(given);
  if (text === '' || text.length > 64)
    throw new Refused(400, 'the body names no reason', 'Send {"code":"10","by":"…"}: a code, or the name of a reason.');
  await production.code(name, { by, ...(comment !== undefined && { comment }), code: text, stop, fromMs: from, join });
  return ok(await production.report(name, { by: 'now' }));
}
