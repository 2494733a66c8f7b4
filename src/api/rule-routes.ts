/** Routes of alarms, the journal, control charts and maintenance. */
import { parseDuration } from '../core/quantity.ts';
import { nearest } from '../core/suggest.ts';
import { type Answer, integer, ok, Refused, type Route, type RouteRequest } from './answer.ts';
import { ORDER, ORDERER } from './description/orderer.ts';
import type { BodyOf, BodyShape } from './description/shape.ts';
import { ALARM_ORDERS, type AlarmOrder, type ChartView, type Orderer } from './rules-view.ts';
import type { GatewayView } from './view.ts';

/** Most events of one page of the journal. */
const MAX_EVENTS = 1000;

const ACK = {
  type: 'object',
  required: ['by', 'occurrence'],
  properties: {
    occurrence: {
      type: 'integer',
      minimum: 1,
      description: 'that of GET /api/v1/alarms: a newer one is not acknowledged by it',
    },
    ...ORDERER,
  },
  examples: [{ occurrence: 3, by: 'ann' }],
} as const satisfies BodyShape;

const SHELVE = {
  type: 'object',
  required: ['by', 'for'],
  properties: { for: { type: 'string', description: 'a duration such as 30m: shelving always ends' }, ...ORDERER },
  examples: [{ for: '30m', by: 'ann' }],
} as const satisfies BodyShape;

const EXCLUDE = {
  type: 'object',
  required: ['by', 'points'],
  properties: {
    points: {
      type: 'array',
      items: { type: 'integer', minimum: 1 },
      minItems: 1,
      maxItems: 500,
      description: 'their numbers on the chart',
    },
    ...ORDERER,
  },
  examples: [{ points: [4, 17], by: 'ann' }],
} as const satisfies BodyShape;

/** Routes of alarms, the journal and control charts. */
export const RULE_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/api/v1/alarms',
    summary: 'Every alarm as it stands, and whether there is a flood of them.',
    answers: 'alarms',
    answer: (view) => ok(view.alarms()),
  },
  ...ALARM_ORDERS.map(
    (word): Route => ({
      method: 'post',
      path: `/api/v1/alarms/{id}/${word}`,
      summary: `Orders an alarm: ${word}. What is not possible is refused with its reason (422).`,
      requestBody: word === 'ack' ? ACK : word === 'shelve' ? SHELVE : ORDER,
      changes: true,
      answers: 'alarm',
      answer: (view, request) => order(word, view, request),
    }),
  ),
  {
    method: 'get',
    path: '/api/v1/events',
    summary: 'The journal: events as they are published, oldest first, page by page.',
    query: {
      from: 'UTC ms, included; the last ones unless given',
      after: 'the `next` of the page before',
      limit: `events a page, 1 to ${MAX_EVENTS}; 100 unless given`,
    },
    answers: 'events',
    answer: events,
  },
  {
    method: 'get',
    path: '/api/v1/spc',
    summary: 'Every control chart as it stands, without its points.',
    answers: 'charts',
    answer: (view) =>
      ok({
        charts: view.charts().flatMap((name) => {
          const found = view.chart(name);
          return found ? [{ ...found, points: [] }] : [];
        }),
      }),
  },
  {
    method: 'get',
    path: '/api/v1/spc/{name}',
    summary: 'A control chart: its limits, its last points, what the process can do.',
    query: {
      columns: 'draw it as text, so many characters wide',
      rows: 'and so many lines high; 20 unless given',
    },
    answers: 'controlChart',
    answer: (view, request) => ok(chart(view, request)),
  },
  {
    method: 'post',
    path: '/api/v1/spc/{name}/rebase',
    summary: 'Begins a new baseline of a control chart.',
    requestBody: ORDER,
    changes: true,
    answers: 'controlChart',
    answer: rebase,
  },
  {
    method: 'post',
    path: '/api/v1/spc/{name}/exclude',
    summary: 'Takes points with an assigned cause out of the baseline of a control chart: new limits, audited.',
    requestBody: EXCLUDE,
    changes: true,
    answers: 'controlChart',
    answer: exclude,
  },
  {
    method: 'get',
    path: '/api/v1/maintenance',
    summary: 'The report of every item of maintenance: condition, trend and use.',
    answers: 'maintenance',
    answer: (view) => ok({ maintenance: view.maintenance() }),
  },
  {
    method: 'post',
    path: '/api/v1/maintenance/{name}/done',
    summary: 'Says that the work was done: the interval or the trend begins anew, audited.',
    requestBody: ORDER,
    changes: true,
    answers: 'maintenanceItem',
    answer: maintenanceDone,
  },
  {
    method: 'post',
    path: '/api/v1/quality/checkpoint',
    summary: 'Signs the chain of quality records as it is now.',
    changes: true,
    answers: 'checkpoint',
    answer: async (view) => ok(await view.checkpoint()),
  },
];

async function order(word: AlarmOrder['do'], view: GatewayView, request: RouteRequest): Promise<Answer> {
  const { order: given, orderer } = await orderOf(word, request);
  const id = knownAlarm(view, request.params.id!);
  await view.orderAlarm(id, given, orderer);
  return ok(view.alarms().alarms.find((alarm) => alarm.id === id));
}

async function orderOf(
  word: AlarmOrder['do'],
  request: RouteRequest,
): Promise<{ readonly order: AlarmOrder; readonly orderer: Orderer }> {
  switch (word) {
    case 'ack': {
      const { occurrence, ...rest } = await request.body(ACK);
      return { order: { do: word, occurrence }, orderer: ordererOf(rest) };
    }
    case 'shelve': {
      const { for: text, ...rest } = await request.body(SHELVE);
      const forMs = parseDuration(text);
      if (forMs !== undefined) return { order: { do: word, forMs }, orderer: ordererOf(rest) };
      throw new Refused(400, '"for" in the body must be a duration', 'Send for example {"for":"30m","by":"ann"}.');
    }
    default:
      return { order: { do: word }, orderer: ordererOf(await request.body(ORDER)) };
  }
}

/** Who gave an order, out of its body. */
function ordererOf({ by, comment }: BodyOf<typeof ORDER>): Orderer {
  return { by, ...(comment !== undefined && { comment }) };
}

function knownAlarm(view: GatewayView, id: string): string {
  const known = view.alarms().alarms.map((alarm) => alarm.id);
  return known.includes(id) ? id : unknown('alarm', id, known, 'GET /api/v1/alarms lists the alarms.');
}

function chart(view: GatewayView, request: RouteRequest): ChartView {
  const name = request.params.name!;
  const columns = integer(request, 'columns', 20, 1000);
  const rows = integer(request, 'rows', 5, 200) ?? 20;
  const found = view.chart(name, columns === undefined ? undefined : { columns, rows });
  return found ?? unknown('control chart', name, view.charts(), 'Charts are defined under spc: in the configuration.');
}

async function rebase(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const orderer = ordererOf(await request.body(ORDER));
  const { id } = chart(view, request);
  await view.rebaseChart(id, orderer);
  return ok(chart(view, request));
}

async function exclude(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const { points, ...orderer } = await request.body(EXCLUDE);
  const { id } = chart(view, request);
  await view.excludePoints(id, points, ordererOf(orderer));
  return ok(chart(view, request));
}

async function maintenanceDone(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const orderer = ordererOf(await request.body(ORDER));
  const name = request.params.name!;
  const known = view.maintenance().map(({ id }) => id);
  if (!known.includes(name)) unknown('item of maintenance', name, known, 'GET /api/v1/maintenance lists them.');
  await view.maintenanceDone(name, orderer);
  return ok(view.maintenance().find(({ id }) => id === name));
}

async function events(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const fromMs = integer(request, 'from', 0, Number.MAX_SAFE_INTEGER);
  const afterSeq = integer(request, 'after', 0, Number.MAX_SAFE_INTEGER);
  const limit = integer(request, 'limit', 1, MAX_EVENTS) ?? 100;
  return ok(await view.events({ fromMs, afterSeq, limit }));
}

function unknown(what: string, name: string, known: readonly string[], remedy: string): never {
  const near = nearest(name, known);
  throw new Refused(404, `no ${what} ${JSON.stringify(name.slice(0, 130))}`, near ? `Did you mean ${near}?` : remedy);
}
