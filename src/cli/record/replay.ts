/** The command `replay`: serves recorded channels as simulated devices. */
import { stringify } from 'yaml';
import type { RecordedChannel } from '../../../hal/recording/recording.ts';
import type { RecordedLine } from '../../../hal/recording/recording-exchanges.ts';
import { ReplayPlayer } from '../../../hal/recording/replay.ts';
import { serveReplay } from '../../../hal/recording/replay-server.ts';
import { EXIT, type ExitCode, Fault, messageOf } from '../../core/errors.ts';
import { parseDuration } from '../../core/quantity.ts';
import { type CliContext, type CommonOptions, print, printJson, warn } from '../terminal/context.ts';
import { formatCount, formatSpan, formatTime, plain } from '../terminal/format.ts';
import { type Recording, readRecording } from './replay-file.ts';

/** Options of `replay`. */
interface ReplayOptions extends CommonOptions {
  readonly channel?: readonly string[];
  readonly listen: string;
  readonly pty?: boolean;
  readonly speed: string;
  readonly strict?: boolean;
}

/** A channel that is being served. */
interface Served {
  readonly player: ReplayPlayer;
  readonly keys: ChannelKeys;
  close(): Promise<void> | void;
}

/** How many kinds of questions that are not in the recording are named. */
const MOST_NAMED = 20;

/**
 * `replay FILE`: serves the recorded channels until Ctrl-C and prints, as data, the channels to put into a configuration.
 * With `strict` it ends by itself: exit 1 at the first question that is not in the recording, 0 when a channel is played to
 * its end.
 */
export async function replay(path: string, options: ReplayOptions, context: CliContext): Promise<ExitCode> {
  const speed = speedOption(options.speed);
  const listen = listenOption(options.listen);
  const recording = await readRecording(path, context.cwd);
  const lines = playable(recording, options, context);
  introduce(path, recording, context);
  const done = new AbortController();
  const news = createNews(options.strict ?? false, context, done);
  const served: Served[] = [];
  try {
    for (const line of lines) {
      const port = listen.port === 0 ? 0 : listen.port + served.length;
      served.push(await serve(line, { speed, listen: { ...listen, port }, pty: options.pty ?? false, news, context }));
    }
    const channels = Object.fromEntries(served.map(({ player, keys }) => [player.line.name, keys]));
    if (options.json) printJson(context, { channels });
    else print(context, channelsYaml(channels));
    warn(context, ['Put these channels into a copy of the configuration, without its uplinks. Ctrl-C ends.']);
    await whenAborted(AbortSignal.any([context.signal, done.signal]));
  } finally {
    for (const each of served) await each.close();
  }
  warn(
    context,
    served.map(({ player }) => summary(player)),
  );
  const { reason } = done.signal;
  if (reason instanceof Fault) throw reason;
  return EXIT.ok;
}

/** What the players tell, on standard error, each thing once. */
function createNews(isStrict: boolean, context: CliContext, done: AbortController) {
  const named = new Set<string>();
  return {
    notRecorded(channel: string, request: string): void {
      const text = `${plain(channel)}: not in the recording: ${plain(request)}`;
      if (isStrict) done.abort(new Fault(`${text}`, 'Use the configuration that was recorded.'));
      if (named.has(text) || named.size >= MOST_NAMED) return;
      named.add(text);
      const last = named.size === MOST_NAMED ? ' Others are counted only.' : '';
      warn(context, [`${text}; answered as a device that a gateway cannot reach.${last}`]);
    },
    playedOut(channel: string): void {
      if (isStrict) done.abort('played');
      else warn(context, [`${plain(channel)}: played to its end; what is asked again is answered from its beginning.`]);
    },
    told(channel: string, text: string): void {
      if (!named.has(`${channel}: ${text}`)) warn(context, [`${plain(channel)}: ${text}`]);
      named.add(`${channel}: ${text}`);
    },
  };
}

interface Serving {
  readonly speed: number;
  readonly listen: { readonly host: string; readonly port: number };
  readonly pty: boolean;
  readonly news: ReturnType<typeof createNews>;
  readonly context: CliContext;
}

async function serve(line: RecordedLine, { speed, listen, pty, news, context }: Serving): Promise<Served> {
  const { clock } = context;
  const { name, channel } = line;
  const isOnPty = pty && channel.characterMs > 0;
  const player = new ReplayPlayer({
    line,
    clock,
    speed,
    overNetwork: !isOnPty,
    events: {
      onNotRecorded: (request) => news.notRecorded(name, request),
      onPlayedOut: () => news.playedOut(name),
    },
  });
  try {
    if (!isOnPty) {
      const server = await serveReplay({ player, ...listen, clock });
      return { player, keys: keysOnTcp(channel, listen.host, server.port, speed), close: () => server.close() };
    }
    const { openPty } = await import('../../../hal/recording/pty.ts');
    const opened = await openPty((bytes) => connection.receive(bytes));
    const connection = player.attach({
      send: (bytes) => opened.write(bytes),
      hangUp: (forMs) => {
        if (forMs > 0) news.told(name, 'the recording lost its port here; a pseudo terminal cannot be pulled out.');
      },
    });
    const close = (): void => {
      connection.end();
      opened.close();
    };
    return { player, keys: keysOnPty(channel, opened.path, speed), close };
  } catch (error) {
    if (error instanceof Error && error.name === 'NotConnected')
      throw new Fault(`${name}: ${messageOf(error)}`, '', EXIT.unavailable, { cause: error });
    throw error;
  }
}

/** The channels that can be served, and words about those that cannot. */
function playable(recording: Recording, { channel: names, pty }: ReplayOptions, context: CliContext): RecordedLine[] {
  const { header, lines } = recording;
  const there = lines.map(({ name }) => name);
  const wrong = names?.find((name) => !there.includes(name));
  if (wrong !== undefined)
    throw new Fault(
      `channel ${wrong}: it is not in the recording`,
      `The recording has: ${there.join(', ') || 'none'}.`,
      EXIT.usage,
    );
  const chosen = lines.filter(({ name }) => !names || names.includes(name));
  const isServed = (line: RecordedLine): boolean => {
    const left = leftOut(line, pty ?? false);
    if (left !== undefined) warn(context, [`Not replayed: ${plain(line.name)}: ${plain(left)}`]);
    return left === undefined;
  };
  const served = chosen.filter(isServed);
  for (const [name, driver] of Object.entries(header.notRecorded))
    warn(context, [`Not in the recording: ${plain(name)}; ${plain(driver)} carries no bytes.`]);
  if (served.length === 0)
    throw new Fault('nothing in this recording can be replayed', 'The lines above say why of each channel.');
  return served;
}

function leftOut({ channel, exchanges, uncalled, failure }: RecordedLine, pty: boolean): string | undefined {
  if (exchanges.length + uncalled.length === 0)
    return failure === undefined ? 'nothing was sent or received.' : `it was never connected: ${failure}`;
  if (channel.framing === 'text' && !pty) return 'lines of text come from a serial port. Add --pty.';
  return undefined;
}

function introduce(path: string, { header, end, damaged, lastUs, lines }: Recording, context: CliContext): void {
  const { gateway, wallMs, config } = header;
  const from = `${formatTime(wallMs, {})}${header.clockKnown ? '' : ' (by a clock that was not set)'}`;
  warn(context, [
    `${path}: ${formatSpan(lastUs / 1000)} of ${plain(gateway)} from ${from}, configuration ${plain(config.hash)}.`,
    ...(end === undefined ? ['It has no end: it was cut off while recording.'] : []),
    ...(damaged
      ? [`${formatCount(damaged.count)} of its lines cannot be read and are left out, the first is ${damaged.first}.`]
      : []),
    ...lines.flatMap(({ name, strayBytes }) =>
      strayBytes > 0
        ? [`${plain(name)}: ${formatCount(strayBytes)} bytes came before the first question; left out.`]
        : [],
    ),
  ]);
}

function summary({ line, counts }: ReplayPlayer): string {
  const { asked, recorded, notRecorded, played } = counts;
  const share = `${formatCount(played)} of ${formatCount(line.exchanges.length)} recorded exchanges played`;
  return `${plain(line.name)}: ${formatCount(asked)} questions, ${formatCount(recorded)} in the recording, ${formatCount(notRecorded)} not; ${share}.`;
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Slowest and fastest replay: beyond, timers cannot keep the rests between bytes. */
const SPEEDS = { least: 0.01, most: 100 } as const;

function speedOption(text: string): number {
  const speed = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (speed >= SPEEDS.least && speed <= SPEEDS.most) return speed;
  throw new Fault(
    `--speed ${text}: not a number from ${SPEEDS.least} to ${SPEEDS.most}`,
    'Write 1, 0.5 or 10.',
    EXIT.usage,
  );
}

function listenOption(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (match && port <= 65_535) return { host: (match[1] ?? match[2])!, port };
  throw new Fault(
    `--listen ${text}: not an address with a port`,
    'Write 127.0.0.1:1502, or 127.0.0.1:0 for any.',
    EXIT.usage,
  );
}

/** Keys of a channel as a configuration file has them. */
type ChannelKeys = Readonly<Record<string, string | number>>;

/** Keys of a serial line that a network has not. */
const SERIAL_KEYS = new Set(['port', 'baud', 'parity', 'dataBits', 'stopBits']);

/** Keys that are durations, which a faster replay shortens. */
const TIMES = new Set(['timeout', 'pause', 'idle']);

/** A duration of the configuration has no less than this, ms. */
const SHORTEST_MS = { timeout: 1, pause: 0, idle: 20 } as const;

/** The channel as it is read from the replay over TCP; frames of a serial line come as RTU over TCP. */
function keysOnTcp(channel: RecordedChannel, host: string, port: number, speed: number): ChannelKeys {
  const framing = channel.framing === 'tcp' ? 'tcp' : 'rtu';
  const others = Object.entries(channel.settings).filter(
    ([key]) => !SERIAL_KEYS.has(key) && key !== 'host' && key !== 'framing',
  );
  return { driver: 'modbus-tcp', host, port, framing, ...timed(others, speed) };
}

/** The channel as it is read from a replay on a pseudo terminal. */
function keysOnPty(channel: RecordedChannel, port: string, speed: number): ChannelKeys {
  return { driver: channel.driver, ...timed(Object.entries(channel.settings), speed), port };
}

/** Channels as a part of a configuration file, for copying. */
function channelsYaml(channels: Readonly<Record<string, ChannelKeys>>): string[] {
  const flow = { collectionStyle: 'flow', lineWidth: 0 } as const;
  const line = (value: unknown): string => stringify(value, flow).trimEnd();
  return ['channels:', ...Object.entries(channels).map(([name, keys]) => `  ${line(name)}: ${line(keys)}`)];
}

function timed(entries: readonly (readonly [string, string | number])[], speed: number): ChannelKeys {
  return Object.fromEntries(
    entries.map(([key, value]) => {
      const ms = TIMES.has(key) && typeof value === 'string' ? parseDuration(value) : undefined;
      if (ms === undefined || speed === 1) return [key, value];
      const shortestMs = SHORTEST_MS[key as keyof typeof SHORTEST_MS];
      return [key, `${Number(Math.max(shortestMs, ms / speed).toFixed(3))}ms`];
    }),
  );
}
