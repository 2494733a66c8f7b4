import { decodeLine } from '../../hal/recording/recording.ts';
import { Fault } from '../core/errors.ts';
import { type CliContext, tableWidth } from './terminal/context.ts';
import { formatCount, plain } from './terminal/format.ts';
import { type Column, renderTable } from './terminal/table.ts';

/** What was recorded of one channel. */
export interface ChannelTally {
  /** Pieces sent and received, and bytes received. */
  sent: number;
  received: number;
  bytesReceived: number;
  /** Connections that failed or were lost, and why the last one was. */
  losses: number;
  reason: string | undefined;
}

/** Counts what goes into a recording. */
export interface Tally {
  /** Takes lines that were written; `bytes`: size of the file now. */
  count(lines: readonly string[], bytes: number): void;
  bytes(): number;
  header(): { readonly recorded: readonly string[]; readonly notRecorded: Readonly<Record<string, string>> };
  channels(): Readonly<Record<string, ChannelTally>>;
  /** A table, no wider than the terminal, and under it the channels that are not connected. */
  lines(context: CliContext): string[];
}

const COLUMNS: readonly Column[] = [
  { title: 'channel', cut: 'end', minWidth: 8 },
  { title: 'sent', align: 'right' },
  { title: 'received', align: 'right' },
  { title: 'bytes in', align: 'right', drop: 1 },
  { title: 'lost', align: 'right' },
];

/** A tally of a recording; `path` is for messages. Throws `Fault` for what is no line of a recording. */
export function createTally(path: string): Tally {
  const channels: Record<string, ChannelTally> = {};
  let notRecorded: Readonly<Record<string, string>> = {};
  let size = 0;
  const tallyOf = (name: string): ChannelTally => {
    channels[name] ??= { sent: 0, received: 0, bytesReceived: 0, losses: 0, reason: undefined };
    return channels[name];
  };
  const take = (text: string): void => {
    const decoded = decodeLine(text);
    if (!decoded.ok)
      throw new Fault(
        `${path}: the gateway sends a recording that this command does not know. ` +
          'Restart the gateway after an update: systemctl restart millgate.',
      );
    const { line } = decoded;
    if (line.kind === 'header') {
      notRecorded = line.header.notRecorded;
      for (const name of Object.keys(line.header.channels)) tallyOf(name);
    } else if (line.kind === 'event') {
      const { channel, event } = line.recorded;
      const tally = tallyOf(channel);
      if (event.what === 'out') tally.sent++;
      else if (event.what === 'in') {
        tally.received++;
        tally.bytesReceived += event.bytes.length;
      } else if (event.what === 'open') tally.reason = undefined;
      else if ('why' in event) {
        tally.losses++;
        tally.reason = event.why;
      }
    }
  };
  return {
    count(lines, bytes) {
      for (const line of lines) take(line);
      size = bytes;
    },
    bytes: () => size,
    header: () => ({ recorded: Object.keys(channels), notRecorded }),
    channels: () => channels,
    lines(context) {
      const rows = Object.entries(channels).map(([name, tally]) => [
        plain(name),
        ...[tally.sent, tally.received, tally.bytesReceived, tally.losses].map(formatCount),
      ]);
      const reasons = Object.entries(channels).flatMap(([name, { reason }]) =>
        reason === undefined ? [] : [`${plain(name)}: ${plain(reason)}`],
      );
      return [...renderTable(COLUMNS, rows, tableWidth(context), context.colors.dim), ...reasons];
    },
  };
}
