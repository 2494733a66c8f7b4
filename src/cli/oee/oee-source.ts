/** Where the reports of production come from: the gateway if it runs, else what it left in its store. */
import type { ProductionQuery } from '../../api/production-view.ts';
import { EXIT, Fault } from '../../core/errors.ts';
import type { ProductionComparison, ProductionReport } from '../../core/production/production.ts';
import { findGateway, type GatewayClient } from '../client.ts';
import { loadOrFail } from '../configuration.ts';
import { openStopped } from '../stopped.ts';
import { type CliContext, type CommonOptions, warn } from '../terminal/context.ts';

/** Reports of production, wherever they come from. */
interface OeeSource {
  /** Every machine, in the order of the file: the shift that runs, or else the last one. */
  all(): Promise<readonly ProductionReport[]>;
  report(name: string, query: ProductionQuery): Promise<ProductionReport>;
  compare(name: string, month: string, against: string): Promise<ProductionComparison>;
  close(): Promise<void>;
}

/** @throws Fault 69 when another process holds the store and does not answer, 78 without a valid configuration */
export async function openOee(options: CommonOptions, context: CliContext): Promise<OeeSource> {
  try {
    return throughGateway(await findGateway(options, context));
  } catch (error) {
    if (!(error instanceof Fault && error.code === EXIT.unavailable)) throw error;
  }
  return outOfStore(options, context);
}

function throughGateway(gateway: GatewayClient): OeeSource {
  const path = (name: string): string => `/api/v1/production/${encodeURIComponent(name)}`;
  return {
    async all() {
      const answer = await gateway.get<{ readonly machines: readonly ProductionReport[] }>('/api/v1/production');
      return answer.machines;
    },
    report: (name, query) => gateway.get(`${path(name)}${queryText(query)}`),
    compare: (name, month, against) => gateway.get(`${path(name)}/compare?month=${month}&against=${against}`),
    close: async () => {},
  };
}

function queryText(query: ProductionQuery): string {
  if (query.by === 'now') return '';
  if (query.by === 'month') return `?month=${query.month}`;
  if (query.by === 'span') return `?from=${query.fromMs}`;
  return `?shift=${encodeURIComponent(query.shift)}&date=${query.date}`;
}

async function outOfStore(options: CommonOptions, context: CliContext): Promise<OeeSource> {
  const config = await loadOrFail(options, context);
  const store = await openStopped(config, context);
  const { stoppedRules } = await import('../../gateway/rules.ts');
  const { production } = await stoppedRules(config, store, context.clock);
  warn(context, [
    'millgate: the gateway does not run: this is what it left in its store, and the time since has no data.',
  ]);
  return {
    all: () => Promise.all(production.machines().map((name) => production.report(name, { by: 'now' }))),
    report: (name, query) => production.report(name, query),
    compare: (name, month, against) => production.compare(name, month, against),
    close: () => store.close(),
  };
}
