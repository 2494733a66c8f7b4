/** The command `export`: writes stored readings as CSV or JSON lines. */
import { type JsonReadings, type JsonTag, jsonReadings } from '../api/json.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import { findGateway } from './client.ts';
import { loadOrFail } from './configuration.ts';
import { selectTags } from './select.ts';
import { openStopped } from './stopped.ts';
import { type CliContext, type CommonOptions, print } from './terminal/context.ts';
import { durationOption } from './terminal/duration.ts';

/** Records of one page: few, so that the gateway goes on polling between them. */
const PAGE = 200;

/** Options of `export`. */
interface ExportOptions extends CommonOptions {
  readonly since: string;
  readonly format: 'csv' | 'jsonl';
}

/** Stored readings, page after page, and the tags there are. */
interface Source {
  readonly tags: readonly string[];
  page(fromMs: number, toMs: number, before: JsonReadings | undefined): Promise<JsonReadings>;
  close(): Promise<void>;
}

/**
 * `export [TAG…]`: stored readings of all tags, in the order they were stored. The CSV has the columns that `backtest
 * --csv` reads; the JSON lines have the number of the record and the reason of each reading besides. Through the gateway
 * if it runs, else out of its store; neither is held up, since it comes in small pages.
 */
export async function exportReadings(
  patterns: readonly string[],
  options: ExportOptions,
  context: CliContext,
): Promise<ExitCode> {
  const sinceMs = durationOption('since', options.since);
  const source = await openSource(options, context);
  try {
    const wanted = patterns.length > 0 ? new Set(selectTags(patterns, source.tags)) : undefined;
    const toMs = context.clock.wallMs() + 1;
    const isCsv = options.format === 'csv' && !options.json;
    if (isCsv) print(context, ['t,tag,value,quality']);
    let page: JsonReadings | undefined;
    do {
      page = await source.page(Math.max(0, Math.floor(toMs - sinceMs)), toMs, page);
      const readings = page.readings.filter(({ tag }) => !wanted || wanted.has(tag));
      print(
        context,
        readings.map((reading) => (isCsv ? csvLine(reading) : JSON.stringify(reading))),
      );
    } while (page.after !== undefined && !context.signal.aborted);
    return EXIT.ok;
  } finally {
    await source.close();
  }
}

async function openSource(options: CommonOptions, context: CliContext): Promise<Source> {
  try {
    const gateway = await findGateway(options, context);
    const tags = (await gateway.get<JsonTag[]>('/api/v1/tags')).map(({ tag }) => tag);
    return {
      tags,
      page(fromMs, toMs, before) {
        const after = before ? `&after=${before.after}&until=${before.until}` : '';
        return gateway.get(`/api/v1/readings?from=${fromMs}&to=${toMs}&limit=${PAGE}${after}`);
      },
      close: async () => {},
    };
  } catch (error) {
    if (!(error instanceof Fault && error.exitCode === EXIT.unavailable)) throw error;
  }
  const config = await loadOrFail(options, context);
  const store = await openStopped(config, context);
  const { recordPage } = await import('../store/read/history.ts');
  return {
    tags: config.channels.flatMap(({ devices }) => devices.flatMap(({ tags }) => tags.map(({ tag }) => tag.id))),
    async page(fromMs, toMs, before) {
      const after = before && { seq: before.after!, until: before.until! };
      return jsonReadings(await recordPage(store, { fromMs, toMs, limit: PAGE, ...(after && { after }) }));
    },
    close: () => store.close(),
  };
}

function csvLine({ t, tag, value, quality }: JsonReadings['readings'][number]): string {
  return [new Date(t).toISOString(), tag, value === undefined ? '' : csvText(String(value)), quality].join();
}

/** RFC 4180: quoted where it has to be. */
function csvText(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
