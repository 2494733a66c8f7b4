/** Routes of parts, lots, corrections of records, and stocks. */
import { type Answer, integer, ok, Refused, type Route, type RouteRequest } from './answer.ts';
import { ORDERER } from './description/orderer.ts';
import type { BodyShape } from './description/shape.ts';
import type { GatewayView } from './view.ts';

/** Longest serial number and code that can be asked for, characters. */
const MOST_CODE = 128;

const CORRECTION = {
  type: 'object',
  required: ['record', 'member', 'to', 'by', 'comment'],
  properties: {
    record: { type: 'integer', minimum: 0, description: 'its number in the chain, that of GET /api/v1/parts' },
    member: { enum: ['serial', 'result', 'job'] },
    to: { type: 'string', maxLength: MOST_CODE, description: 'what is right; empty: nothing' },
    by: ORDERER.by,
    comment: { type: 'string', minLength: 1, maxLength: 500, description: 'why' },
  },
  examples: [{ record: 812, member: 'serial', to: 'A-4711', by: 'ann', comment: 'label was damaged' }],
} as const satisfies BodyShape;

const COUNTED = {
  type: 'object',
  required: ['code', 'level', 'by'],
  properties: {
    code: { type: 'string', minLength: 1, maxLength: MOST_CODE, description: 'that of the article in the file' },
    level: { type: 'integer', minimum: 0, maximum: 1_000_000_000, description: 'what was counted' },
    ...ORDERER,
  },
  examples: [{ code: '4006381333931', level: 120, by: 'ann' }],
} as const satisfies BodyShape;

/** Routes of parts, lots and stocks. */
export const TRACE_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/api/v1/parts',
    summary: 'Records of parts with their corrections, oldest first; at most the last 1000.',
    query: { serial: 'only of this serial number', from: 'UTC ms, included; all that are stored unless given' },
    answers: 'parts',
    answer: async (view, request) => {
      const serial = request.query('serial');
      const fromMs = integer(request, 'from', 0, Number.MAX_SAFE_INTEGER) ?? 0;
      return ok({ parts: await view.parts({ serial, fromMs }) });
    },
  },
  {
    method: 'get',
    path: '/api/v1/lots',
    summary: 'Which lot ran on which machine, its parts, and what was out of its limits meanwhile, oldest first.',
    query: { lot: 'only this one', from: 'UTC ms, included; the last 30 days unless given' },
    answers: 'lots',
    answer: async (view, request) => {
      const fromMs = integer(request, 'from', 0, Number.MAX_SAFE_INTEGER);
      return ok({ lots: await view.lots({ lot: request.query('lot'), fromMs }) });
    },
  },
  {
    method: 'post',
    path: '/api/v1/quality/corrections',
    summary: 'Puts the record of a part right by a new record, which names the value before, who, and why.',
    requestBody: CORRECTION,
    changes: true,
    answers: 'correction',
    answer: correct,
  },
  {
    method: 'get',
    path: '/api/v1/inventory',
    summary: 'The levels of every stock.',
    answers: 'inventory',
    answer: (view) => ok({ inventory: view.inventory() }),
  },
  {
    method: 'post',
    path: '/api/v1/inventory/{name}/set',
    summary: 'Sets the level of an article to what was counted, audited with the level before.',
    requestBody: COUNTED,
    changes: true,
    answers: 'stock',
    answer: setStock,
  },
];

async function correct(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const { to, ...order } = await request.body(CORRECTION);
  await view.correct({ ...order, to: to === '' ? null : to });
  return ok({ record: order.record });
}

async function setStock(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const { code, level, by, comment } = await request.body(COUNTED);
  const name = request.params.name!;
  const stockNow = () => view.inventory().find(({ inventory }) => inventory === name);
  if (!stockNow())
    throw new Refused(404, `no stock ${JSON.stringify(name.slice(0, 130))}`, 'GET /api/v1/inventory lists them.');
  await view.setStock(name, { code, level, by, comment });
  return ok(stockNow());
}
