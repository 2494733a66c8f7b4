/** Collects what is wrong with a configuration, and words it with file, line, column and path. */
import type { ConfigProblem } from '../config.ts';
import { formatPath, type Spot } from './tree.ts';

/** At most this many problems are kept; a broken generator should not fill a terminal for minutes. */
const MAX_PROBLEMS = 500;

/** Collects everything that is wrong, each thing once. */
export interface Report {
  error(spot: Spot, message: string): void;
  warning(spot: Spot, message: string): void;
  /** What was found so far, sorted by file, line and column. */
  problems(): readonly ConfigProblem[];
  failed(): boolean;
}

/** An empty report. */
export function createReport(): Report {
  const found = new Map<string, ConfigProblem>();
  let errors = 0;
  let leftOut = 0;
  const add = (severity: 'error' | 'warning', { place, path }: Spot, message: string): void => {
    if (severity === 'error') errors++;
    const { file, line, column } = place;
    const problem: ConfigProblem = {
      file,
      line,
      column,
      path: printable(formatPath(path)),
      message: printable(message),
      severity,
    };
    const key = formatProblem(problem);
    if (found.has(key)) return;
    if (found.size >= MAX_PROBLEMS) leftOut++;
    else found.set(key, problem);
  };
  return {
    error: (spot, message) => add('error', spot, message),
    warning: (spot, message) => add('warning', spot, message),
    failed: () => errors > 0,
    problems: () => {
      const sorted = sortProblems([...found.values()]);
      const last = sorted.at(-1);
      if (leftOut === 0 || !last) return sorted;
      const message = `${leftOut} more problems were left out; mend the ones above first`;
      return [...sorted, { ...last, path: '', message, severity: 'error' }];
    },
  };
}

/** One line a terminal can show: pieces of a broken file must neither move its cursor nor hide. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (sign) => `\\u${sign.codePointAt(0)!.toString(16).padStart(4, '0')}`);
}

/** Problems by file, line and column; those of one spot keep their order. */
function sortProblems(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const files = [...new Set(problems.map(({ file }) => file))];
  return [...problems].sort(
    (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}

/** One line: `millgate.yaml:14:7 devices.press-1.tags.oil-temp.typ: unknown key; did you mean "type"?` */
export function formatProblem({ file, line, column, path, message, severity }: ConfigProblem): string {
  const where = path === '' ? '' : ` ${countedFromOne(path)}`;
  return `${file}:${line}:${column}${where}: ${severity === 'warning' ? 'warning: ' : ''}${message}`;
}

/** `faults[0].for` as a person counts: `faults, entry 1, for`. A key in quotes stays as it is. */
function countedFromOne(path: string): string {
  const worded = path.replace(/"(?:[^"\\]|\\.)*"|\[(\d+)\]\.?/g, (part, index?: string) =>
    index === undefined ? part : `, entry ${Number(index) + 1}, `,
  );
  return worded.replace(/, $/, '').replaceAll(', , ', ', ');
}

/** All lines, sorted, and a line that counts them: `5 problems, 1 warning`. Empty when there are none. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  if (problems.length === 0) return '';
  const warnings = problems.filter(({ severity }) => severity === 'warning').length;
  const errors = problems.length - warnings;
  const counts = [
    ...(errors > 0 ? [count(errors, 'problem')] : []),
    ...(warnings > 0 ? [count(warnings, 'warning')] : []),
  ];
  return [...sortProblems(problems).map(formatProblem), counts.join(', ')].join('\n');
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
