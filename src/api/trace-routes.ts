/** Routes of parts, corrections of their records, and stocks. */
import { type Answer, asObject, integer, ok, Refused, type Route, type RouteRequest } from './answer.ts';
import { ORDERER, ordererOf } from './rule-routes.ts';
import type { GatewayView } from './view.ts';

/** Longest serial number and code that can be asked for, characters. */
const MOST_CODE = 128;

/** Routes of parts and stocks. */
export const TRACE_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/api/v1/parts',
    summary: 'Records of parts with their corrections, oldest first; at most the last 1000.',
    query: { serial: 'only of this serial number', from: 'UTC ms, included; all that are stored unless given' },
    answer: async (view, request) => {
      const serial = request.query('serial');
      const fromMs = integer(request, 'from', 0, Number.MAX_SAFE_INTEGER) ?? 0;
      return ok({ parts: await view.parts({ serial, fromMs }) });
    },
  },
  {
    method: 'post',
    path: '/api/v1/quality/corrections',
    summary: 'Puts the record of a part right by a new record, which names the value before, who, and why.',
    requestBody: {
      type: 'object',
      required: ['record', 'member', 'to', 'by', 'comment'],
      properties: {
        record: { type: 'integer', minimum: 0, description: 'its number in the chain' },
        member: { type: 'string', enum: ['serial', 'result', 'job'] },
        to: { type: ['string', 'null'], maxLength: MOST_CODE },
        ...ORDERER,
      },
    },
    changes: true,
    answer: correct,
  },
  {
    method: 'get',
    path: '/api/v1/inventory',
    summary: 'The levels of every stock.',
    answer: (view) => ok({ inventory: view.inventory() }),
  },
  {
    method: 'post',
    path: '/api/v1/inventory/{name}/set',
    summary: 'Sets the level of an article to what was counted, audited with the level before.',
    requestBody: {
      type: 'object',
      required: ['code', 'level', 'by'],
      properties: {
        code: { type: 'string', maxLength: MOST_CODE },
        level: { type: 'integer', minimum: 0, maximum: 1e9 },
        ...ORDERER,
      },
    },
    changes: true,
    answer: setStock,
  },
];

async function correct(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const body = asObject(await request.body());
  const { by, comment } = ordererOf(body);
  const { record, member, to } = body;
  if (!Number.isSafeInteger(record) || (record as number) < 0)
    throw new Refused(
      400,
      'the body names no record',
      'Send {"record":N, …} with the number that GET /api/v1/parts gives.',
    );
  if (comment === undefined || comment.trim() === '')
    throw new Refused(
      400,
      'the body does not say why',
      'Send {"comment":"…", …}: a correction is never without its reason.',
    );
  const isText = typeof to === 'string' && to.length <= MOST_CODE;
  if (typeof member !== 'string' || (to !== null && !isText))
    throw new Refused(400, 'the body does not say what is right', 'Send {"member":"serial","to":"A-4711", …}.');
  await view.correct({
    record: record as number,
    member: member.slice(0, MOST_CODE),
    to: to as string | null,
    by,
    comment,
  });
  return ok({ record });
}

async function setStock(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const body = asObject(await request.body());
  const orderer = ordererOf(body);
  const name = request.params.name!;
  const { code, level } = body;
  const stock = view.inventory().find(({ inventory }) => inventory === name);
  if (!stock)
    throw new Refused(404, `no stock ${JSON.stringify(name.slice(0, 130))}`, 'GET /api/v1/inventory lists them.');
  if (typeof code !== 'string' || code.length > MOST_CODE)
    throw new Refused(400, 'the body names no article', 'Send {"code":"4006381333931", …}.');
  if (!Number.isSafeInteger(level) || (level as number) < 0 || (level as number) > 1e9)
    throw new Refused(400, 'the body gives no level', 'Send {"level":120, …}: what was counted.');
  await view.setStock(name, { code, level: level as number, ...orderer });
  return ok(view.inventory().find(({ inventory }) => inventory === name));
}
