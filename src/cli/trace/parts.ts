/** The commands `parts` and `correct`: results of parts by their serial numbers, and what was wrong in a record. */
import { cellOf } from '../../backtest/csv.ts';
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import type { PartValue } from '../../core/rules/scanned.ts';
import { type PartRecord, partsIn } from '../../trace/corrections.ts';
import { operator } from '../alarms.ts';
import { findGateway } from '../client.ts';
import { openStored } from '../stored.ts';
import { type CliContext, type CommonOptions, print, printJson, tableWidth, warn } from '../terminal/context.ts';
import { sinceOption } from '../terminal/duration.ts';
import { formatTime, formatWithUnit, plain } from '../terminal/format.ts';
import { type Column, renderTable } from '../terminal/table.ts';
import { journalSince } from './journal.ts';

/** Options of `parts`. */
interface PartsCommandOptions extends CommonOptions {
  readonly since: string;
  readonly format?: 'csv' | 'jsonl';
}

const COLUMNS: readonly Column[] = [
  { title: 'TIME' },
  { title: 'RECORD', align: 'right', drop: 2 },
  { title: 'STATION', drop: 1 },
  { title: 'SERIAL', cut: 'end', minWidth: 12 },
  { title: 'RESULT' },
  { title: 'JOB', cut: 'end', drop: 3 },
  { title: 'VALUES', cut: 'end', minWidth: 16 },
];

/**
 * `parts [SERIAL]`: records of parts, with what was put right in them. A serial number is found by what was recorded and
 * by what it was put right to. Through the gateway if it runs, else out of its store.
 */
export async function parts(
  serial: string | undefined,
  options: PartsCommandOptions,
  context: CliContext,
): Promise<ExitCode> {
  const fromMs = sinceOption(options.since, context);
  const stored = await openStored(options, context);
  try {
    const found = await partsIn(
      () => journalSince(stored, fromMs, context),
      (part) => serial === undefined || part.serial === serial,
    );
    if (options.json) printJson(context, found);
    else if (options.format === 'jsonl')
      print(
        context,
        found.map((each) => JSON.stringify(each)),
      );
    else if (options.format === 'csv') print(context, [CSV_HEAD, ...found.flatMap(csvRows)]);
    else if (found.length > 0) print(context, partLines(found, context));
    else warn(context, ['No part is recorded in this time. Look further back: --since 30d']);
    return context.signal.aborted ? EXIT.failed : EXIT.ok;
  } finally {
    await stored.close();
  }
}

const CSV_HEAD = 't,record,station,serial,result,job,name,tag,value,unit,min,max,equals,verdict,corrections';

/** A row for each result of a part. */
function csvRows({ t, record, corrected, corrections }: PartRecord): string[] {
  const { station, serial, result, job, values } = corrected;
  const text = (value: unknown): string => cellOf(value === null || value === undefined ? '' : String(value));
  // A number below zero is no formula.
  const amount = (value: unknown): string => (typeof value === 'number' ? String(value) : text(value));
  const notes = corrections.map(
    ({ member, was, to, by, comment }) => `${member}: ${was} → ${to} by ${by} (${comment})`,
  );
  const head = [new Date(t).toISOString(), amount(record), text(station), text(serial), text(result), text(job)];
  return ((values ?? []) as readonly PartValue[]).map(({ name, tag, value, unit, min, max, equals, verdict }) =>
    [
      ...head,
      text(name),
      text(tag),
      amount(value),
      text(unit),
      ...[min, max, equals].map(amount),
      verdict,
      text(notes.join('; ')),
    ].join(),
  );
}

function partLines(found: readonly PartRecord[], context: CliContext): string[] {
  const { colors } = context;
  const rows = found.map(({ t, record, corrected: { station, serial, result, job, values } }) => {
    const paint = result === 'pass' ? colors.green : result === 'fail' ? colors.red : colors.yellow;
    return [
      formatTime(t, context),
      record === null ? '–' : String(record),
      plain(String(station)),
      serial === null ? '–' : plain(String(serial)),
      { text: String(result), paint },
      typeof job === 'string' ? plain(job) : '–',
      ((values ?? []) as readonly PartValue[]).map(valueText).join(', '),
    ];
  });
  const corrections = found.flatMap((each) =>
    each.corrections.map(
      ({ t, member, was, to, by, comment }) =>
        `Record ${each.record}: ${member} put right from ${plain(String(was))} to ${plain(String(to))} by ${plain(by)}, ${formatTime(t, context)}: ${plain(comment ?? '')}`,
    ),
  );
  return [...renderTable(COLUMNS, rows, tableWidth(context), colors.dim), ...corrections];
}

function valueText({ name, value, unit, verdict }: PartValue): string {
  const shown = value === null ? 'missing' : plain(formatWithUnit(value as string | number | boolean, unit));
  return `${name} ${shown}${verdict === 'fail' ? ' (fail)' : ''}`;
}

/** `correct RECORD MEMBER VALUE --comment WHY`: puts a record right by a new one, which keeps the value before. */
export async function correct(
  [record, member, value]: readonly [string, string, string],
  options: CommonOptions & { readonly comment?: string },
  context: CliContext,
): Promise<ExitCode> {
  if (!/^\d{1,15}$/.test(record))
    throw new Fault(`${plain(record)} is no number of a record`, 'millgate parts gives the numbers.', EXIT.usage);
  if (options.comment === undefined || options.comment.trim() === '')
    throw new Fault('a correction needs its reason', 'Add --comment "why".', EXIT.usage);
  const gateway = await findGateway(options, context);
  const order = { record: Number(record), member, to: value };
  const answer = await gateway.post('/api/v1/quality/corrections', {
    ...order,
    by: operator(context),
    comment: options.comment,
  });
  if (options.json) printJson(context, answer);
  else print(context, [`Record ${record}: ${plain(member)} put right. The record itself stays as it was.`]);
  return EXIT.ok;
}
