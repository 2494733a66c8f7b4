/** Words channels and devices for `status`, those with trouble first. */
import type { ChannelStatus, DeviceStatus, GatewayStatus } from '../../api/view.ts';
import { type CliContext, tableWidth } from '../terminal/context.ts';
import { byState, formatAge, formatCount, formatShare } from '../terminal/format.ts';
import { type Cell, renderTable, wrapText } from '../terminal/table.ts';
import { reasonLines, worstFirst } from './status-parts.ts';

/** Bytes that came uncalled: fewer than this are the stray ones of any line. */
const MANY_BYTES = 256;

/** Devices of one channel that are shown although nothing is wrong with them; `--all` shows the rest. */
const SHOWN_WELL = 8;

/** Above this share of failed requests a line or a device wants a look. */
const MANY_ERRORS = 0.01;

/** Channels and devices, those with trouble first, each with its reason below it. */
export function channelLines({ channels, nowMs }: GatewayStatus, all: boolean, context: CliContext): string[] {
  const rows: Cell[][] = [];
  const notes: string[][] = [];
  for (const channel of worstFirst(channels, badnessOfChannel)) {
    const devices = worstFirst(channel.devices, badnessOfDevice);
    const well = devices.filter((device) => badnessOfDevice(device) === 0);
    const hidden = all ? 0 : Math.max(0, well.length - SHOWN_WELL);
    rows.push(channelRow(channel, nowMs, context));
    notes.push([...reasonLines(channel.reason, context), ...warningLines(channel, context)]);
    for (const device of devices.slice(0, devices.length - hidden)) {
      rows.push(deviceRow(device, channel, nowMs, context));
      notes.push(reasonLines(device.reason, context));
    }
    if (hidden > 0) notes.at(-1)?.push(context.colors.dim(`  … ${hidden} more, all well; --all shows them`));
  }
  const table = renderTable(
    [
      { title: 'channel', cut: 'end', minWidth: 10 },
      { title: 'state' },
      { title: 'for', align: 'right', drop: 3 },
      { title: 'tags', cut: 'end', minWidth: 10 },
      { title: 'line', align: 'right', drop: 4 },
      { title: 'errors', align: 'right', drop: 1 },
      { title: 'skipped', align: 'right', drop: 5 },
      { title: 'p95', align: 'right', drop: 2 },
    ],
    rows,
    tableWidth(context),
    context.colors.dim,
  );
  return [table[0]!, ...table.slice(1).flatMap((line, index) => [line, ...notes[index]!])];
}

function badnessOfChannel(channel: ChannelStatus): number {
  const worst = Math.max(0, ...channel.devices.map(badnessOfDevice));
  return { stopped: 6, waiting: 6, connecting: 5, connected: worst }[channel.state] ?? 6;
}

function badnessOfDevice(device: DeviceStatus): number {
  if (device.state === 'offline') return 4;
  if (device.state === 'degraded') return 3;
  if (device.bad > 0) return 2;
  return device.uncertain > 0 || errorShare(device) > MANY_ERRORS ? 1 : 0;
}

function channelRow(channel: ChannelStatus, nowMs: number, { colors }: CliContext): Cell[] {
  return [
    { text: channel.name, paint: colors.bold },
    { text: channel.state, paint: (text) => byState(colors, text) },
    formatAge(Math.max(0, nowMs - channel.sinceMs)),
    channel.simulated && channel.driver !== 'mock' ? `${channel.driver} (simulated)` : channel.driver,
    channel.utilisation === undefined ? '' : formatShare(channel.utilisation),
    '',
    shareCell(channel.skipped / Math.max(1, channel.scans + channel.skipped), colors.yellow),
    '',
  ];
}

function deviceRow(device: DeviceStatus, channel: ChannelStatus, nowMs: number, { colors }: CliContext): Cell[] {
  const parts = [
    [device.bad, 'bad'],
    [device.uncertain, 'uncertain'],
    [device.good, 'good'],
  ] as const;
  const tags = parts.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
  const isWell = device.bad === 0 && device.uncertain === 0;
  return [
    `  ${device.name}`,
    { text: device.state, paint: (text) => byState(colors, text) },
    // A gateway of an older version does not say since when.
    typeof device.sinceMs === 'number' ? formatAge(Math.max(0, nowMs - device.sinceMs)) : '',
    { text: tags.join(', ') || `${device.tags} tags`, paint: isWell ? String : colors.yellow },
    lineShare(device, channel),
    errorCell(device, colors.yellow),
    '',
    device.responseMsP95 === undefined ? '' : `${Math.round(device.responseMsP95)}ms`,
  ];
}

function errorsOf({ timeouts = 0, garbled = 0, exceptions = 0 }: DeviceStatus): number {
  return timeouts + garbled + exceptions;
}

/** The part of its requests that a device did not answer as it should, 0…1. */
function errorShare(device: DeviceStatus): number {
  return device.requests ? Math.min(1, errorsOf(device) / device.requests) : 0;
}

function errorCell(device: DeviceStatus, paint: (text: string) => string): Cell {
  return device.requests === undefined ? '' : shareCell(errorShare(device), paint);
}

/** A share of what went wrong, exact where it is small, and coloured where it wants a look. */
function shareCell(share: number, paint: (text: string) => string): Cell {
  if (share === 0) return '0 %';
  const text = share < 0.001 ? '<0.1 %' : `${(share * 100).toPrecision(share < 0.1 ? 1 : 2)} %`;
  return { text: share === 1 ? '100 %' : text, paint: share > MANY_ERRORS ? paint : String };
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
