import type { AlarmCounts, ChannelStatus, DeviceStatus, GatewayStatus } from '../api/view.ts';
import { formatSize } from '../core/quantity.ts';
import type { StoreStatus } from '../store/store.ts';
import type { CliContext } from './context.ts';
import { byState, formatCount, formatRate, formatShare, formatSpan, formatTime, plain } from './format.ts';
import { entryText } from './ledger.ts';
import { type Cell, displayWidth, renderTable, wrapText } from './table.ts';

/** Width of the words at the left. */
const LABEL_WIDTH = 9;

/** Losses that are listed; `status --ledger` has them all. */
const SHOWN_LOSSES = 5;

/** Bytes that came uncalled: fewer than this are the stray ones of any line. */
const MANY_BYTES = 256;

/** The status of a running gateway, dense and calm, at 80 columns and at other widths. */
export function statusLines(status: GatewayStatus, context: CliContext): string[] {
  return [
    ...gatewayLines(status, context),
    '',
    ...channelLines(status, context),
    '',
    ...storeLines(status.store, status.nowMs, context),
    ...(status.uplinks.length > 0 ? ['', ...uplinkLines(status, context)] : []),
  ];
}

function gatewayLines(status: GatewayStatus, context: CliContext): string[] {
  const { colors } = context;
  const clock = status.clockKnown ? formatTime(status.nowMs) : colors.red('not set; readings are marked unsynced');
  const simulated = status.simulated ? `  ${colors.yellow('simulated')}` : '';
  const up = formatSpan(status.nowMs - status.startedMs);
  return [
    labelled('gateway', `${status.gateway}  ${byState(colors, 'running')} ${up}${simulated}`, context),
    labelled('', `millgate ${status.version}, pid ${status.pid}, ${formatSize(status.rssBytes)} memory`, context),
    labelled('config', `${status.config.file} (${status.config.hash})`, context),
    ...configNotes(status.config, context).map((note) => labelled('', context.colors.yellow(note), context)),
    labelled('clock', clock, context),
    labelled('readings', formatRate(status.readingsPerSecond), context),
    ...(status.alarms.configured > 0 ? [labelled('alarms', alarmsText(status.alarms, context), context)] : []),
  ];
}

/** What is not settled about the configuration in force. */
function configNotes({ pending, onDisk }: GatewayStatus['config'], { invocation }: CliContext): string[] {
  if (pending) {
    const { by, awaits, confirmByMs, confirmedBy } = pending;
    const until =
      confirmByMs === undefined || confirmedBy ? '' : ` and ${invocation} confirm until ${formatTime(confirmByMs)}`;
    return [`on trial, applied by ${plain(by)}; ${awaits === 'data' ? 'waits for data' : 'data flows; waits'}${until}`];
  }
  if (onDisk === 'different')
    return [
      `the file on the disk is not what runs: ${invocation} diff shows how, systemctl reload millgate applies it`,
    ];
  return onDisk === 'unreadable' ? ['the file on the disk cannot be read by the gateway'] : [];
}

/** How many stand, and what of them wants somebody. */
function alarmsText({ standing, unacked, silenced, flood }: AlarmCounts, { colors }: CliContext): string {
  const quiet = silenced > 0 ? `, ${silenced} silenced` : '';
  if (standing === 0) return `${colors.green('none stands')}${quiet}`;
  const open = unacked > 0 ? `, ${unacked} not acknowledged` : '';
  const rush = flood ? `  ${colors.red('flood')}` : '';
  return `${colors.red(`${standing} standing`)}${open}${quiet}${rush}`;
}

function channelLines({ channels, nowMs }: GatewayStatus, context: CliContext): string[] {
  const rows: Cell[][] = [];
  const notes: string[][] = [];
  for (const channel of channels) {
    rows.push(channelRow(channel, nowMs, context));
    notes.push([...reasonLines(channel.reason, context), ...warningLines(channel, context)]);
    for (const device of channel.devices) {
      rows.push(deviceRow(device, channel, context));
      notes.push(reasonLines(device.reason, context));
    }
  }
  const table = renderTable(
    [
      { title: 'channel', cut: 'end', minWidth: 10 },
      { title: 'state' },
      { title: 'for', align: 'right', drop: 4 },
      { title: 'driver / tags' },
      { title: 'line', align: 'right', drop: 1 },
      { title: 'skipped / errors', align: 'right', drop: 2 },
      { title: 'p95', align: 'right', drop: 3 },
    ],
    rows,
    context.columns(),
    context.colors.dim,
  );
  return [table[0]!, ...table.slice(1).flatMap((line, index) => [line, ...notes[index]!])];
}

function channelRow(channel: ChannelStatus, nowMs: number, { colors }: CliContext): Cell[] {
  return [
    { text: channel.name, paint: colors.bold },
    { text: channel.state, paint: (text) => byState(colors, text) },
    formatSpan(nowMs - channel.sinceMs).split(' ')[0]!,
    channel.simulated && channel.driver !== 'mock' ? `${channel.driver} (simulated)` : channel.driver,
    channel.utilisation === undefined ? '' : formatShare(channel.utilisation),
    count(channel.skipped, colors.yellow),
    '',
  ];
}

function deviceRow(device: DeviceStatus, channel: ChannelStatus, { colors }: CliContext): Cell[] {
  const errors = (device.timeouts ?? 0) + (device.garbled ?? 0) + (device.exceptions ?? 0);
  const parts = [
    [device.good, 'good'],
    [device.uncertain, 'uncertain'],
    [device.bad, 'bad'],
  ] as const;
  const tags = parts.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
  return [
    `  ${device.name}`,
    { text: device.state, paint: (text) => byState(colors, text) },
    '',
    tags.length > 0 ? tags.join(', ') : `${device.tags} tags`,
    lineShare(device, channel),
    device.requests === undefined ? '' : count(errors, colors.yellow),
    device.responseMsP95 === undefined ? '' : `${Math.round(device.responseMsP95)}ms`,
  ];
}

/** The part of the line's use that is spent on a device. */
function lineShare(device: DeviceStatus, { busyMs, utilisation }: ChannelStatus): string {
  if (device.busyMs === undefined || utilisation === undefined || !busyMs) return '';
  return formatShare((utilisation * device.busyMs) / busyMs);
}

/** What the counters of a line say that a technician should know. */
function warningLines(channel: ChannelStatus, { colors, columns }: CliContext): string[] {
  const { plannedUtilisation, echoes = 0, unsolicitedBytes = 0 } = channel;
  const warnings = [
    ...(plannedUtilisation > 1
      ? [`the periods ask for ${formatShare(plannedUtilisation)} of the line's time, so scans are skipped; see check`]
      : []),
    ...(echoes > 0 ? ['the adapter echoes what is sent; switch its echo off if it can'] : []),
    ...(unsolicitedBytes > MANY_BYTES
      ? [`${formatCount(unsolicitedBytes)} bytes came uncalled: another master on the line, noise, or late replies`]
      : []),
  ];
  return warnings
    .flatMap((text) => wrapText(text, Math.max(20, columns() - 4)))
    .map((line) => `    ${colors.yellow(line)}`);
}

function storeLines(store: StoreStatus, nowMs: number, context: CliContext): string[] {
  const { colors } = context;
  const share = store.maxBytes > 0 ? store.bytes / store.maxBytes : 0;
  const size = `${formatSize(store.bytes)} of ${formatSize(store.maxBytes)} (${formatShare(share)})`;
  const { oldest, next } = store;
  const held = next.readings - oldest.readings;
  const records = held > 0 ? `, records ${formatCount(oldest.readings)}–${formatCount(next.readings - 1)}` : '';
  const last = store.lastCommitMs === undefined ? 'none yet' : `${formatSpan(nowMs - store.lastCommitMs)} ago`;
  const lost = store.losses.reduce((total, { count: number }) => total + number, 0);
  return [
    labelled('store', `${size}${records}`, context),
    labelled('', `last commit ${last}`, context),
    ...(store.trouble === undefined ? [] : reasonLines(store.trouble, context)),
    ...(lost === 0 ? [] : [labelled('lost', colors.red(`${formatCount(lost)} records and events`), context)]),
    ...store.ledger.slice(-SHOWN_LOSSES).map((entry) => labelled('', entryText(entry), context)),
  ];
}

function uplinkLines({ uplinks, nowMs }: GatewayStatus, context: CliContext): string[] {
  const table = renderTable(
    [
      { title: 'uplink', cut: 'end', minWidth: 10 },
      { title: 'state' },
      { title: 'for', align: 'right', drop: 3 },
      { title: 'pending', align: 'right' },
      { title: 'delivered', align: 'right', drop: 1 },
      { title: 'refused', align: 'right', drop: 2 },
      { title: 'caught up in', align: 'right', drop: 4 },
    ],
    uplinks.map((uplink) => uplinkRow(uplink, nowMs, context)),
    context.columns(),
    context.colors.dim,
  );
  return [
    table[0]!,
    ...table.slice(1).flatMap((line, index) => [line, ...reasonLines(uplinks[index]!.reason, context)]),
  ];
}

function uplinkRow(uplink: GatewayStatus['uplinks'][number], nowMs: number, { colors }: CliContext): Cell[] {
  return [
    { text: uplink.name, paint: colors.bold },
    { text: uplink.state, paint: (text) => byState(colors, text) },
    formatSpan(nowMs - uplink.sinceMs).split(' ')[0]!,
    count(uplink.pendingRecords + uplink.pendingEvents, colors.yellow),
    formatCount(uplink.deliveredRecords + uplink.deliveredEvents),
    count(uplink.quarantinedRecords, colors.red),
    uplink.catchUpSeconds === undefined ? '' : formatSpan(uplink.catchUpSeconds * 1000),
  ];
}

/** A count that is coloured when it is not zero. */
function count(number: number, paint: (text: string) => string): Cell {
  return number > 0 ? { text: formatCount(number), paint } : '0';
}

/** Why something does not work, below it and indented. */
function reasonLines(reason: string | undefined, { colors, columns }: CliContext): string[] {
  if (reason === undefined) return [];
  return wrapText(plain(reason), Math.max(20, columns() - 4)).map((line) => `    ${colors.red(line)}`);
}

/** A word at the left and text beside it, wrapped below itself. */
function labelled(label: string, text: string, { colors, columns }: CliContext): string {
  const indent = ' '.repeat(LABEL_WIDTH);
  const lines = wrapText(text, Math.max(20, columns() - LABEL_WIDTH));
  const head = colors.bold(label) + ' '.repeat(LABEL_WIDTH - displayWidth(label));
  return `${head}${lines.join(`\n${indent}`)}`;
}
