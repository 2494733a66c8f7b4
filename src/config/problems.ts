import type { ConfigProblem } from './config.ts';

export function formatProblems(problems: readonly ConfigProblem[]): string[] {
  return problems.map(({ file, line, column, path, message }) => `${file}:${line}:${column} ${path}: ${message}`);
}
