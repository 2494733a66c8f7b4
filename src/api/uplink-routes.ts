/** Routes that show the uplinks and order stored records to be sent again. */
import { nearest } from '../core/suggest.ts';
import { type Answer, ok, Refused, type Route, type RouteRequest } from './answer.ts';
import type { GatewayView } from './view.ts';

/** Longest name of who orders a replay, characters. */
const MAX_BY = 100;

/** Routes of the uplinks. */
export const UPLINK_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/api/v1/uplinks',
    summary: 'Uplinks and what they still have to deliver.',
    answer: async (view) => ok((await view.status()).uplinks),
  },
  {
    method: 'post',
    path: '/api/v1/uplinks/{name}/replay',
    summary: 'Sends a range of sequence numbers to an uplink again, as backfill, as far as it is stored.',
    requestBody: {
      type: 'object',
      required: ['from', 'to', 'by'],
      properties: {
        from: { type: 'integer', minimum: 1 },
        to: { type: 'integer', minimum: 1, description: 'included, as in gap events' },
        stream: { enum: ['readings', 'events'], default: 'readings' },
        by: { type: 'string', maxLength: MAX_BY, description: 'who orders it, for the journal' },
      },
    },
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
  const body = ((await request.body()) ?? {}) as { from?: unknown; to?: unknown; stream?: unknown; by?: unknown };
  const { from, to, stream = 'readings', by } = body;
  if (!isNumber(from) || !isNumber(to) || from > to)
    throw new Refused(
      400,
      'the body names no range',
      'Send {"from":N,"to":N,"by":"NAME"}: sequence numbers, both included.',
    );
  if (stream !== 'readings' && stream !== 'events')
    throw new Refused(
      400,
      'there is no such stream',
      'Send "stream":"readings" or "stream":"events", or leave it out.',
    );
  if (typeof by !== 'string' || by.length === 0 || by.length > MAX_BY)
    throw new Refused(400, 'the body does not say who orders it', 'Send {"by":"NAME", …}.');
  return ok(await view.replay(name, { stream, from, to: to + 1 }, by));
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) < Number.MAX_SAFE_INTEGER;
}
