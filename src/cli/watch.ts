import type { JsonReading, JsonTag } from '../api/json.ts';
import { EXIT, type ExitCode, messageOf } from '../core/errors.ts';
import { findGateway, type GatewayClient, noGateway } from './client.ts';
import { type CliContext, type CommonOptions, print } from './context.ts';
import { formatTime, formatValue, plain } from './format.ts';
import { createLiveTable, type LiveTable, showLive } from './live.ts';
import { fit } from './screen.ts';
import { selectTags } from './select.ts';

/** More tags than this are not named to the gateway but picked from all; a request line has its limits. */
const MAX_NAMED_TAGS = 100;

/** How long to wait before asking a gateway that went away again, ms. */
const RETRY_MS = 1000;

/**
 * `watch [TAG…]`: a live table on a terminal; elsewhere, and with `--json`, one line a reading. Ends with Ctrl-C; off a
 * terminal also (exit 69) when the gateway goes away.
 */
export async function watch(
  patterns: readonly string[],
  options: CommonOptions,
  context: CliContext,
): Promise<ExitCode> {
  const gateway = await findGateway(options, context);
  const known = await gateway.get<JsonTag[]>('/api/v1/tags');
  const selected = new Set(
    selectTags(
      patterns,
      known.map(({ tag }) => tag),
    ),
  );
  const tags = known.filter(({ tag }) => selected.has(tag));
  const named = patterns.length > 0 && tags.length <= MAX_NAMED_TAGS;
  const path = `/api/v1/stream${named ? `?${tags.map(({ tag }) => `tag=${encodeURIComponent(tag)}`).join('&')}` : ''}`;
  if (context.isTerminal && !options.json) await watchTable(gateway, path, tags, context);
  else await watchLines(gateway, path, tags, options, context);
  return EXIT.ok;
}

async function watchTable(
  gateway: GatewayClient,
  path: string,
  tags: readonly JsonTag[],
  context: CliContext,
): Promise<void> {
  const table = createLiveTable(tags, context.clock);
  let trouble = '';
  const tell = (message: string): void => {
    trouble = message;
  };
  const following = follow(gateway, path, table, tell, context);
  const { colors } = context;
  const frame = {
    head: () => [colors.bold(fit(context, table.summary())), ''],
    foot: () => ['', trouble ? colors.red(fit(context, trouble)) : colors.dim(fit(context, 'Ctrl-C ends'))],
  };
  await showLive(table, frame, context, context.signal);
  await following;
}

/** Keeps the table up to date until Ctrl-C, however often the gateway goes away. */
async function follow(
  gateway: GatewayClient,
  path: string,
  table: LiveTable,
  tell: (message: string) => void,
  context: CliContext,
): Promise<void> {
  const { signal } = context;
  while (!signal.aborted) {
    try {
      for await (const { event, readings } of gateway.stream(path, signal)) {
        tell('');
        table.update(readings, event === 'readings');
      }
      tell('the gateway went away; trying again');
    } catch (error) {
      tell(messageOf(error));
    }
    await context.clock.sleep(RETRY_MS, signal).catch(() => {});
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
        wanted.map((reading) => readingLine(reading, byName.get(reading.tag)?.unit, options.json ?? false)),
      );
    }
  } catch (error) {
    if (!context.signal.aborted) throw error;
  }
  if (!context.signal.aborted) throw noGateway(gateway.socketPath);
}

/** A reading on one line: JSON, or time, tag, value, unit, quality and reason with tabs between. */
export function readingLine(reading: JsonReading, unit: string | undefined, asJson: boolean): string {
  if (asJson) return JSON.stringify(unit === undefined ? reading : { ...reading, unit });
  const { t, tag, value, quality, why } = reading;
  const fields = [formatTime(t), tag, value === undefined ? '' : formatValue(value), plain(unit ?? ''), quality];
  return (why === undefined ? fields : [...fields, plain(why)]).join('\t');
}
