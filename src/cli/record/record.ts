import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { formatSize, parseSize } from '../../core/quantity.ts';
import { noGateway, runningGateway } from '../client.ts';
import { pollingLines } from '../record-polling.ts';
import { createTally, type Tally } from '../record-tally.ts';
import { type CliContext, type CommonOptions, print, printJson, warn } from '../terminal/context.ts';
import { durationOption } from '../terminal/duration.ts';
import { formatSpan, plain } from '../terminal/format.ts';
import { fit, openScreen } from '../terminal/screen.ts';
import { openRecordingFile, type RecordingFile } from './record-file.ts';

/** Options of `record`. */
export interface RecordOptions extends CommonOptions {
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
  const gateway = await runningGateway(options, context);
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
  throw new Fault(`--max-size ${text}: not a size of 10kB or more. Write 500kB, 50MB or 1GB.`, EXIT.usage);
}
