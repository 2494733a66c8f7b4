/** The route that reads registers no tag names, through the channel that already polls the line. */
import { type Answer, ok, Refused, type Route, type RouteRequest } from './answer.ts';
import type { BodyShape } from './description/shape.ts';
import type { GatewayView } from './view.ts';

const TABLES = ['coil', 'discrete', 'input', 'holding'] as const;

/** Most registers and bits of one request (MODBUS Application Protocol V1.1b3, 6.1 and 6.3). */
const MOST = { coil: 2000, discrete: 2000, input: 125, holding: 125 };

const BLOCK = {
  type: 'object',
  required: ['channel', 'unit', 'table', 'start', 'count'],
  properties: {
    channel: { type: 'string' },
    unit: { type: 'integer', minimum: 0, maximum: 255 },
    table: { enum: TABLES },
    start: { type: 'integer', minimum: 0, maximum: 65_535, description: 'protocol address, from 0' },
    count: { type: 'integer', minimum: 1, maximum: 2000, description: 'at most 125 registers or 2000 bits' },
  },
  examples: [{ channel: 'line-a', unit: 1, table: 'holding', start: 0, count: 10 }],
} as const satisfies BodyShape;

/** Reading what no tag names may reset counters in odd devices and takes time of the line: only for who may change. */
export const PROBE_ROUTE: Route = {
  method: 'post',
  path: '/api/v1/probe',
  summary: 'Reads registers or bits of a unit as they are, with one request between those of the channel.',
  requestBody: BLOCK,
  changes: true,
  answers: 'probe',
  answer: probe,
};

async function probe(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const { channel, unit, table, start, count } = await request.body(BLOCK);
  const most = Math.min(MOST[table], 65_536 - start);
  if (count > most)
    throw new Refused(400, `"count" in the body is too large for ${table}:${start}`, `Ask for at most ${most}.`);
  return ok(await view.probe(channel, { unit, table, start, count }, request.signal));
}
