/** The option `status --ledger`: shows where every number went, and whether it adds up. */
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import type { SeqRange } from '../../core/intervals.ts';
import type { LedgerEntry, StoreStatus, StreamAccount } from '../../store/store.ts';
import { findGateway } from '../client.ts';
import { loadOrFail } from '../configuration.ts';
import { openStopped } from '../stopped.ts';
import { type CliContext, type CommonOptions, print, printJson, tableWidth } from '../terminal/context.ts';
import { formatCount, formatTime } from '../terminal/format.ts';
import { type Cell, renderTable } from '../terminal/table.ts';

/** Ledger entries that are listed below the account; `--json` has them all. */
const SHOWN_ENTRIES = 20;

/** The account as it was taken, and from what. */
interface Taken {
  readonly state: 'running' | 'stopped';
  readonly store: Pick<StoreStatus, 'epoch' | 'stored' | 'pending' | 'accounts' | 'losses'>;
  readonly ledger: readonly LedgerEntry[];
}

/**
 * `status --ledger`: where every number went, by stream and uplink, and whether it adds up: produced = delivered +
 * stored + evicted + quarantined + lost + skipped. Asks the gateway; without one it reads the store itself.
 *
 * @returns 1 when it does not add up
 */
export async function ledger(options: CommonOptions, context: CliContext): Promise<ExitCode> {
  const { state, store, ledger: entries } = await take(options, context);
  const isBalanced = store.accounts.every(addsUp);
  const { epoch, stored, pending, accounts, losses } = store;
  if (options.json)
    printJson(context, { state, epoch, addsUp: isBalanced, accounts, losses, stored, pending, ledger: entries });
  else print(context, ledgerLines(state, accounts, entries, context));
  return isBalanced ? EXIT.ok : EXIT.failed;
}

async function take(options: CommonOptions, context: CliContext): Promise<Taken> {
  try {
    const gateway = await findGateway(options, context);
    const store = await gateway.get<StoreStatus>('/api/v1/store');
    const page = (after: number) => gateway.get<LedgerEntry[]>(`/api/v1/store/ledger?after=${after}`);
    return { state: 'running', store, ledger: await allPages(page) };
  } catch (error) {
    if (!(error instanceof Fault && error.code === EXIT.unavailable)) throw error;
  }
  const store = await openStopped(await loadOrFail(options, context), context);
  try {
    return { state: 'stopped', store: await store.status(), ledger: await allPages((after) => store.ledger(after)) };
  } finally {
    await store.close();
  }
}

/** Every entry, asked for page by page: each answers what comes after the id it is given. */
export async function allPages(page: (after: number) => Promise<readonly LedgerEntry[]>): Promise<LedgerEntry[]> {
  const all: LedgerEntry[] = [];
  for (;;) {
    const found = await page(all.at(-1)?.id ?? 0);
    if (found.length === 0) return all;
    all.push(...found);
  }
}

/** Sums again what the store said, so that its word is not taken for it. */
function addsUp(account: StreamAccount): boolean {
  const { produced, delivered, waiting, evicted, quarantined, lost, skipped, unexplained } = account;
  return unexplained.length === 0 && produced === delivered + waiting + evicted + quarantined + lost + skipped;
}

function ledgerLines(
  state: Taken['state'],
  accounts: readonly StreamAccount[],
  entries: readonly LedgerEntry[],
  context: CliContext,
): string[] {
  const { colors } = context;
  const columns = ['produced', 'delivered', 'stored', 'evicted', 'quarantined', 'lost', 'skipped'];
  const table = renderTable(
    [
      { title: 'stream', minWidth: 8 },
      { title: 'uplink', cut: 'end', minWidth: 6 },
      ...columns.map((title) => ({ title, align: 'right' as const })),
    ],
    accounts.map((account) => accountRow(account, context)),
    tableWidth(context),
    colors.dim,
  );
  const wrong = accounts.filter((account) => !addsUp(account));
  const verdict =
    wrong.length === 0
      ? colors.green('adds up: produced = delivered + stored + evicted + quarantined + lost + skipped')
      : colors.red(wrong.map((account) => doubtText(account, state)).join('\n'));
  const shown = entries.slice(-SHOWN_ENTRIES);
  const hidden = entries.length - shown.length;
  return [
    ...table,
    verdict,
    ...(entries.length > 0 ? [''] : []),
    ...(hidden > 0 ? [colors.dim(`${formatCount(hidden)} earlier entries; --json has them all`)] : []),
    ...shown.map((entry) => entryText(entry, context)),
  ];
}

function accountRow(account: StreamAccount, { colors }: CliContext): Cell[] {
  const { stream, uplink, produced, delivered, waiting, evicted, quarantined, lost, skipped } = account;
  const loss = (count: number): Cell => (count > 0 ? { text: formatCount(count), paint: colors.red } : '0');
  const [made, gone, left] = [produced, delivered, waiting].map(formatCount);
  // Without an uplink nothing is delivered: what went by age is shown in its place.
  const name = uplink ?? '(none: aged out)';
  return [stream, name, made!, gone!, left!, loss(evicted), loss(quarantined), loss(lost), loss(skipped)];
}

function doubtText({ stream, uplink, unexplained }: StreamAccount, state: Taken['state']): string {
  const what = `does not add up: ${stream}${uplink ? ` of ${uplink}` : ''} ${unexplained.map(rangeText).join(', ')}`;
  return state === 'stopped'
    ? `${what} cannot be read. The gateway enters it in the ledger when it starts.`
    : `${what} cannot be accounted for. Please report this with the output of millgate status --ledger --json.`;
}

/** One entry in the words of the status. */
export function entryText(
  { stream, from, to, cause, uplink, enteredWallMs }: LedgerEntry,
  context: Pick<CliContext, 'timezone'>,
): string {
  return `${stream} ${rangeText({ from, to })} ${cause}${uplink ? ` by ${uplink}` : ''}, ${formatTime(enteredWallMs, context)}`;
}

function rangeText({ from, to }: SeqRange): string {
  return `${formatCount(from)}–${formatCount(to - 1)}`;
}
