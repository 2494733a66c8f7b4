/** The commands `oee` and `reason`: what machines made of their time, and why they stood. */
import type { ProductionQuery } from '../../api/production-view.ts';
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import type { ProductionReport } from '../../core/production/production.ts';
import { operator } from '../alarms.ts';
import { findGateway } from '../client.ts';
import { type CliContext, type CommonOptions, print } from '../terminal/context.ts';
import { durationOption } from '../terminal/duration.ts';
import { formatTime, plain } from '../terminal/format.ts';
import { saveFile } from '../terminal/save.ts';
import { reportCsv, reportPage } from './oee-page.ts';
import { openOee } from './oee-source.ts';
import { comparisonLines, listLines, reportLines } from './oee-text.ts';

/** Options of `oee`. */
interface OeeOptions extends CommonOptions {
  readonly shift?: string;
  readonly date?: string;
  readonly since?: string;
  readonly month?: string;
  readonly against?: string;
  readonly report?: string;
}

/** `oee [NAME]`: the report of the shift that runs, or else of the last one; of another shift, of a span, of a month. */
export async function oee(name: string | undefined, options: OeeOptions, context: CliContext): Promise<ExitCode> {
  const format = options.report === undefined ? undefined : formatOf(options.report);
  checkOptions(name, options);
  const source = await openOee(options, context);
  try {
    if (name === undefined) return listAll(await source.all(), options, context);
    const report = await source.report(name, queryOf(options, context));
    if (format !== undefined) {
      const text = format === 'csv' ? reportCsv(report) : reportPage(report, context);
      return write(options.report!, text, report, context);
    }
    if (options.against !== undefined) {
      const against = await source.report(name, { by: 'month', month: options.against });
      const comparison = await source.compare(name, options.month!, options.against);
      if (options.json) writeJson(context, { report, against, comparison });
      else print(context, comparisonLines(comparison, options.month!, options.against, context));
      return EXIT.ok;
    }
    if (options.json) writeJson(context, report);
    else print(context, reportLines(report, context));
    return EXIT.ok;
  } finally {
    await source.close();
  }
}

function listAll(machines: readonly ProductionReport[], options: OeeOptions, context: CliContext): ExitCode {
  if (options.json) writeJson(context, machines);
  else if (machines.length === 0)
    print(context, ['No production is counted. Define machines under production: in the configuration.']);
  else print(context, listLines(machines, context));
  return EXIT.ok;
}

/** On one line, the same bytes as in the API and in events. */
function writeJson(context: CliContext, document: unknown): void {
  context.stdout.write(`${JSON.stringify(document)}\n`);
}

function checkOptions(name: string | undefined, options: OeeOptions): void {
  const { shift, date, since, month, against, report } = options;
  const usage = (what: string, remedy: string) => new Fault(what, remedy, EXIT.usage);
  const spans = [shift, since, month].filter((each) => each !== undefined);
  if (spans.length > 1) throw usage('--shift, --since and --month ask for different spans', 'Give one of them.');
  if (date !== undefined && shift === undefined) throw usage('--date needs --shift', 'Write --shift NAME --date DAY.');
  if (against !== undefined && month === undefined)
    throw usage('--against needs --month', 'Write for example --month 2026-11 --against 2026-10.');
  for (const [option, text] of Object.entries({ month, against }))
    if (text !== undefined && !/^\d{4}-(?:0[1-9]|1[0-2])$/.test(text))
      throw usage(`--${option} ${text} is no month`, 'Write a month such as 2026-11.');
  if (date !== undefined && (!/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(Date.parse(date))))
    throw usage(`--date ${date} is no day`, 'Write a day such as 2026-11-30.');
  if (name === undefined && (spans.length > 0 || report !== undefined))
    throw usage(
      'the machine is missing',
      'Write millgate oee NAME with these options; millgate oee lists the machines.',
    );
}

function queryOf({ shift, date, since, month }: OeeOptions, context: CliContext): ProductionQuery {
  if (month !== undefined) return { by: 'month', month };
  const nowMs = context.clock.wallMs();
  if (since !== undefined) {
    const fromMs = Math.max(0, Math.floor(nowMs - durationOption('since', since)));
    return { by: 'span', fromMs, toMs: nowMs + 1 };
  }
  if (shift === undefined) return { by: 'now' };
  return { by: 'shift', shift, date: date ?? formatTime(nowMs, context).slice(0, 10) };
}

function formatOf(file: string): 'html' | 'csv' {
  if (/\.html?$/i.test(file)) return 'html';
  if (/\.csv$/i.test(file)) return 'csv';
  const isPdf = /\.pdf$/i.test(file);
  throw new Fault(
    isPdf ? 'a PDF is made by the browser' : `${file}: the ending says what is written, and this one is not known`,
    isPdf
      ? 'Write --report FILE.html, open it, and print it to a PDF: it is one A4 page.'
      : 'Write FILE.html or FILE.csv.',
    EXIT.usage,
  );
}

function write(name: string, text: string, report: ProductionReport, context: CliContext): ExitCode {
  saveFile(name, text, context);
  print(context, [
    `${name}: ${plain(report.machine)}, ${formatTime(report.from, context)} to ${formatTime(report.to, context)}`,
  ]);
  return EXIT.ok;
}

/** Options of `reason`. */
interface ReasonOptions extends CommonOptions {
  readonly stop?: string;
  readonly from?: string;
  readonly join?: string;
  readonly comment?: string;
}

/** `reason MACHINE CODE`: why a machine stands, or stood. */
export async function reason(
  machine: string,
  code: string,
  options: ReasonOptions,
  context: CliContext,
): Promise<ExitCode> {
  const fromMs = options.from === undefined ? undefined : Date.parse(options.from);
  if (Number.isNaN(fromMs))
    throw new Fault(
      `--from ${options.from} is no time`,
      'Write ISO 8601 with a zone: 2026-11-30T10:15:00Z.',
      EXIT.usage,
    );
  const body = {
    code,
    by: operator(context),
    stop: numberOf('stop', options.stop),
    from: fromMs,
    join: numberOf('join', options.join),
    comment: options.comment,
  };
  const gateway = await findGateway(options, context);
  const report = await gateway.post<ProductionReport>(`/api/v1/production/${encodeURIComponent(machine)}/reason`, body);
  if (options.json) writeJson(context, report);
  else print(context, [`${plain(machine)}: the reason is on record. millgate oee ${plain(machine)} shows its stops.`]);
  return EXIT.ok;
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new Fault(`--${name} ${text} is no number of a stop`, 'millgate oee MACHINE lists the stops.', EXIT.usage);
}
