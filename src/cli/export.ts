/** The command `export`: writes stored readings as CSV or JSON lines. */
import type { JsonReadings } from '../api/json.ts';
import { cellOf } from '../backtest/csv.ts';
import { EXIT, type ExitCode } from '../core/errors.ts';
import { selectTags } from './select.ts';
import { openStored } from './stored.ts';
import { type CliContext, type CommonOptions, print } from './terminal/context.ts';
import { sinceOption } from './terminal/duration.ts';

/** Options of `export`. */
interface ExportOptions extends CommonOptions {
  readonly since: string;
  readonly format: 'csv' | 'jsonl';
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
  const fromMs = sinceOption(options.since, context);
  const source = await openStored(options, context);
  try {
    const wanted =
      patterns.length > 0
        ? new Set(
            selectTags(
              patterns,
              source.tags.map(({ tag }) => tag),
            ),
          )
        : undefined;
    const toMs = context.clock.wallMs() + 1;
    const isCsv = options.format === 'csv' && !options.json;
    if (isCsv) print(context, ['t,tag,value,quality']);
    let page: JsonReadings | undefined;
    do {
      page = await source.records({ fromMs, toMs }, page);
      const readings = page.readings.filter(({ tag }) => !wanted || wanted.has(tag));
      print(
        context,
        readings.map((reading) => (isCsv ? csvLine(reading) : JSON.stringify(reading))),
      );
    } while (page.after !== undefined && !context.signal.aborted);
    // What was cut short must not pass for the whole.
    return page.after === undefined ? EXIT.ok : EXIT.failed;
  } finally {
    await source.close();
  }
}

/** The reason stands in place of a quality that is not good, so that it is not lost when the file is read again. */
function csvLine({ t, tag, value, quality, why }: JsonReadings['readings'][number]): string {
  const shown = typeof value === 'string' ? cellOf(value) : String(value ?? '');
  return [new Date(t).toISOString(), tag, shown, why ?? quality].join();
}
