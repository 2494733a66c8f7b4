/** The command `fleet`: lists the gateways that have a status on a broker, who is offline and who differs from the others. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { IClientOptions, MqttClient } from 'mqtt';
import { readSecret } from '../../config/file/secrets.ts';
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { loadTls, tlsOptions } from '../../uplink/mqtt-tls.ts';
import { type BrokerContext, explainSilentClose, explainTrouble } from '../../uplink/mqtt-trouble.ts';
import { type CliContext, type CommonOptions, print, printJson, tableWidth } from '../terminal/context.ts';
import { durationOption } from '../terminal/duration.ts';
import { formatTime, plain } from '../terminal/format.ts';
import { type Cell, renderTable } from '../terminal/table.ts';
import { type FleetMember, type FleetStatus, judgeFleet, type MemberStatus, statusOf } from './judge-fleet.ts';

/** Options of `fleet`. */
interface FleetOptions extends CommonOptions {
  readonly broker?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly topic: string;
  readonly wait: string;
  /** Only those that are offline, differ, or cannot be understood. */
  readonly differs?: boolean;
}

/** Where a password is found when no file is named. */
const PASSWORD_VARIABLE = 'MILLGATE_BROKER_PASSWORD';

const CONNECT_MS = 10_000;

/** Retained messages follow the confirmation of the subscription: after so long without one they are all here, ms. */
const QUIET_MS = 500;

/** More would be something else than gateways; and no status is larger. */
const MOST_GATEWAYS = 10_000;
const MOST_BYTES = 4096;

/** `fleet --broker URL`: exit 0 with the list, 1 when there is no gateway, 69 when the broker is not reached. */
export async function fleet(options: FleetOptions, context: CliContext): Promise<ExitCode> {
  const waitMs = durationOption('wait', options.wait);
  const filter = `${filterOf(options.topic)}/status`;
  const statuses = await retained(filter, waitMs, options, context);
  const judged = judgeFleet(statuses);
  if (options.json) printJson(context, judged);
  else print(context, fleetLines(judged, options, filter, context));
  return judged.gateways.length > 0 ? EXIT.ok : EXIT.failed;
}

function filterOf(topic: string): string {
  if (/^[^#\0]+$/.test(topic) && topic.split('/').every((level) => level === '+' || !level.includes('+')))
    return topic.replaceAll('{id}', '+').replace(/\/+$/, '');
  throw new Fault(
    `--topic ${topic}: not a topic root with + for what differs`,
    'Write for example millgate/+, or acme/+/millgate/+.',
    EXIT.usage,
  );
}

/** Every retained message below a filter, by topic. */
async function retained(
  filter: string,
  waitMs: number,
  options: FleetOptions,
  context: CliContext,
): Promise<MemberStatus[]> {
  const { url, broker, connection } = await brokerOf(options, context);
  const { connect } = await import('mqtt');
  const client = connect(url, connection);
  const found = new Map<string, MemberStatus>();
  let heardMs = 0;
  client.on('message', (topic, payload) => {
    heardMs = context.clock.monoMs();
    if (found.size >= MOST_GATEWAYS || payload.length === 0) return;
    found.set(topic, statusOf(topic, filter, payload.length > MOST_BYTES ? '' : payload.toString('utf8')));
  });
  try {
    await subscribed(client, filter, broker, context);
    heardMs = context.clock.monoMs();
    const endMs = heardMs + waitMs;
    for (let nowMs = heardMs; nowMs < endMs && nowMs - heardMs < QUIET_MS; nowMs = context.clock.monoMs())
      await context.clock.sleep(Math.min(50, endMs - nowMs), context.signal);
    return [...found.values()];
  } finally {
    client.end(true);
  }
}

/** Where the broker is, and how one signs in: 3.1.1, which every broker speaks, under a name of its own. */
async function brokerOf(
  { broker: given, username, passwordFile, ca, cert, key }: FleetOptions,
  context: CliContext,
): Promise<{ url: string; broker: BrokerContext; connection: IClientOptions }> {
  if (given === undefined) throw new Fault('which broker?', 'Write millgate fleet --broker mqtt://HOST.', EXIT.usage);
  if (!URL.canParse(given) || !/^(mqtts?|wss?):$/.test(new URL(given).protocol))
    throw new Fault(`--broker ${given}: not the URL of a broker`, 'Write for example mqtt://broker:1883.', EXIT.usage);
  const url = new URL(given);
  if (url.password !== '' || url.username !== '')
    throw new Fault(
      '--broker has a user name in it, which every user of this machine can see',
      `Write --username NAME, and --password-file FILE or the variable ${PASSWORD_VARIABLE}.`,
      EXIT.usage,
    );
  const secure = url.protocol === 'mqtts:' || url.protocol === 'wss:';
  const at = (file: string | undefined) => (file === undefined ? undefined : resolve(context.cwd, file));
  const files = await loadTls(
    { ca: at(ca), cert: at(cert), key: at(key) },
    (path) => readFile(path),
    () => '',
  );
  const fromFile = passwordFile === undefined ? undefined : { file: resolve(context.cwd, passwordFile) };
  const password = fromFile ? readSecret(fromFile, { env: {} }) : context.env[PASSWORD_VARIABLE];
  const clientId = `millgate-fleet-${process.pid}`;
  return {
    url: given,
    broker: { address: url.host, secure, clientId, username, ca, cert },
    connection: {
      clientId,
      protocolVersion: 4,
      clean: true,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_MS,
      ...(username !== undefined && { username }),
      ...(password !== undefined && username !== undefined && { password }),
      ...(secure && (tlsOptions(files, undefined) as IClientOptions)),
    },
  };
}

/** Resolves once the broker confirmed the subscription. */
function subscribed(client: MqttClient, filter: string, broker: BrokerContext, context: CliContext): Promise<void> {
  return new Promise((done, reject) => {
    const unavailable = (what: string) => reject(new Fault(what, '', EXIT.unavailable));
    const cancel = context.clock.after(CONNECT_MS, () =>
      unavailable(`${broker.address} does not answer within ${CONNECT_MS / 1000} s. Check address and port.`),
    );
    context.signal.addEventListener('abort', () => reject(context.signal.reason), { once: true });
    client.on('error', (error) => unavailable(explainTrouble(error, broker)));
    client.once('close', () => unavailable(explainSilentClose(broker)));
    client.once('connect', () =>
      client.subscribe(filter, { qos: 1 }, (error, granted) => {
        cancel();
        if (!error && granted?.every(({ qos }) => qos < 128)) done();
        else
          unavailable(
            `${broker.address} does not let ${broker.username ?? 'this client'} read ${filter}. Allow it in the access list of the broker.`,
          );
      }),
    );
  });
}

/** The worst first, each with what is the matter. */
function fleetLines(
  { gateways, version, config }: FleetStatus,
  { differs: isShort }: FleetOptions,
  filter: string,
  context: CliContext,
): string[] {
  const { colors } = context;
  if (gateways.length === 0) return [`No gateway has a status below ${filter}.`];
  const shown = isShort ? gateways.filter(isOdd) : gateways;
  const rows = shown.map((member): Cell[] => [
    plain(member.gateway),
    stateCell(member, context),
    member.sinceMs === undefined ? '' : formatTime(member.sinceMs, context, 'seconds'),
    odd(member, 'version', context),
    odd(member, 'config', context),
  ]);
  const table = renderTable(
    [
      { title: 'GATEWAY', cut: 'end', minWidth: 10 },
      { title: 'STATE' },
      { title: 'SINCE', drop: 1 },
      { title: 'VERSION' },
      { title: 'CONFIG' },
    ],
    rows,
    tableWidth(context),
    colors.dim,
  );
  const count = (found: (member: FleetMember) => boolean) => gateways.filter(found).length;
  const told = [
    `${gateways.length} ${gateways.length === 1 ? 'gateway' : 'gateways'}`,
    counted(
      count(({ state }) => state === 'offline'),
      'offline',
    ),
    counted(
      count(({ differs }) => differs.includes('version')),
      `with another version than ${plain(version ?? '')}`,
    ),
    counted(
      count(({ differs }) => differs.includes('config')),
      `with another configuration than ${plain(config ?? '')}`,
    ),
    counted(
      count(({ state }) => state === 'unreadable'),
      'whose status cannot be understood',
    ),
  ];
  const summary = told.filter((text) => text !== '').join(', ');
  return [...(shown.length > 0 ? [...table, ''] : []), gateways.some(isOdd) ? colors.yellow(summary) : summary];
}

function counted(number: number, what: string): string {
  return number === 0 ? '' : `${number} ${what}`;
}

function isOdd({ state, differs }: FleetMember): boolean {
  return state !== 'online' || differs.length > 0;
}

function stateCell({ state }: FleetMember, { colors }: CliContext): Cell {
  return { text: state, paint: state === 'online' ? colors.green : colors.red };
}

function odd(member: FleetMember, key: 'version' | 'config', { colors }: CliContext): Cell {
  const text = plain(member[key] ?? '');
  return member.differs.includes(key) ? { text: `${text} *`, paint: colors.yellow } : text;
}
