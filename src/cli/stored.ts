/** What is stored, for a person: asked of the gateway when it runs, else read out of its store. */
import {
  type JsonHistory,
  type JsonReadings,
  type JsonRollups,
  type JsonTag,
  jsonHistory,
  jsonReadings,
  jsonRollups,
} from '../api/json.ts';
import type { EventsPage } from '../api/rules-view.ts';
import { tagsOf } from '../config/config.ts';
import { EXIT, Fault } from '../core/errors.ts';
import { findGateway, type GatewayClient, historyPath } from './client.ts';
import { loadOrFail } from './configuration.ts';
import { openStopped } from './stopped.ts';
import type { CliContext, CommonOptions } from './terminal/context.ts';

/** Records of one page: few, so that the gateway goes on polling between them. */
const RECORDS_A_PAGE = 200;

/** Readings and events of one page. */
const POINTS_A_PAGE = 5000;
const EVENTS_A_PAGE = 1000;

/** From when, included, to when, not included, UTC ms. */
interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What is stored, page by page: each page says where the next one begins, and the last one does not. */
export interface Stored {
  readonly tags: readonly Pick<JsonTag, 'tag' | 'unit'>[];
  records(span: Span, before: JsonReadings | undefined): Promise<JsonReadings>;
  history(tag: string, span: Span, afterSeq: number | undefined): Promise<JsonHistory>;
  rollups(tag: string, span: Span, everyMs: number): Promise<JsonRollups>;
  events(from: { readonly fromMs: number } | { readonly afterSeq: number }): Promise<EventsPage>;
  close(): Promise<void>;
}

/**
 * What is stored, through the gateway if it runs, else out of its store.
 *
 * @throws Fault 69 when another process holds the store and does not answer, 78 without a valid configuration
 */
export async function openStored(options: CommonOptions, context: CliContext): Promise<Stored> {
  try {
    return await throughGateway(await findGateway(options, context));
  } catch (error) {
    if (!(error instanceof Fault && error.code === EXIT.unavailable)) throw error;
  }
  return outOfStore(options, context);
}

async function throughGateway(gateway: GatewayClient): Promise<Stored> {
  const query = (span: Span): string => `from=${span.fromMs}&to=${span.toMs}`;
  return {
    tags: await gateway.get<JsonTag[]>('/api/v1/tags'),
    records(span, before) {
      const after = before ? `&after=${before.after}&until=${before.until}` : '';
      return gateway.get(`/api/v1/readings?${query(span)}&limit=${RECORDS_A_PAGE}${after}`);
    },
    history(tag, span, afterSeq) {
      const after = afterSeq === undefined ? '' : `&after=${afterSeq}`;
      return gateway.get(`${historyPath(tag)}?${query(span)}&limit=${POINTS_A_PAGE}${after}`);
    },
    rollups: (tag, span, everyMs) => gateway.get(`${historyPath(tag)}?${query(span)}&every=${everyMs / 60_000}m`),
    events(from) {
      const where = 'fromMs' in from ? `from=${from.fromMs}` : `after=${from.afterSeq}`;
      return gateway.get(`/api/v1/events?${where}&limit=${EVENTS_A_PAGE}`);
    },
    close: async () => {},
  };
}

async function outOfStore(options: CommonOptions, context: CliContext): Promise<Stored> {
  const config = await loadOrFail(options, context);
  const store = await openStopped(config, context);
  const [{ recordPage }, { eventsPage }] = await Promise.all([
    import('../store/read/history.ts'),
    import('../gateway/rules.ts'),
  ]);
  const sender = { gateway: config.gateway.id, config: config.hash };
  return {
    tags: tagsOf(config).map(({ tag, unit }) => ({ tag: tag.id, ...(unit !== undefined && { unit }) })),
    async records(span, before) {
      const after = before && { seq: before.after!, until: before.until! };
      return jsonReadings(await recordPage(store, { ...span, limit: RECORDS_A_PAGE, ...(after && { after }) }));
    },
    async history(tag, span, afterSeq) {
      const after = afterSeq === undefined ? {} : { afterSeq };
      return jsonHistory(tag, await store.history({ tag, ...span, limit: POINTS_A_PAGE, ...after }));
    },
    rollups: async (tag, span, everyMs) =>
      jsonRollups(tag, everyMs, await store.rollups({ tag, ...span, everyMs, limit: POINTS_A_PAGE })),
    events: (from) =>
      eventsPage(store, sender, { fromMs: undefined, afterSeq: undefined, ...from, limit: EVENTS_A_PAGE }),
    close: () => store.close(),
  };
}
