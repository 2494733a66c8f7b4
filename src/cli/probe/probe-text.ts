/** Words what `probe` saw: bits, registers, and the ranking of what fits. */
import { jsonValue } from '../../api/json.ts';
import { EXIT, type ExitCode } from '../../core/errors.ts';
import type { Value } from '../../core/reading.ts';
import type { Watched } from '../../probe/probe-decode.ts';
import type { Expected } from '../../probe/probe-expected.ts';
import {
  describePlace,
  listRegisters,
  modiconOf,
  type Reading,
  type Sight,
  scaleText,
  tagLine,
} from '../../probe/probe-list.ts';
import type { ProbeRange } from '../../probe/probe-range.ts';
import { type Candidate, type Place, rank } from '../../probe/probe-rank.ts';
import type { Look, Survey } from '../../probe/probe-read.ts';
import { type CliContext, print, printJson, tableWidth, warn } from '../terminal/context.ts';
import { formatShare, formatValue } from '../terminal/format.ts';
import { type Cell, type Column, renderTable, wrapText } from '../terminal/table.ts';

/** What was seen of the range, and how. */
export interface Seen {
  readonly target: string;
  readonly unit: number;
  readonly range: ProbeRange;
  readonly looks: readonly Look[];
  readonly survey: Survey;
  /** How long it was watched, ms. */
  readonly watchedMs: number;
}

/** What is to be shown, and how. */
interface Shown {
  readonly seen: Seen;
  /** Everything, however unlikely. */
  readonly all: boolean;
  readonly isJson: boolean;
}

/** Candidates below this share are left out, and so are those after the fifth. */
const LEAST_SHARE = 0.01;
const MOST_ROWS = 5;

/** Below this share the first candidate is not to be trusted without a look at the manual. */
const CERTAIN = 0.8;

/** Shows coils and discrete inputs. */
export function printBits({ seen, isJson }: Shown, context: CliContext): ExitCode {
  const [table] = seen.range.tables;
  const bits = addresses(seen).map((address) => {
    const values = seen.looks.flatMap((look) => look.get(table!)?.get(address) ?? []);
    const last = values.at(-1);
    return { address, last, moved: values.some((value) => value !== values[0]) };
  });
  if (isJson) {
    const items = bits.map(({ address, last, moved }) => ({
      address: `${table}:${address}`,
      modicon: modiconOf(table!, address),
      value: last === undefined ? null : last === 1,
      moved,
    }));
    printJson(context, { ...headOf(seen), bits: items });
  } else {
    const rows = bits.map(({ address, last, moved }): Cell[] => [
      `${table}:${address}`,
      modiconOf(table!, address),
      last === undefined ? 'no such bit' : last === 1 ? 'true' : 'false',
      moved ? '*' : '',
    ]);
    const columns: Column[] = [{ title: 'address' }, { title: 'modicon', drop: 1 }, { title: 'value' }, { title: '' }];
    print(context, renderTable(columns, rows, tableWidth(context), context.colors.dim));
    footnote(seen, context);
  }
  return EXIT.ok;
}

/** Shows every register with what may begin there. */
export function printRegisters(
  { seen, all, isJson }: Shown,
  watched: readonly Watched[],
  context: CliContext,
): ExitCode {
  const { first, last } = seen.range;
  const tables = watched.map((table) => ({ table: table.table, sights: listRegisters(table, first, last, all) }));
  if (isJson) {
    const registers = tables.flatMap(({ table, sights }) => sights.map((sight) => jsonSight(table, sight)));
    printJson(context, { ...headOf(seen), registers });
    return EXIT.ok;
  }
  const rows = tables.flatMap(({ table, sights }) => (all ? fullRows(table, sights) : denseRows(table, sights)));
  print(context, renderTable(REGISTER_COLUMNS, rows, tableWidth(context), context.colors.dim));
  footnote(seen, context);
  return EXIT.ok;
}

const REGISTER_COLUMNS: readonly Column[] = [
  { title: 'address' },
  { title: 'modicon', drop: 3 },
  { title: 'hex' },
  { title: '' },
  { title: 'uint16', align: 'right', drop: 1 },
  { title: 'int16', align: 'right', drop: 2 },
  { title: 'plausible', cut: 'end', minWidth: 20 },
];

/** One row a register; registers that are zero, or not there, and say nothing more share a row. */
function denseRows(table: 'input' | 'holding', sights: readonly Sight[]): Cell[][] {
  const rows: Cell[][] = [];
  for (let index = 0; index < sights.length; ) {
    const sight = sights[index]!;
    let end = index + 1;
    if (isBlank(sight)) while (end < sights.length && isBlank(sights[end]!) && sights[end]!.word === sight.word) end++;
    // That empty registers may be zeros of any type is no news.
    const telling = sight.readings.filter(({ value }) => Number(value) !== 0);
    rows.push(rowOf(table, sight, sights[end - 1]!.address, telling.map(readingText).join('; ')));
    index = end;
  }
  return rows;
}

function fullRows(table: 'input' | 'holding', sights: readonly Sight[]): Cell[][] {
  return sights.flatMap((sight) => {
    const [first, ...others] = sight.readings.map(readingText);
    return [
      rowOf(table, sight, sight.address, first ?? ''),
      ...others.map((text) => [...Array.from({ length: REGISTER_COLUMNS.length - 1 }, () => ''), text]),
    ];
  });
}

function rowOf(table: 'input' | 'holding', { address, word, moved }: Sight, last: number, text: string): Cell[] {
  const place = last === address ? `${table}:${address}` : `${table}:${address}…${last}`;
  if (word === undefined) return [place, modiconOf(table, address), '–', '', '–', '', 'no such register'];
  const signed = (word << 16) >> 16;
  const hex = word.toString(16).toUpperCase().padStart(4, '0');
  return [place, modiconOf(table, address), hex, moved ? '*' : '', `${word}`, signed < 0 ? `${signed}` : '', text];
}

function isBlank({ word, moved, readings }: Sight): boolean {
  return word === undefined || (word === 0 && !moved && readings.every(({ value }) => Number(value) === 0));
}

function readingText({ type, order, registers, value }: Reading): string {
  if (type === 'string') return `string of ${registers} "${formatValue(String(value))}"`;
  const shown = typeof value === 'bigint' ? value.toString() : formatValue(Number(value));
  return order === 'ABCD' ? `${type} ${shown}` : `${type} ${order} ${shown}`;
}

function jsonSight(table: 'input' | 'holding', { address, word, moved, readings }: Sight): object {
  return {
    address: `${table}:${address}`,
    modicon: modiconOf(table, address),
    word: word ?? null,
    moved,
    readings: readings.map(({ value, belief, ...rest }) => ({
      ...rest,
      value: jsonValue(value),
      belief: Number(belief.toFixed(3)),
    })),
  };
}

/** Shows where the expected values are, and what to paste into the file. */
export function printRanking(
  { seen, all, isJson }: Shown,
  watched: readonly Watched[],
  expected: readonly Expected[],
  context: CliContext,
): ExitCode {
  const { tables, first, last } = seen.range;
  const named = tables.length === 1 ? (tables[0] as 'input' | 'holding') : undefined;
  const ranking = rank(watched, { table: named, first, last }, expected);
  const names = expected.map((_, index) => (expected.length > 1 ? `value-${index + 1}` : 'value'));
  const isFound = ranking.every(({ length }) => length > 0);
  if (isJson) {
    const values = expected.map(({ text }, index) => ({
      expected: text,
      candidates: ranking[index]!.map((candidate) => jsonCandidate(candidate, names[index]!)),
    }));
    printJson(context, { ...headOf(seen), values });
    return isFound ? EXIT.ok : EXIT.failed;
  }
  for (const [index, value] of expected.entries()) {
    if (index > 0) print(context, ['']);
    print(context, candidateLines(value, ranking[index]!, all, context));
  }
  const tags = ranking.flatMap(([best], index) => (best ? pasteLines(names[index]!, best) : []));
  if (tags.length > 0) print(context, ['', 'Paste under the tags of the device, with a name and its unit:', ...tags]);
  advise(ranking, expected, context);
  return isFound ? EXIT.ok : EXIT.failed;
}

const CANDIDATE_COLUMNS: readonly Column[] = [
  { title: 'sure', align: 'right' },
  { title: 'address' },
  { title: 'modicon', drop: 2 },
  { title: 'type' },
  { title: 'order' },
  { title: 'scale', align: 'right' },
  { title: 'value', align: 'right' },
  { title: 'seen', drop: 1, cut: 'end', minWidth: 10 },
];

function candidateLines(
  { text, value: expected, halfStep }: Expected,
  candidates: readonly Candidate[],
  all: boolean,
  context: CliContext,
): string[] {
  if (candidates.length === 0) return [`${text}: nothing in this range shows it`];
  const likely = candidates.filter(({ share }, index) => index === 0 || (share >= LEAST_SHARE && index < MOST_ROWS));
  const rows = (all ? candidates : likely).map((candidate, index): Cell[] => {
    const { table, address, decoding, exponent, share, value, lowest, highest } = candidate;
    return [
      { text: share > 0.995 ? '>99 %' : formatShare(share), paint: index === 0 ? context.colors.bold : plainText },
      `${table}:${address}`,
      modiconOf(table, address),
      decoding.type,
      decoding.order,
      scaleText(exponent),
      formatValue(value),
      lowest === highest ? 'still' : `${formatValue(lowest)}…${formatValue(highest)}`,
    ];
  });
  const table = renderTable(CANDIDATE_COLUMNS, rows, tableWidth(context), context.colors.dim);
  const same = candidates[0]!.same.map(shortPlace).join(', ');
  const note =
    same === ''
      ? []
      : wrapText(
          `These read just as the first does: ${same}. Watch while the value moves: --for 60s.`,
          noteWidth(context),
        );
  const { lowest, highest, value } = candidates[0]!;
  const isSeen = expected + halfStep >= lowest && expected - halfStep <= highest;
  const unseen = isSeen
    ? []
    : wrapText(
        `${text} itself was not seen there, ${formatValue(value)} was: the register fits best if the value has moved since the display was read.`,
        noteWidth(context),
      );
  return [context.colors.bold(text), ...table, ...note, ...unseen];
}

function plainText(text: string): string {
  return text;
}

function shortPlace({ table, address, decoding, exponent }: Place): string {
  const order = decoding.order === 'ABCD' ? '' : ` ${decoding.order}`;
  return `${table}:${address} ${decoding.type}${order}${exponent === 0 ? '' : ` ×${scaleText(exponent)}`}`;
}

function pasteLines(name: string, best: Candidate): string[] {
  return [`  # ${describePlace(best)}; now ${formatValue(best.value)}`, `  ${tagLine(name, best)}`];
}

/** What would make it surer. */
function advise(ranking: readonly (readonly Candidate[])[], expected: readonly Expected[], context: CliContext): void {
  const missing = expected.filter((_, index) => ranking[index]!.length === 0).map(({ text }) => text);
  const unsure = expected.filter((_, index) => (ranking[index]![0]?.share ?? 1) < CERTAIN).map(({ text }) => text);
  const lines: string[] = [];
  if (missing.length > 0)
    lines.push(
      `Nothing shows ${missing.join(' or ')}. Read the display again, widen the range, or allow more: --within 2%.`,
    );
  if (unsure.length > 0)
    lines.push(
      `${unsure.join(' and ')} is not certain. Expect a second value of the device too, or one with more digits that moves; or watch longer: --for 30s.`,
    );
  warn(
    context,
    lines.flatMap((line) => wrapText(`millgate: ${line}`, noteWidth(context))),
  );
}

function jsonCandidate(candidate: Candidate, name: string): object {
  const { raw, value, lowest, highest, share, same } = candidate;
  return {
    ...jsonPlace(candidate),
    share: Number(share.toFixed(4)),
    raw: jsonValue(raw as Value),
    value,
    lowest,
    highest,
    same: same.map(jsonPlace),
    tag: tagLine(name, candidate),
  };
}

function jsonPlace({ table, address, decoding, exponent }: Place): object {
  return {
    address: `${table}:${address}`,
    modicon: modiconOf(table, address),
    type: decoding.type,
    order: decoding.order,
    scale: Number(scaleText(exponent)),
  };
}

/** How it was seen, and what was not. */
function footnote({ looks, watchedMs, survey }: Seen, context: CliContext): void {
  const times =
    looks.length === 1 ? 'Read once.' : `Read ${looks.length} times in ${Math.round(watchedMs / 1000)} s; * moved.`;
  const absent = survey.absent.map((table) => `The device has no ${table} table.`);
  const troubles = survey.troubles.map(
    ({ block, why, detail }) => `${block.table}:${block.start}…${block.start + block.count - 1}: ${why} (${detail}).`,
  );
  const lines = [times, ...absent, ...troubles].flatMap((line) => wrapText(line, noteWidth(context)));
  warn(context, lines);
}

function headOf({ target, unit, looks, watchedMs, survey }: Seen): object {
  return {
    channel: target,
    unit,
    looks: looks.length,
    watchedMs: Math.round(watchedMs),
    absent: survey.absent,
    troubles: survey.troubles.map(({ block, why, detail }) => ({ ...block, why, detail })),
  };
}

function addresses({ range: { first, last } }: Seen): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function noteWidth(context: CliContext): number {
  return context.isTerminal ? Math.max(20, context.columns()) : 100;
}
