/** The command `lots`: which lot ran on which machine, and what was out of its limits meanwhile. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { cellOf } from '../../backtest/csv.ts';
import type { Config } from '../../config/config.ts';
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { splitTagId } from '../../core/reading.ts';
import { Genealogy, LOT_COLUMNS, type LotMachine, type LotRun, lotRows } from '../../trace/genealogy.ts';
import { loadOrFail } from '../configuration.ts';
import { openStored } from '../stored.ts';
import { type CliContext, type CommonOptions, print, printJson, tableWidth, warn } from '../terminal/context.ts';
import { sinceOption } from '../terminal/duration.ts';
import { formatTime, plain } from '../terminal/format.ts';
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
  const machines = machinesOf(await loadOrFail(options, context));
  if (machines.length === 0)
    throw new Fault(
      'no machine says which lot it makes',
      'Name the tag of the order or lot as job of a machine under production: in the file.',
    );
  const all = await runsSince(sinceOption(options.since, context), machines, options, context);
  const found = lot === undefined ? all : all.filter((run) => run.lot === lot);
  if (options.export !== undefined)
    writeFileSync(resolve(context.cwd, options.export), fileText(options.export, found));
  if (options.json) printJson(context, found);
  else if (found.length === 0) warn(context, ['No such lot ran in this time. Look further back: --since 90d']);
  else print(context, [...runLines(found, context), ...(lot === undefined ? [] : findingLines(found, context))]);
  if (options.export !== undefined) warn(context, [`millgate: ${options.export}: written.`]);
  return lot !== undefined && found.length === 0 ? EXIT.failed : EXIT.ok;
}

/** Machines that have a job, each with the devices of its tags. */
function machinesOf({ production }: Config): LotMachine[] {
  return production
    .filter(({ job }) => job !== undefined)
    .map(({ id, count, second, running, reason, energy }) => {
      const tags = [count.tag, second?.tag, running, reason, energy?.tag];
      const devices = tags.flatMap((tag) => (tag === undefined ? [] : (splitTagId(tag)?.device ?? [])));
      return { machine: id, devices: [...new Set(devices)] };
    });
}

async function runsSince(
  fromMs: number,
  machines: readonly LotMachine[],
  options: CommonOptions,
  context: CliContext,
): Promise<readonly LotRun[]> {
  const stored = await openStored(options, context);
  try {
    const genealogy = new Genealogy(machines);
    for await (const page of journalSince(stored, fromMs, context)) for (const event of page) genealogy.take(event);
    return genealogy.all();
  } finally {
    await stored.close();
  }
}

/** CSV that no spreadsheet runs as a program, or JSON. */
function fileText(name: string, runs: readonly LotRun[]): string {
  if (/\.json$/i.test(name)) return `${JSON.stringify({ format: 'millgate/lots/1', runs }, null, 2)}\n`;
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
