import { changeText } from '../config/apply/changes.ts';
import type { ConfigurationChange, ConfigurationEntry } from '../core/configuration.ts';
import type { CliContext } from './terminal/context.ts';
import { formatTime, plain } from './terminal/format.ts';
import { type Column, renderTable, wrapText } from './terminal/table.ts';

const SIGNS = { added: '+', removed: '-', changed: '~' } as const;

/** Differences, one below the other: what was added, removed and changed, and what is interrupted by it. */
export function changeLines(changes: readonly ConfigurationChange[], context: CliContext): string[] {
  const { colors, columns } = context;
  const paint = { added: colors.green, removed: colors.red, changed: colors.yellow };
  return changes.flatMap((change) => {
    const lines = wrapText(plain(changeText(change)), Math.max(20, columns() - 2));
    return lines.map((line, index) => paint[change.change](`${index === 0 ? SIGNS[change.change] : ' '} ${line}`));
  });
}

/** Problems of a text that was to be applied, under the name that the technician gave. */
export function named<T extends { readonly file: string }>(problems: readonly T[], file: string, given: string): T[] {
  return problems.map((problem) => (problem.file === file ? { ...problem, file: given } : problem));
}

const COLUMNS: readonly Column[] = [
  { title: 'WHEN' },
  { title: 'CONFIG', drop: 3 },
  { title: 'HOW' },
  { title: 'BY', cut: 'end', minWidth: 6, drop: 2 },
  { title: 'OUTCOME' },
  { title: 'WHAT', cut: 'end', minWidth: 20, drop: 1 },
];

/** What was in force or was tried, newest first. Why something was not kept is told whole, below its line. */
export function historyLines(history: readonly ConfigurationEntry[], context: CliContext): string[] {
  const { colors } = context;
  if (history.length === 0) return ['Nothing was applied yet.'];
  const rows = history.map(({ atMs, hash, how, by, outcome, changes }) => [
    formatTime(atMs).slice(0, 19).replace('T', ' '),
    hash,
    how,
    plain(by),
    { text: outcome, paint: outcome === 'kept' || outcome === 'installed' ? colors.green : colors.red },
    plain(changes.join('. ')),
  ]);
  const columns = context.columns();
  const [titles, ...lines] = renderTable(COLUMNS, rows, columns, colors.dim);
  const reasonOf = ({ why }: ConfigurationEntry): string[] =>
    why === undefined ? [] : wrapText(plain(why), Math.max(20, columns - 2)).map((line) => `  ${line}`);
  return [titles!, ...lines.flatMap((line, index) => [line, ...reasonOf(history[index]!)])];
}
