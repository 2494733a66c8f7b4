/** Routes that show the uplinks and order stored records to be sent again. */
import { nearest } from '../core/suggest.ts';
import { type Answer, ok, Refused, type Route, type RouteRequest } from './answer.ts';
import { ORDERER } from './description/orderer.ts';
import type { BodyShape } from './description/shape.ts';
import type { GatewayView } from './view.ts';

const REPLAY = {
  type: 'object',
  required: ['from', 'to', 'by'],
  properties: {
    from: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER - 1 },
    to: {
      type: 'integer',
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER - 1,
      description: 'included, as in gap events',
    },
    stream: { enum: ['readings', 'events'], default: 'readings' },
    by: ORDERER.by,
  },
  examples: [{ from: 188_201, to: 188_900, by: 'ann' }],
} as const satisfies BodyShape;

/** Routes of the uplinks. */
export const UPLINK_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/api/v1/uplinks',
    summary: 'Uplinks and what they still have to deliver.',
    answers: 'uplinks',
    answer: async (view) => ok((await view.status()).uplinks),
  },
  {
    method: 'post',
    path: '/api/v1/uplinks/{name}/replay',
    summary: 'Sends a range of sequence numbers to an uplink again, as backfill, as far as it is stored.',
    requestBody: REPLAY,
    answers: 'replay',
    changes: true,
    answer: replay,
  },
];

async function replay(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const uplinks = (await view.status()).uplinks.map(({ name }) => name);
  const name = request.params.name!;
  if (!uplinks.includes(name)) {
    const near = nearest(name, uplinks);
    const remedy = near ? `Did you mean ${near}?` : 'GET /api/v1/uplinks lists the uplinks.';
    throw new Refused(404, `no uplink ${JSON.stringify(name.slice(0, 130))}`, remedy);
  }
  const { from, to, stream = 'readings', by } = await request.body(REPLAY);
  if (from > to) throw new Refused(400, '"from" in the body is behind "to"', 'Both numbers are included: from ≤ to.');
  return ok(await view.replay(name, { stream, from, to: to + 1 }, by));
}
