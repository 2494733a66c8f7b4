/** Words the whole status of a gateway for a person. */
import type { AlarmCounts, GatewayStatus } from '../../api/view.ts';
import { programVersion } from '../../core/file-system.ts';
import { formatSize } from '../../core/quantity.ts';
import type { CliContext } from '../terminal/context.ts';
import { byState, formatCount, formatRate, formatSpan, formatTime, plain } from '../terminal/format.ts';
import { channelLines } from './status-channels.ts';
import { labelled, reasonLines } from './status-parts.ts';
import { storeLines, uplinkLines } from './status-store.ts';

/** What `status` shows of a gateway. */
export interface StatusDetail {
  /** Every device, however many are well. */
  readonly all?: boolean;
}

/** A certificate of the file that ends within this is shown in colour, ms. */
const ENDS_SOON_MS = 30 * 86_400_000;

/** The status of a running gateway, dense and calm, the worst first, at 80 columns and at other widths. */
export function statusLines(status: GatewayStatus, detail: StatusDetail, context: CliContext): string[] {
  return [
    ...gatewayLines(status, context),
    '',
    ...channelLines(status, detail.all ?? false, context),
    '',
    ...(status.uplinks.length > 0 ? [...uplinkLines(status, context), ''] : []),
    ...notifierLines(status, context),
    ...storeLines(status.store, status, context),
    '',
    ...apiLines(status, context),
    ...servingLines(status, context),
    ...processLines(status, context),
  ].flatMap((line) => line.split('\n'));
}

/** Who is told of alarms, and why not. */
function notifierLines({ notifiers = [] }: GatewayStatus, context: CliContext): string[] {
  if (notifiers.length === 0) return [];
  const lines = notifiers.flatMap(({ name, waiting, sent, reason }) => [
    labelled(
      'notify',
      `${plain(name)}  ${sent} sent${waiting > 0 ? `, ${waiting} ${waiting === 1 ? 'alarm waits' : 'alarms wait'} to be told` : ''}`,
      context,
    ),
    ...reasonLines(reason, context),
  ]);
  return [...lines, ''];
}

function gatewayLines(status: GatewayStatus, context: CliContext): string[] {
  const { colors } = context;
  const clock = status.clockKnown
    ? formatTime(status.nowMs, context)
    : colors.red('not set; readings are marked unsynced');
  const simulated = status.simulated ? `  ${colors.yellow('simulated')}` : '';
  const up = formatSpan(status.nowMs - status.startedMs);
  const troubles = troublesOf(status);
  const verdict = troubles.length > 0 ? colors.red(troubles.join(', ')) : colors.green(wellText(status));
  return [
    labelled('gateway', `${plain(status.gateway)}  ${byState(colors, 'running')} ${up}${simulated}`, context),
    labelled('', verdict, context),
    ...configNotes(status, context).map((note) => labelled('', colors.yellow(note), context)),
    ...(status.alarms.configured > 0 ? [labelled('alarms', alarmsText(status.alarms, context), context)] : []),
    labelled('readings', formatRate(status.readingsPerSecond), context),
    labelled('clock', clock, context),
  ];
}

/** What is not settled about the configuration in force. */
function configNotes({ config: { pending, onDisk }, pid }: GatewayStatus, context: CliContext): string[] {
  const { invocation } = context;
  if (pending) {
    const { awaits, confirmByMs, confirmedBy } = pending;
    const flow = awaits === 'data' ? 'waits for data' : 'data flows';
    if (confirmByMs === undefined || confirmedBy)
      return [`On trial; ${flow}. It is kept or rolled back by itself: ${invocation} apply --history tells`];
    const until = formatTime(confirmByMs, context, 'clock-seconds');
    return [`On trial; ${flow}. Type \`${invocation} confirm\` before ${until}, or it is rolled back`];
  }
  if (onDisk === 'different')
    return [
      `the file on the disk is not what runs: \`${invocation} diff\` shows how; to apply it: systemctl reload millgate, or kill -HUP ${pid} where no service runs it`,
    ];
  return onDisk === 'unreadable' ? ['the file on the disk cannot be read by the gateway'] : [];
}

/** What the gateway does when nothing is in its way. */
function wellText({ uplinks }: GatewayStatus): string {
  return uplinks.length > 0 ? 'polls, stores and delivers' : 'polls and stores';
}

/** What does not work as it should, in a few words each. What an alarm says of the machines is no trouble of the gateway. */
function troublesOf({ channels, uplinks, store, clockKnown, serving }: GatewayStatus): string[] {
  const devices = channels.filter(({ state }) => state === 'connected').flatMap((channel) => channel.devices);
  const offline = devices.filter(({ state }) => state === 'offline').length;
  const bad = devices.filter(({ state }) => state !== 'offline').reduce((sum, device) => sum + device.bad, 0);
  return [
    ...(store.trouble === undefined ? [] : ['the store does not commit']),
    ...counted(channels.filter(({ state }) => state !== 'connected').length, 'channel', 'not connected'),
    ...counted(offline, 'device', 'offline'),
    ...counted(bad, 'tag', offline > 0 ? 'bad besides' : 'bad'),
    ...counted(uplinks.filter(({ state }) => state !== 'connected').length, 'uplink', 'not connected'),
    ...counted(
      uplinks.filter(({ state, reason }) => state === 'connected' && reason !== undefined).length,
      'uplink',
      'held up in part',
    ),
    ...(serving?.modbus?.state === 'waiting' ? ['the Modbus server does not listen'] : []),
    ...(clockKnown ? [] : ['the clock is not set']),
  ];
}

function counted(number: number, noun: string, state: string): string[] {
  return number === 0 ? [] : [`${number} ${noun}${number === 1 ? '' : 's'} ${state}`];
}

/** How many stand, and what of them wants somebody. */
function alarmsText({ standing, unacked, silenced, flood }: AlarmCounts, { colors }: CliContext): string {
  const quiet = silenced > 0 ? `, ${silenced} silenced` : '';
  if (standing === 0) return `${colors.green('no alarm stands')}${quiet}`;
  const open = unacked > 0 ? `, ${unacked} not acknowledged` : '';
  const rush = flood ? `  ${colors.red('flood')}` : '';
  return `${colors.red(`${standing} standing`)}${open}${quiet}${rush}`;
}

/** Where the page is, and by what a browser that warns of its certificate can be told that it is the right one. */
function apiLines({ api, nowMs }: GatewayStatus, context: CliContext): string[] {
  if (!api) return [];
  const { certificate } = api;
  if (api.trouble !== undefined)
    return [labelled('page', context.colors.yellow(`not served on ${api.address}: ${api.trouble}`), context)];
  if (!certificate) return [labelled('page', api.address, context)];
  const { isSelfSigned, endsMs, fingerprint } = certificate;
  const ends = `${isSelfSigned ? 'self-signed, renewed before' : 'certificate ends'} ${formatTime(endsMs, context).slice(0, 10)}`;
  const isSoon = !isSelfSigned && endsMs - nowMs < ENDS_SOON_MS;
  return [
    labelled('page', `${api.address}, ${isSoon ? context.colors.yellow(ends) : ends}`, context),
    labelled('', `SHA-256 ${fingerprint.slice(0, 48)}`, context),
    labelled('', `        ${fingerprint.slice(48)}`, context),
  ];
}

/** Who is served by the Modbus server, where there is one. */
function servingLines({ serving }: GatewayStatus, context: CliContext): string[] {
  const server = serving?.modbus;
  if (!server) return [];
  if (server.state === 'waiting')
    return [
      labelled('serves', context.colors.red('Modbus: not listening'), context),
      ...reasonLines(server.reason, context),
    ];
  const { clients, requests, listen } = server;
  const exceptions = Object.values(server.exceptions).reduce((sum, count) => sum + count, 0);
  const masters = `${clients} ${clients === 1 ? 'master' : 'masters'} connected`;
  const answered = `${formatCount(requests)} requests, ${formatCount(exceptions)} answered with an exception`;
  const kept = server.refused > 0 ? `, ${formatCount(server.refused)} connections not let in` : '';
  return [labelled('serves', `Modbus on ${plain(listen)}: ${masters}; ${answered}${kept}`, context)];
}

function processLines({ version, pid, rssBytes, config }: GatewayStatus, context: CliContext): string[] {
  const ours = programVersion();
  const other = version === ours ? '' : context.colors.yellow(` (this command: ${ours})`);
  return [
    labelled('program', `millgate ${plain(version)}${other}, pid ${pid}, ${formatSize(rssBytes)} memory`, context),
    labelled('config', `${plain(config.file)} (${plain(config.hash)})`, context),
  ];
}
