/** The list of all routes, and what those answer that belong to no group of their own. */
import { parseDuration } from '../core/quantity.ts';
import { type TagId, valueOfJson } from '../core/reading.ts';
import { type Answer, integer, ok, Refused, type Route, type RouteRequest, refusal } from './answer.ts';
import { CHART_ROUTE } from './chart/chart-route.ts';
import { CONFIGURATION_ROUTES } from './configuration-routes.ts';
import { ORDERER } from './description/orderer.ts';
import type { BodyShape } from './description/shape.ts';
import { jsonHistory, jsonReading, jsonReadings, jsonRollups, jsonTag, jsonValue } from './json.ts';
import { knownTags } from './known-tags.ts';
import { metricsText } from './metrics.ts';
import { PROBE_ROUTE } from './probe-route.ts';
import { PRODUCTION_ROUTES, reportsNow } from './production-routes.ts';
import { RULE_ROUTES } from './rule-routes.ts';
import { TOKEN_ROUTES } from './tokens/token-routes.ts';
import { TRACE_ROUTES } from './trace-routes.ts';
import { UPLINK_ROUTES } from './uplink-routes.ts';
import type { GatewayView } from './view.ts';

/** Most readings of one page of history. */
const MAX_HISTORY = 10_000;

/** Records of one page of readings: few, so that no page holds up polling. */
const MAX_RECORDS = 1000;
const DEFAULT_RECORDS = 200;

/** Most tags of one `POST /api/v1/read`. */
const MAX_READ_TAGS = 1000;

/** Without `from`, history goes back this far, ms. */
const DEFAULT_HISTORY_MS = 3_600_000;

const READ = {
  type: 'object',
  required: ['tags'],
  properties: { tags: { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: MAX_READ_TAGS } },
  examples: [{ tags: ['press-1/oil-temp'] }],
} as const satisfies BodyShape;

const WRITE = {
  type: 'object',
  required: ['tag', 'value'],
  properties: {
    tag: { type: 'string' },
    value: {
      type: ['number', 'boolean', 'string'],
      description: 'In engineering units; integers beyond 2⁵³ as decimal strings.',
    },
    by: ORDERER.by,
  },
  examples: [{ tag: 'press-1/setpoint', value: 75, by: 'ann' }],
} as const satisfies BodyShape;

/** Every route there is. */
export const ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/healthz',
    summary: 'The process answers.',
    open: true,
    answers: 'fine',
    answer: () => ok({ ok: true }),
  },
  {
    method: 'get',
    path: '/readyz',
    summary: 'The gateway polls and stores.',
    open: true,
    answers: 'fine',
    answer: ready,
  },
  {
    method: 'get',
    path: '/metrics',
    summary: 'Metrics for Prometheus.',
    open: true,
    answer: async (view) => ({
      status: 200,
      body: metricsText(await view.status(), {
        production: await reportsNow(view),
        maintenance: view.maintenance(),
        inventory: view.inventory(),
        parts: view.partCounts(),
      }),
      textType: 'text/plain; version=0.0.4; charset=utf-8',
    }),
  },
  {
    method: 'get',
    path: '/api/v1/status',
    summary: 'Everything at a glance: gateway, channels, devices, store, uplinks.',
    answers: 'status',
    answer: async (view) => ok(await view.status()),
  },
  {
    method: 'get',
    path: '/api/v1/tags',
    summary: 'Every tag with its last reading.',
    answers: 'tags',
    answer: (view) => ok(view.tags().map(jsonTag)),
  },
  {
    method: 'get',
    path: '/api/v1/tags/{device}/{tag}/history',
    summary: 'Stored readings of a tag, oldest first, page by page; with `every`, minimum, maximum, mean and counts.',
    query: {
      from: 'UTC ms, included; an hour ago unless given',
      to: 'UTC ms, not included; now unless given',
      limit: `readings a page, 1 to ${MAX_HISTORY}; 1000 unless given`,
      after: 'the `next` of the page before',
      every: 'whole minutes, such as 1m, 15m or 1h: one point each; then `next` is the `from` of the next page',
    },
    answers: 'history',
    answer: history,
  },
  CHART_ROUTE,
  {
    method: 'get',
    path: '/api/v1/readings',
    summary: 'Stored readings of all tags, in the order of their numbers, page by page.',
    query: {
      from: 'UTC ms, included; an hour ago unless given',
      to: 'UTC ms, not included; now unless given',
      limit: `records looked at for a page, 1 to ${MAX_RECORDS}; ${DEFAULT_RECORDS} unless given`,
      after: 'the `after` of the page before',
      until: 'the `until` of the page before',
    },
    answers: 'readings',
    answer: readings,
  },
  {
    method: 'get',
    path: '/api/v1/channels',
    summary: 'Channels with their devices.',
    answers: 'channels',
    answer: async (view) => ok((await view.status()).channels),
  },
  ...UPLINK_ROUTES,
  {
    method: 'get',
    path: '/api/v1/store',
    summary: 'Size, numbers and losses of the store.',
    answers: 'store',
    answer: async (view) => ok((await view.status()).store),
  },
  {
    method: 'get',
    path: '/api/v1/store/ledger',
    summary: 'Every range that was given up, in the order of the ids, page by page.',
    query: { after: 'the `id` of the last entry before; from the first unless given' },
    answers: 'ledger',
    answer: async (view, request) => ok(await view.ledger(integer(request, 'after', 0, Number.MAX_SAFE_INTEGER) ?? 0)),
  },
  {
    method: 'get',
    path: '/api/v1/stream',
    summary: 'Readings as they are made, as server-sent events: one `snapshot`, then `readings`; docs/api.md.',
    query: {
      tag: 'DEVICE/TAG; may be repeated; all tags unless given',
      pace: 'only the last reading of each tag, this often, 100 to 10000 ms; every reading unless given',
      page: '1: also `status`, `alarms` and `event`, the journal, which goes on behind the header Last-Event-ID',
    },
  },
  {
    method: 'get',
    path: '/api/v1/record',
    summary: 'Bus traffic as it happens, one JSON object a line (docs/recording.md); over the Unix socket only.',
    query: { channel: 'name of a channel; may be repeated; all that can be recorded unless given' },
  },
  {
    method: 'post',
    path: '/api/v1/read',
    summary: 'Reads tags now, through the channel that polls them.',
    requestBody: READ,
    answers: 'read',
    answer: read,
  },
  {
    method: 'post',
    path: '/api/v1/write',
    summary: 'Writes a tag within the limits of the configuration, and reads it back.',
    requestBody: WRITE,
    answers: 'write',
    changes: true,
    answer: write,
  },
  PROBE_ROUTE,
  ...RULE_ROUTES,
  ...PRODUCTION_ROUTES,
  ...TRACE_ROUTES,
  ...CONFIGURATION_ROUTES,
  ...TOKEN_ROUTES,
  { method: 'get', path: '/api/v1/openapi.json', summary: 'This description.' },
];

async function ready(view: GatewayView): Promise<Answer> {
  const { store, channels } = await view.status();
  if (store.trouble !== undefined) return refusal(503, 'the store does not commit', store.trouble);
  if (channels.length > 0 && channels.every(({ state }) => state === 'stopped'))
    return refusal(503, 'every channel is stopped', 'The log says why; millgate status shows each channel.');
  return ok({ ok: true });
}

async function history(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const [tag] = knownTags(view, [`${request.params.device}/${request.params.tag}`]);
  const { fromMs, toMs } = timesOf(request);
  const every = request.query('every');
  if (every !== undefined) return rollups(view, request, { tag: tag!, fromMs, toMs }, every);
  const afterSeq = integer(request, 'after', 0, Number.MAX_SAFE_INTEGER);
  const limit = integer(request, 'limit', 1, MAX_HISTORY) ?? 1000;
  const page = await view.history({ tag: tag!, fromMs, toMs, limit, ...(afterSeq !== undefined && { afterSeq }) });
  return ok(jsonHistory(tag!, page));
}

async function readings(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const { fromMs, toMs } = timesOf(request);
  const limit = integer(request, 'limit', 1, MAX_RECORDS) ?? DEFAULT_RECORDS;
  const seq = integer(request, 'after', 0, Number.MAX_SAFE_INTEGER);
  const until = integer(request, 'until', 0, Number.MAX_SAFE_INTEGER);
  if ((seq === undefined) !== (until === undefined))
    throw new Refused(400, 'after and until belong together', 'Give both as the page before said, or neither.');
  const after = seq !== undefined && until !== undefined ? { seq, until } : undefined;
  return ok(jsonReadings(await view.records({ fromMs, toMs, limit, ...(after && { after }) })));
}

/** The times asked for; the last hour unless said otherwise. */
function timesOf(request: RouteRequest): { readonly fromMs: number; readonly toMs: number } {
  const toMs = integer(request, 'to', 0, Number.MAX_SAFE_INTEGER) ?? request.nowMs + 1;
  const fromMs = integer(request, 'from', 0, Number.MAX_SAFE_INTEGER) ?? Math.max(0, toMs - DEFAULT_HISTORY_MS);
  return { fromMs, toMs };
}

async function rollups(
  view: GatewayView,
  request: RouteRequest,
  range: { readonly tag: TagId; readonly fromMs: number; readonly toMs: number },
  every: string,
): Promise<Answer> {
  const everyMs = parseDuration(every);
  if (everyMs === undefined || everyMs < 60_000 || everyMs % 60_000 !== 0)
    throw new Refused(400, `every=${every.slice(0, 40)} is not allowed`, 'Give whole minutes, such as 1m, 15m or 1h.');
  const limit = integer(request, 'limit', 1, MAX_HISTORY) ?? MAX_HISTORY;
  return ok(jsonRollups(range.tag, everyMs, await view.rollups({ ...range, everyMs, limit })));
}

async function read(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const { tags } = await request.body(READ);
  const readings = await view.readNow(knownTags(view, tags), request.signal);
  return ok(readings.map(jsonReading));
}

async function write(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const { tag, value, by } = await request.body(WRITE);
  knownTags(view, [tag]);
  const result = await view.write(tag, valueOfJson(value), request.signal, by);
  return ok(
    result.ok ? { ...result, readBack: result.readBack === undefined ? null : jsonValue(result.readBack) } : result,
  );
}
