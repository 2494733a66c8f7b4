/** The command `token`: makes, lists and revokes the tokens with which the API and the page are used over the network. */
import type { NewToken, TokenView } from '../api/tokens/tokens-view.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import { nearest } from '../core/suggest.ts';
import { operator } from './alarms.ts';
import { findGateway, type GatewayClient } from './client.ts';
import { type CliContext, type CommonOptions, print, printJson, tableWidth, warn } from './terminal/context.ts';
import { formatTime, plain } from './terminal/format.ts';
import { type Column, renderTable } from './terminal/table.ts';

const ORDERS = ['create', 'list', 'revoke'];

const COLUMNS: readonly Column[] = [
  { title: 'ID' },
  { title: 'NAME', cut: 'end', minWidth: 10 },
  { title: 'ROLE' },
  { title: 'CREATED', drop: 2 },
  { title: 'LAST USED', drop: 1 },
];

/**
 * `token create --role ROLE [NAME]`, `token list`, `token revoke ID`. Always through the socket of the running gateway, so
 * that the first token needs none, and one process alone writes the file.
 */
export async function token(
  order: string,
  subject: string | undefined,
  options: CommonOptions & { readonly role?: string },
  context: CliContext,
): Promise<ExitCode> {
  if (!ORDERS.includes(order))
    throw new Fault(`there is no order ${JSON.stringify(order)}`, 'Write create, list or revoke.', EXIT.usage);
  const gateway = await findGateway(options, context);
  const { tokens } = await gateway.get<{ readonly tokens: readonly TokenView[] }>('/api/v1/tokens');
  if (order === 'create') await create(subject, options, tokens, gateway, context);
  else if (order === 'revoke') await revoke(subject, options, tokens, gateway, context);
  else if (options.json) printJson(context, tokens);
  else print(context, listLines(tokens, context));
  return EXIT.ok;
}

async function create(
  name: string | undefined,
  { role, json }: CommonOptions & { readonly role?: string },
  tokens: readonly TokenView[],
  gateway: GatewayClient,
  context: CliContext,
): Promise<void> {
  if (role === undefined)
    throw new Fault(
      'a token needs a role',
      'Write --role viewer (reads), technician (also acknowledges and writes) or admin (also changes the configuration).',
      EXIT.usage,
    );
  const made = await gateway.post<NewToken>('/api/v1/tokens', {
    name: name ?? freeName(role, tokens),
    role,
    by: operator(context),
  });
  if (json) {
    printJson(context, made);
    return;
  }
  print(context, [made.token]);
  warn(context, [
    `This token of the role ${made.role} is shown only now: keep it. It belongs to "${plain(made.name)}", the name that the journal gives.`,
    'In the page: "Log in". In a script: the header "Authorization: Bearer TOKEN".',
    `To end it: millgate token revoke ${made.id}.`,
  ]);
}

/** The role, with a number behind it where that name is taken. */
function freeName(role: string, tokens: readonly TokenView[]): string {
  const names = tokens.map(({ name }) => name);
  for (let number = 1; ; number++) {
    const name = number === 1 ? role : `${role}-${number}`;
    if (!names.includes(name)) return name;
  }
}

async function revoke(
  word: string | undefined,
  { json }: CommonOptions,
  tokens: readonly TokenView[],
  gateway: GatewayClient,
  context: CliContext,
): Promise<void> {
  const found = tokens.find(({ id, name }) => id === word || name === word);
  if (!found) {
    const near = word === undefined ? undefined : nearest(word, [...tokens.map(({ name }) => name)]);
    throw new Fault(
      word === undefined ? 'which token?' : `there is no token ${JSON.stringify(word.slice(0, 60))}`,
      near ? `Did you mean ${near}?` : 'millgate token list shows their ids and names.',
      EXIT.usage,
    );
  }
  const revoked = await gateway.post<TokenView>(`/api/v1/tokens/${found.id}/revoke`, { by: operator(context) });
  if (json) printJson(context, revoked);
  else print(context, [`${revoked.id} of ${plain(revoked.name)} is worth nothing any more.`]);
}

function listLines(tokens: readonly TokenView[], context: CliContext): string[] {
  if (tokens.length === 0) return ['There are no tokens. Make one: millgate token create --role technician NAME.'];
  const rows = tokens.map(({ id, name, role, createdMs, lastUsedMs }) => [
    id,
    plain(name),
    role,
    formatTime(createdMs, context),
    lastUsedMs === undefined ? 'never' : formatTime(lastUsedMs, context),
  ]);
  return renderTable(COLUMNS, rows, tableWidth(context), context.colors.dim);
}
