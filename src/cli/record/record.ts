/** The command `record`: writes bus traffic with its timing to one file. */
import { decodeLine } from '../../../hal/recording/recording.ts';
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { programVersion } from '../../core/file-system.ts';
import { createLogger } from '../../core/log.ts';
import { formatSize, parseSize } from '../../core/quantity.ts';
import { seededRandom } from '../../core/random.ts';
import { noGateway } from '../client.ts';
import { loadOrFail } from '../configuration.ts';
import { ownerOf } from '../owner.ts';
import { type CliContext, type CommonOptions, print, printJson, tableWidth, warn } from '../terminal/context.ts';
import { durationOption } from '../terminal/duration.ts';
import { formatCount, formatSpan, plain } from '../terminal/format.ts';
import { fit, openScreen } from '../terminal/screen.ts';
import { type Column, renderTable } from '../terminal/table.ts';
import { openRecordingFile, type RecordingFile } from './record-file.ts';

/** Options of `record`. */
interface RecordOptions extends CommonOptions {
  readonly channel?: readonly string[];
  readonly for?: string;
  readonly maxSize: string;
  readonly overwrite?: boolean;
}

/** How often the counters are redrawn on a terminal, ms. */
const REDRAW_EVERY_MS = 500;

/** The smallest recording that is worth a file. */
const LEAST_BYTES = 10_000;

/** How a recording ended, as its last line says it. */
const ENDS = {
  interrupted: 'ended by hand',
  time: 'the time was up',
  size: 'the size was reached',
  gone: 'the gateway went away, or broke the recording off',
} as const;

/**
 * `record FILE`: bus traffic with its timing to one file. Through the gateway if it runs, whose own polling is then
 * recorded and not disturbed; else the channels are opened and polled as the configuration says. Ends with Ctrl-C, after
 * the time or at the size given (exit 0), or when the gateway goes away (exit 69); the file is good in any case.
 */
export async function record(path: string, options: RecordOptions, context: CliContext): Promise<ExitCode> {
  const forMs = options.for === undefined ? undefined : durationOption('for', options.for);
  const maxBytes = sizeOption(options.maxSize);
  const channels = options.channel ?? [];
  const timeIsUp = new AbortController();
  const stop = AbortSignal.any([context.signal, timeIsUp.signal]);
  const gateway = await ownerOf(options, context);
  const query = channels.map((name) => `channel=${encodeURIComponent(name)}`).join('&');
  const source = gateway
    ? gateway.lines(`/api/v1/record?${query}`, stop)
    : pollingLines(channels, options, context, stop);
  const tally = createTally(path);
  const cancel = forMs === undefined ? () => {} : context.clock.after(forMs, () => timeIsUp.abort());
  let file: RecordingFile | undefined;
  let end: keyof typeof ENDS = 'gone';
  const show = showing(tally, options, context, gateway !== undefined);
  try {
    for await (const lines of source) {
      file ??= openRecordingFile(path, { cwd: context.cwd, overwrite: options.overwrite ?? false, maxBytes });
      const written = file.append(lines);
      tally.count(written, file.bytes);
      show.begin();
      if (written.length === lines.length) continue;
      end = 'size';
      break;
    }
    if (end !== 'size' && stop.aborted) end = context.signal.aborted ? 'interrupted' : 'time';
  } catch (error) {
    if (!stop.aborted || error !== stop.reason) throw error;
    end = context.signal.aborted ? 'interrupted' : 'time';
  } finally {
    cancel();
    show.end();
    file?.close(ENDS[end]);
  }
  if (!file) return EXIT.ok;
  if (options.json) printJson(context, { file: path, bytes: file.bytes, end: ENDS[end], channels: tally.channels() });
  else print(context, [...tally.lines(context), `${path}: ${formatSize(file.bytes)}; ${ENDS[end]}.`]);
  if (end === 'gone' && gateway) throw noGateway(gateway.socketPath);
  return EXIT.ok;
}

/** Tells how it goes: in place on a terminal, else what begins, once. */
function showing(tally: Tally, options: RecordOptions, context: CliContext, isDaemon: boolean) {
  const how = isDaemon
    ? 'as the gateway polls'
    : 'polling by itself, since no gateway runs; nothing is stored or written to devices';
  const ended = new AbortController();
  let hasBegun = false;
  return {
    begin(): void {
      if (hasBegun) return;
      hasBegun = true;
      const { recorded, notRecorded } = tally.header();
      warn(context, [`Recording ${recorded.map(plain).join(', ')} ${how}. Ctrl-C ends it.`]);
      for (const [name, driver] of Object.entries(notRecorded))
        warn(context, [`Not recorded: ${plain(name)}; ${plain(driver)} carries no bytes.`]);
      if (context.isTerminal && !options.json) void draw(tally, context, ended.signal);
    },
    end: () => ended.abort(),
  };
}

async function draw(tally: Tally, context: CliContext, until: AbortSignal): Promise<void> {
  const screen = openScreen(context);
  const startMs = context.clock.monoMs();
  until.addEventListener('abort', () => screen.close(), { once: true });
  while (!until.aborted) {
    const span = formatSpan(context.clock.monoMs() - startMs);
    const head = fit(context, `Recording for ${span}, ${formatSize(tally.bytes())}`);
    screen.draw([context.colors.bold(head), '', ...tally.lines(context), '', context.colors.dim('Ctrl-C ends')]);
    await context.clock.sleep(REDRAW_EVERY_MS, until).catch(() => {});
  }
}

function sizeOption(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes >= LEAST_BYTES) return bytes;
  throw new Fault(`--max-size ${text}: not a size of 10kB or more`, 'Write 500kB, 50MB or 1GB.', EXIT.usage);
}

/** How often what happened is handed on, ms. */
const HAND_ON_EVERY_MS = 100;

/** Lines that may wait to be written; more than a minute of a very busy machine. */
const MAX_WAITING_LINES = 200_000;

/**
 * The lines of a recording where no gateway runs: opens the channels of the configuration and polls them as it says, until
 * the signal. Throws `Fault` for a broken file or a channel that cannot be recorded.
 */
async function* pollingLines(
  channels: readonly string[],
  options: CommonOptions,
  context: CliContext,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  const { clock } = context;
  const config = await loadOrFail(options, context);
  const { createPollingAlone } = await import('../../gateway/poll-alone.ts');
  const log = createLogger(clock, (line) => warn(context, [line]), 'warn');
  const random = seededRandom(Math.floor(clock.wallMs()));
  const polling = createPollingAlone({ config, version: programVersion(), clock, log, random });
  const waiting: string[] = [];
  const endRecording = polling.record(channels, (line) => void waiting.push(line));
  const ended = new AbortController();
  let failure: { readonly cause: unknown } | undefined;
  const polls = polling.poll(channels, AbortSignal.any([signal, ended.signal])).catch((cause: unknown) => {
    failure = { cause };
  });
  try {
    while (!signal.aborted) {
      if (waiting.length > MAX_WAITING_LINES)
        throw new Fault(
          'the disk is too slow for this recording',
          'Record fewer channels: --channel NAME.',
          EXIT.failed,
        );
      if (waiting.length > 0) yield waiting.splice(0);
      if (failure) throw failure.cause;
      await clock.sleep(HAND_ON_EVERY_MS, signal).catch(() => {});
    }
    ended.abort();
    await polls;
    if (waiting.length > 0) yield waiting.splice(0);
  } finally {
    ended.abort();
    await polls;
    endRecording();
  }
}

/** What was recorded of one channel. */
interface ChannelTally {
  /** Pieces sent and received, and bytes received. */
  sent: number;
  received: number;
  bytesReceived: number;
  /** Connections that failed or were lost, and why the last one was. */
  losses: number;
  reason: string | undefined;
}

/** Counts what goes into a recording. */
interface Tally {
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
function createTally(path: string): Tally {
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
        `${path}: the gateway sends a recording that this command does not know`,
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
