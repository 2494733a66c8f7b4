/** The command `inventory`: levels of stocks, and what was counted by hand. */
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import type { StockReport } from '../../core/rules/scanned.ts';
import { operator } from '../alarms.ts';
import { findGateway } from '../client.ts';
import { type CliContext, type CommonOptions, print, printJson, tableWidth } from '../terminal/context.ts';
import { formatTime, plain } from '../terminal/format.ts';
import { type Column, renderTable } from '../terminal/table.ts';

const COLUMNS: readonly Column[] = [
  { title: 'STOCK' },
  { title: 'CODE', cut: 'end', minWidth: 13 },
  { title: 'NAME', cut: 'end', minWidth: 8, drop: 2 },
  { title: 'LEVEL', align: 'right' },
  { title: 'MINIMUM', align: 'right' },
  { title: 'IN', align: 'right', drop: 3 },
  { title: 'OUT', align: 'right', drop: 3 },
  { title: 'LAST', drop: 1 },
  { title: 'STATE' },
];

/** `inventory [set NAME CODE LEVEL]`: every article in a line, or what was counted by hand. */
export async function inventory(
  words: readonly string[],
  options: CommonOptions & { readonly comment?: string },
  context: CliContext,
): Promise<ExitCode> {
  const [order, name, code, level] = words;
  const isComplete = name !== undefined && code !== undefined && level !== undefined && words.length === 4;
  if (order !== undefined && !(order === 'set' && isComplete && /^\d{1,9}$/.test(level)))
    throw new Fault(
      order === 'set' ? 'an article and what was counted are missing' : `there is no order ${JSON.stringify(order)}`,
      'Write millgate inventory set STOCK CODE LEVEL, with LEVEL as a whole number; millgate inventory lists them.',
      EXIT.usage,
    );
  const gateway = await findGateway(options, context);
  if (isComplete) {
    const comment = options.comment === undefined ? {} : { comment: options.comment };
    const body = { code, level: Number(level), by: operator(context), ...comment };
    const stock = await gateway.post<StockReport>(`/api/v1/inventory/${encodeURIComponent(name)}/set`, body);
    if (options.json) printJson(context, stock);
    else print(context, [`${plain(name)}: ${plain(code)}: ${level} are there.`]);
    return EXIT.ok;
  }
  const { inventory: stocks } = await gateway.get<{ readonly inventory: readonly StockReport[] }>('/api/v1/inventory');
  if (options.json) printJson(context, stocks);
  else if (stocks.length === 0) print(context, ['There is no stock. Define it under inventory: in the configuration.']);
  else print(context, stockLines(stocks, context));
  return EXIT.ok;
}

function stockLines(stocks: readonly StockReport[], context: CliContext): string[] {
  const { colors } = context;
  const rows = stocks.flatMap(({ inventory: stock, items }) =>
    items.map(({ code, name, level, minimum, reorder, at, in: came, out }) => [
      stock,
      plain(code),
      name === null ? '–' : plain(name),
      String(level),
      minimum === null ? '–' : String(minimum),
      String(came),
      String(out),
      at === null ? 'never' : formatTime(at, context),
      level < 0
        ? { text: 'count it', paint: colors.red }
        : reorder
          ? { text: 'reorder', paint: colors.yellow }
          : { text: 'ok', paint: colors.green },
    ]),
  );
  const strange = stocks
    .filter(({ unknown, unread }) => unknown + unread > 0)
    .map(
      ({ inventory: stock, unknown, unread }) =>
        `${stock}: ${unknown} scans of codes that the file does not have (millgate events --kind quality), ${unread} in which nothing was read.`,
    );
  return [...renderTable(COLUMNS, rows, tableWidth(context), colors.dim), ...strange];
}
