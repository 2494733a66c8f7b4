/** The command `watch`: a live table of tags, or one line a reading. */
import type { JsonHistory, JsonReading, JsonTag } from '../api/json.ts';
import type { AlarmsView, AlarmView } from '../api/rules-view.ts';
import type { GatewayStatus } from '../api/view.ts';
import { EXIT, type ExitCode, messageOf } from '../core/errors.ts';
import type { Shown } from '../core/reading.ts';
import { alarmTable, standing } from './alarms.ts';
import { createClient, findGateway, type GatewayClient, historyPath, noGateway } from './client.ts';
import { selectTags } from './select.ts';
import { type CliContext, type CommonOptions, print } from './terminal/context.ts';
import { formatSpan, formatTime, formatValue, plain } from './terminal/format.ts';
import { showLive } from './terminal/live.ts';
import type { Sort } from './terminal/live-table.ts';
import { createLiveTable, type LiveTable } from './terminal/live-table.ts';
import { fit, hasScreen } from './terminal/screen.ts';
import { TREND_MS } from './terminal/sparkline.ts';
import { wrapText } from './terminal/table.ts';

/** More tags than this are not named to the gateway but picked from all; a request line has its limits. */
const MAX_NAMED_TAGS = 100;

/** How long to wait before asking a gateway that went away again, ms. */
const RETRY_MS = 1000;

/** Of more tags than this the trend begins empty: asking for what they did would keep the gateway from its work. */
const MAX_REMEMBERED_TAGS = 60;

/** Readings of the past that are asked of one tag at most. */
const MAX_REMEMBERED_READINGS = 1000;

/** How often the alarms are asked for, ms, and how many of them are shown. */
const ALARMS_EVERY_MS = 2000;
const MAX_SHOWN_ALARMS = 5;

/** Options of `watch`. */
interface WatchOptions extends CommonOptions {
  readonly sort?: Sort;
}

/**
 * `watch [TAG…]`: a live table on a terminal; elsewhere, and with `--json`, one line a reading. Ends with Ctrl-C; off a
 * terminal also (exit 69) when the gateway goes away.
 */
export async function watch(
  patterns: readonly string[],
  options: WatchOptions,
  context: CliContext,
): Promise<ExitCode> {
  const gateway = await findGateway(options, context);
  const tags = await tagsOf(gateway, patterns);
  if (hasScreen(context) && !options.json) await watchTable(gateway, patterns, tags, options, context);
  else await watchLines(gateway, streamPath(patterns, tags), tags, options, context);
  return EXIT.ok;
}

/** The tags that the patterns name, in the order of the gateway. */
async function tagsOf(gateway: GatewayClient, patterns: readonly string[]): Promise<JsonTag[]> {
  const known = await gateway.get<JsonTag[]>('/api/v1/tags');
  const selected = new Set(
    selectTags(
      patterns,
      known.map(({ tag }) => tag),
    ),
  );
  return known.filter(({ tag }) => selected.has(tag));
}

function streamPath(patterns: readonly string[], tags: readonly JsonTag[]): string {
  const named = patterns.length > 0 && tags.length <= MAX_NAMED_TAGS;
  return `/api/v1/stream${named ? `?${tags.map(({ tag }) => `tag=${encodeURIComponent(tag)}`).join('&')}` : ''}`;
}

/** What a live table shows beside its readings. */
interface Watching {
  table: LiveTable;
  /** Why no readings come, and since when on the monotonic clock; undefined while they come. */
  trouble: { readonly text: string; readonly sinceMonoMs: number } | undefined;
  /** What the client has to say, such as that the gateway is of another version. */
  note: string;
  /** The alarms that stand, the most urgent first. */
  alarms: readonly AlarmView[];
}

async function watchTable(
  gateway: GatewayClient,
  patterns: readonly string[],
  tags: readonly JsonTag[],
  options: WatchOptions,
  context: CliContext,
): Promise<void> {
  const { colors, clock } = context;
  const { gateway: name } = await gateway.get<GatewayStatus>('/api/v1/status');
  const watching: Watching = {
    table: createLiveTable(tags, clock, options.sort),
    trouble: undefined,
    note: '',
    alarms: [],
  };
  const following = follow(gateway, patterns, tags, watching, options, context);
  const asking = askForAlarms(gateway, watching, context);
  const frame = {
    head: () => [colors.bold(fit(context, `${plain(name)}  ${watching.table.summary()}`)), ''],
    foot: () => ['', ...footLines(watching, context)],
  };
  await showLive(() => watching.table, frame, context, context.signal);
  await Promise.all([following, asking]);
}

/** Keeps the alarms up to date until Ctrl-C; a gateway that is away has none that anybody knows of. */
async function askForAlarms(
  { socketPath }: GatewayClient,
  watching: Watching,
  { signal, clock, ...context }: CliContext,
): Promise<void> {
  const gateway = createClient(socketPath, { ...context, signal, clock, stderr: { write: () => {} } });
  while (!signal.aborted) {
    const known = await gateway.get<AlarmsView>('/api/v1/alarms').catch(() => undefined);
    watching.alarms = known ? standing(known) : [];
    await clock.sleep(ALARMS_EVERY_MS, signal).catch(() => {});
  }
}

function alarmLines(alarms: readonly AlarmView[], context: CliContext): string[] {
  const more = alarms.length - MAX_SHOWN_ALARMS;
  return [
    ...alarmTable(alarms.slice(0, MAX_SHOWN_ALARMS), context),
    ...(more > 0 ? [context.colors.dim(`… ${more} more: millgate alarms`)] : []),
  ];
}

function footLines({ trouble, note, alarms }: Watching, context: CliContext): string[] {
  const { colors, clock } = context;
  const width = context.columns();
  const gone = trouble && `${trouble.text} Trying again; gone for ${formatSpan(clock.monoMs() - trouble.sinceMonoMs)}.`;
  return [
    ...alarmLines(alarms, context),
    ...(gone ? wrapText(gone, width).map(colors.red) : []),
    ...(note ? wrapText(note, width).map(colors.yellow) : []),
    colors.dim(fit(context, 'Ctrl-C ends')),
  ];
}

/** Keeps the table up to date until Ctrl-C, however often the gateway goes away and whatever it is when it is back. */
async function follow(
  { socketPath }: GatewayClient,
  patterns: readonly string[],
  tags: readonly JsonTag[],
  watching: Watching,
  options: WatchOptions,
  context: CliContext,
): Promise<void> {
  const { signal, clock } = context;
  let followed = tags;
  const lost = (text: string): void => {
    if (signal.aborted) return;
    watching.trouble = { text, sinceMonoMs: watching.trouble?.sinceMonoMs ?? clock.monoMs() };
    watching.table.setFollowing(false);
  };
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    const stderr = { write: (text: string) => (watching.note = text.trim()) };
    const gateway = createClient(socketPath, { ...context, stderr });
    try {
      if (!isFirst) followed = await tagsOf(gateway, patterns);
      if (!isFirst) watching.table = createLiveTable(followed, clock, options.sort);
      const remembering = remember(gateway, followed, watching.table, context).catch(() => {});
      for await (const { event, readings } of gateway.stream(streamPath(patterns, followed), signal)) {
        watching.trouble = undefined;
        watching.table.setFollowing(true);
        watching.table.update(readings, event === 'readings');
      }
      await remembering;
      lost('The gateway went away.');
    } catch (error) {
      lost(messageOf(error));
    }
    await clock.sleep(RETRY_MS, signal).catch(() => {});
  }
}

/** Fills the trends with what the store has of the last minutes, one tag after the other. */
async function remember(
  gateway: GatewayClient,
  tags: readonly JsonTag[],
  table: LiveTable,
  { clock, signal }: CliContext,
): Promise<void> {
  const toMs = Math.floor(clock.wallMs());
  const range = `from=${Math.max(0, toMs - TREND_MS)}&to=${toMs}&limit=${MAX_REMEMBERED_READINGS}`;
  if (tags.length > MAX_REMEMBERED_TAGS) return;
  for (const { tag } of tags) {
    if (signal.aborted) return;
    const page = await gateway.get<JsonHistory>(`${historyPath(tag)}?${range}`);
    table.remember(tag, page.points);
  }
}

async function watchLines(
  gateway: GatewayClient,
  path: string,
  tags: readonly JsonTag[],
  options: CommonOptions,
  context: CliContext,
): Promise<void> {
  const byName = new Map(tags.map((tag) => [tag.tag, tag]));
  try {
    for await (const { event, readings } of gateway.stream(path, context.signal)) {
      if (event !== 'readings') continue;
      const wanted = readings.filter(({ tag }) => byName.has(tag));
      print(
        context,
        wanted.map((reading) => readingLine(reading, byName.get(reading.tag), options.json ?? false)),
      );
    }
  } catch (error) {
    if (!context.signal.aborted) throw error;
  }
  if (!context.signal.aborted) throw noGateway(gateway.socketPath);
}

/** A reading on one line: JSON, or time, tag, value, unit, quality and reason with tabs between. */
export function readingLine(
  reading: JsonReading,
  known: (Shown & { readonly unit?: string | undefined }) | undefined,
  asJson: boolean,
): string {
  const unit = known?.unit;
  if (asJson) return JSON.stringify(unit === undefined ? reading : { ...reading, unit });
  const { t, tag, value, quality, why } = reading;
  const fields = [
    formatTime(t, {}),
    tag,
    value === undefined ? '' : formatValue(value, known),
    plain(unit ?? ''),
    quality,
  ];
  return (why === undefined ? fields : [...fields, plain(why)]).join('\t');
}
