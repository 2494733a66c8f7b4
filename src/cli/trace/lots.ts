/** The command `lots`: which lot ran on which machine, and what was out of its limits meanwhile. */
import type { JsonRollups } from '../../api/json.ts';
import { cellOf } from '../../backtest/csv.ts';
import type { Config } from '../../config/config.ts';
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { lotMachinesOf } from '../../gateway/tracing.ts';
import { LOT_COLUMNS, type LotRun, lotRows, lotsIn } from '../../trace/genealogy.ts';
import type { Past } from '../../trace/out-of-limits.ts';
import { loadOrFail } from '../configuration.ts';
import { openStored, type Stored } from '../stored.ts';
import { type CliContext, type CommonOptions, print, printJson, tableWidth, warn } from '../terminal/context.ts';
import { sinceOption } from '../terminal/duration.ts';
import { formatTime, plain } from '../terminal/format.ts';
import { saveFile } from '../terminal/save.ts';
import { type Column, renderTable } from '../terminal/table.ts';
import { journalSince } from './journal.ts';

/** Options of `lots`. */
interface LotsOptions extends CommonOptions {
  readonly since: string;
  readonly export?: string;
}

const COLUMNS: readonly Column[] = [
  { title: 'LOT', cut: 'end', minWidth: 12 },
  { title: 'MACHINE' },
  { title: 'FROM' },
  { title: 'TO', drop: 1 },
  { title: 'PASS', align: 'right', drop: 3 },
  { title: 'FAIL', align: 'right', drop: 2 },
  { title: 'OUT OF LIMITS', align: 'right' },
];

/** `lots [LOT]`: a line for each run; of one lot also everything that was out of its limits, and a file for a customer. */
export async function lots(lot: string | undefined, options: LotsOptions, context: CliContext): Promise<ExitCode> {
  const isKnown = options.export === undefined || /\.(?:csv|json)$/i.test(options.export);
  if (!isKnown) throw new Fault('--export is a file .csv or .json', 'Write --export lot.csv.', EXIT.usage);
  const fromMs = sinceOption(options.since, context);
  const config = await loadOrFail(options, context);
  const found = await runsSince(fromMs, lot, config, options, context);
  if (options.export !== undefined) {
    const times = { made: Math.round(context.clock.wallMs()), since: Math.round(fromMs) };
    saveFile(options.export, fileText(options.export, { gateway: config.gateway.id, ...times }, found), context);
  }
  if (options.json) printJson(context, found);
  else if (found.length === 0) warn(context, ['No such lot ran in this time. Look further back: --since 90d']);
  else print(context, [...runLines(found, context), ...(lot === undefined ? [] : findingLines(found, context))]);
  if (options.export !== undefined) warn(context, [`millgate: ${options.export}: written.`]);
  return lot !== undefined && found.length === 0 ? EXIT.failed : EXIT.ok;
}

async function runsSince(
  fromMs: number,
  lot: string | undefined,
  config: Config,
  options: CommonOptions,
  context: CliContext,
): Promise<readonly LotRun[]> {
  const machines = lotMachinesOf(config);
  const stored = await openStored(options, context);
  try {
    const journal = () => journalSince(stored, fromMs, context);
    return await lotsIn(journal, machines, pastOf(stored), {
      lot,
      span: { fromMs: Math.floor(fromMs), toMs: Math.ceil(context.clock.wallMs()) },
    });
  } finally {
    await stored.close();
  }
}

/** What is stored of a tag, page by page. */
function pastOf(stored: Stored): Past {
  return {
    async extremes(tag, { fromMs, toMs }, everyMs) {
      const points: JsonRollups['points'][number][] = [];
      for (let from: number | undefined = fromMs; from !== undefined; ) {
        const page: JsonRollups = await stored.rollups(tag, { fromMs: from, toMs }, everyMs);
        points.push(...page.points);
        from = page.next;
      }
      return points;
    },
    async readings(tag, span) {
      const { points } = await stored.history(tag, span, undefined);
      return points.flatMap(({ t, value }) => (typeof value === 'number' ? [{ t, value }] : []));
    },
  };
}

/** Who made a file, when, and of what time; UTC ms. */
interface About {
  readonly gateway: string;
  readonly made: number;
  readonly since: number;
}

/** CSV that no spreadsheet runs as a program, or JSON. */
function fileText(name: string, about: About, runs: readonly LotRun[]): string {
  if (/\.json$/i.test(name)) return `${JSON.stringify({ format: 'millgate/lots/1', ...about, runs }, null, 2)}\n`;
  const isNumber = /^-?\d+(?:\.\d+)?(?:e[-+]?\d+)?$/i;
  const rows = runs.flatMap(lotRows).map((cells) => cells.map((cell) => (isNumber.test(cell) ? cell : cellOf(cell))));
  return `${[LOT_COLUMNS, ...rows.map((cells) => cells.join())].join('\r\n')}\r\n`;
}

function runLines(runs: readonly LotRun[], context: CliContext): string[] {
  const rows = runs.map(({ lot, machine, from, to, parts, findings, more }) => [
    plain(lot),
    machine,
    from === null ? 'before what is stored' : formatTime(from, context),
    to === null ? 'runs' : formatTime(to, context),
    String(parts.pass),
    String(parts.fail + parts.incomplete),
    String(findings.length + more),
  ]);
  return renderTable(COLUMNS, rows, tableWidth(context), context.colors.dim);
}

function findingLines(runs: readonly LotRun[], context: CliContext): string[] {
  return runs.flatMap(({ machine, findings, more }) => [
    ...findings.map(({ t, message }) => `${formatTime(t, context)}  ${machine}  ${plain(message)}`),
    ...(more === 0 ? [] : [`${machine}: ${more} more are not listed.`]),
  ]);
}
