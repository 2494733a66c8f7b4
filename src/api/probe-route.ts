/** The route that reads registers no tag names, through the channel that already polls the line. */
import { type Answer, ok, Refused, type Route, type RouteRequest } from './answer.ts';
import type { GatewayView, ProbedBlock } from './view.ts';

const TABLES = ['coil', 'discrete', 'input', 'holding'] as const;

/** Most registers and bits of one request (MODBUS Application Protocol V1.1b3, 6.1 and 6.3). */
const MOST = { coil: 2000, discrete: 2000, input: 125, holding: 125 };

/** Reading what no tag names may reset counters in odd devices and takes time of the line: only for who may change. */
export const PROBE_ROUTE: Route = {
  method: 'post',
  path: '/api/v1/probe',
  summary: 'Reads registers or bits of a unit as they are, with one request between those of the channel.',
  requestBody: {
    type: 'object',
    required: ['channel', 'unit', 'table', 'start', 'count'],
    properties: {
      channel: { type: 'string' },
      unit: { type: 'integer', minimum: 0, maximum: 255 },
      table: { enum: TABLES },
      start: { type: 'integer', minimum: 0, maximum: 65_535, description: 'protocol address, from 0' },
      count: { type: 'integer', minimum: 1, maximum: 2000, description: 'at most 125 registers or 2000 bits' },
    },
  },
  changes: true,
  answer: probe,
};

async function probe(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const body = (await request.body()) as Record<string, unknown> | null;
  const { channel, ...rest } = body ?? {};
  const block = blockOf(rest);
  if (typeof channel !== 'string' || !block)
    throw new Refused(
      400,
      'the body names no block',
      'Send {"channel":"NAME","unit":1,"table":"holding","start":0,"count":10}; at most 125 registers or 2000 bits.',
    );
  return ok(await view.probe(channel, block, request.signal));
}

function blockOf({ unit, table: word, start, count }: Record<string, unknown>): ProbedBlock | undefined {
  const table = TABLES.find((known) => known === word);
  if (!table || !isWhole(unit, 0, 255) || !isWhole(start, 0, 65_535)) return undefined;
  if (!isWhole(count, 1, Math.min(MOST[table], 65_536 - start))) return undefined;
  return { unit, table, start, count };
}

function isWhole(value: unknown, low: number, high: number): value is number {
  return Number.isInteger(value) && (value as number) >= low && (value as number) <= high;
}
