/** Routes of alarms, the journal, control charts and maintenance. */
import { parseDuration } from '../core/quantity.ts';
import { nearest } from '../core/suggest.ts';
import { type Answer, asObject, integer, ok, Refused, type Route, type RouteRequest } from './answer.ts';
import { ALARM_ORDERS, type AlarmOrder, type ChartView, type Orderer } from './rules-view.ts';
import type { GatewayView } from './view.ts';

/** Most events of one page of the journal. */
const MAX_EVENTS = 1000;

/** Longest remark and name of who orders something, characters. */
const MAX_COMMENT = 500;
const MAX_BY = 100;

/** Who orders something, in a body. */
export const ORDERER = {
  by: { type: 'string', maxLength: MAX_BY, description: 'who orders it, for the journal' },
  comment: { type: 'string', maxLength: MAX_COMMENT },
};

/** What an order needs beside who gives it. */
const ORDER_BODIES: Partial<Record<AlarmOrder['do'], { required: string[]; properties: object }>> = {
  ack: { required: ['occurrence'], properties: { occurrence: { type: 'integer', minimum: 1 } } },
  shelve: { required: ['for'], properties: { for: { type: 'string', description: 'a duration such as 30m' } } },
};

/** Routes of alarms, the journal and control charts. */
export const RULE_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/api/v1/alarms',
    summary: 'Every alarm as it stands, and whether there is a flood of them.',
    answer: (view) => ok(view.alarms()),
  },
  ...ALARM_ORDERS.map(
    (word): Route => ({
      method: 'post',
      path: `/api/v1/alarms/{id}/${word}`,
      summary: `Orders an alarm: ${word}. What is not possible is refused with its reason (422).`,
      requestBody: {
        type: 'object',
        required: ['by', ...(ORDER_BODIES[word]?.required ?? [])],
        properties: { ...ORDER_BODIES[word]?.properties, ...ORDERER },
      },
      changes: true,
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
    answer: events,
  },
  {
    method: 'get',
    path: '/api/v1/spc',
    summary: 'Every control chart as it stands, without its points.',
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
    answer: (view, request) => ok(chart(view, request)),
  },
  {
    method: 'post',
    path: '/api/v1/spc/{name}/rebase',
    summary: 'Begins a new baseline of a control chart.',
    requestBody: { type: 'object', required: ['by'], properties: ORDERER },
    changes: true,
    answer: rebase,
  },
  {
    method: 'post',
    path: '/api/v1/spc/{name}/exclude',
    summary: 'Takes points with an assigned cause out of the baseline of a control chart: new limits, audited.',
    requestBody: {
      type: 'object',
      required: ['by', 'points'],
      properties: { points: { type: 'array', items: { type: 'integer', minimum: 1 }, maxItems: 500 }, ...ORDERER },
    },
    changes: true,
    answer: exclude,
  },
  {
    method: 'get',
    path: '/api/v1/maintenance',
    summary: 'The report of every item of maintenance: condition, trend and use.',
    answer: (view) => ok({ maintenance: view.maintenance() }),
  },
  {
    method: 'post',
    path: '/api/v1/maintenance/{name}/done',
    summary: 'Says that the work was done: the interval or the trend begins anew, audited.',
    requestBody: { type: 'object', required: ['by'], properties: ORDERER },
    changes: true,
    answer: maintenanceDone,
  },
  {
    method: 'post',
    path: '/api/v1/quality/checkpoint',
    summary: 'Signs the chain of quality records as it is now.',
    changes: true,
    answer: async (view) => ok(await view.checkpoint()),
  },
];

async function order(word: AlarmOrder['do'], view: GatewayView, request: RouteRequest): Promise<Answer> {
  const body = asObject(await request.body());
  const id = request.params.id!;
  const before = knownAlarm(view, id);
  await view.orderAlarm(before, orderOf(word, body), ordererOf(body));
  return ok(view.alarms().alarms.find((alarm) => alarm.id === before));
}

function orderOf(word: AlarmOrder['do'], body: Record<string, unknown>): AlarmOrder {
  switch (word) {
    case 'ack': {
      const { occurrence } = body;
      if (Number.isSafeInteger(occurrence)) return { do: word, occurrence: occurrence as number };
      throw new Refused(
        400,
        'the body names no occurrence',
        'Send {"occurrence":N,"by":"…"} with the number that GET /api/v1/alarms gives: a newer one is not acknowledged by it.',
      );
    }
    case 'shelve': {
      const forMs = typeof body.for === 'string' ? parseDuration(body.for) : undefined;
      if (forMs !== undefined) return { do: word, forMs };
      throw new Refused(400, 'the body gives no time', 'Send {"for":"30m","by":"…"}: shelving always ends.');
    }
    default:
      return { do: word };
  }
}

/** Who orders something; throws `Refused` when the body does not say. */
export function ordererOf({ by, comment }: Record<string, unknown>): Orderer {
  const isName = typeof by === 'string' && by.length > 0 && by.length <= MAX_BY;
  if (!isName) throw new Refused(400, 'the body does not say who orders it', 'Send {"by":"NAME", …}.');
  if (comment === undefined) return { by };
  if (typeof comment === 'string' && comment.length <= MAX_COMMENT) return { by, comment };
  throw new Refused(400, 'the comment is no text or too long', `Send at most ${MAX_COMMENT} characters.`);
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
  const orderer = ordererOf(asObject(await request.body()));
  const { id } = chart(view, request);
  await view.rebaseChart(id, orderer);
  return ok(chart(view, request));
}

async function exclude(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const body = asObject(await request.body());
  const orderer = ordererOf(body);
  const { points } = body;
  const isList = Array.isArray(points) && points.length > 0 && points.length <= 500;
  if (!isList || !points.every((point) => Number.isSafeInteger(point) && point > 0))
    throw new Refused(
      400,
      'the body names no points',
      'Send {"points":[4,17],"by":"…"} with their numbers on the chart.',
    );
  const { id } = chart(view, request);
  await view.excludePoints(id, points as number[], orderer);
  return ok(chart(view, request));
}

async function maintenanceDone(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const orderer = ordererOf(asObject(await request.body()));
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
