/** The command `read`: asks the devices now. */

import type { JsonReading, JsonTag } from '../api/json.ts';
import type { GatewayStatus } from '../api/view.ts';
import { readTagsOf } from '../config/config.ts';
import { EXIT, type ExitCode } from '../core/errors.ts';
import type { Shown } from '../core/reading.ts';
import type { GatewayClient } from './client.ts';
import { loadOrFail } from './configuration.ts';
import { readDirectly } from './direct.ts';
import { ownerOf } from './owner.ts';
import { selectTags } from './select.ts';
import { type CliContext, type CommonOptions, print, printJson, tableWidth, warn } from './terminal/context.ts';
import { byQuality, formatValue, plain, qualityText } from './terminal/format.ts';
import { renderTable } from './terminal/table.ts';

interface Answers {
  readonly readings: readonly Read[];
  readonly known: Known;
}

/** Reasons that say the device was not reached, as against an answer that is no good. */
const NOT_REACHED = new Set(['timeout', 'not-connected', 'offline', 'gateway-path', 'gateway-target']);

/** A reading with the unit of its tag, and how it is shown, which no JSON output has. */
interface Read extends JsonReading {
  readonly unit?: string;
}

/** What is known of the tags that are read. */
type Known = ReadonlyMap<string, Shown & { readonly unit?: string | undefined }>;

/**
 * `read TAG…`: asks the devices now, through the gateway if it runs, else directly. Exit 0 when every tag has a value, 69
 * when a device was not reached, 1 when an answer was no good.
 */
export async function read(
  patterns: readonly string[],
  options: CommonOptions,
  context: CliContext,
): Promise<ExitCode> {
  const gateway = await ownerOf(options, context);
  const { readings, known } = gateway
    ? await throughGateway(gateway, patterns)
    : await withoutGateway(patterns, options, context);
  if (options.json) printJson(context, readings);
  else print(context, table(readings, known, context));
  const bad = readings.filter(({ quality }) => quality === 'bad');
  if (bad.length === 0) return EXIT.ok;
  const notReached = bad.filter(({ why }) => NOT_REACHED.has(why ?? ''));
  warn(context, detailsOf(bad.filter((reading) => !notReached.includes(reading))));
  if (notReached.length === 0) return EXIT.failed;
  warn(context, await reasonsOf(notReached, gateway));
  return EXIT.unavailable;
}

/** What devices answered in place of values: each thing once, with its tags. */
function detailsOf(readings: readonly Read[]): string[] {
  const tags = new Map<string, string[]>();
  for (const { tag, detail } of readings)
    if (detail !== undefined) tags.set(detail, [...(tags.get(detail) ?? []), tag]);
  return [...tags].map(([detail, those]) => `millgate: ${those.join(', ')}: ${plain(detail)}.`);
}

/** Why devices were not reached, and what to look at: the gateway's own words where it runs. */
async function reasonsOf(readings: readonly Read[], gateway: GatewayClient | undefined): Promise<string[]> {
  const devices = new Set(readings.map(({ tag }) => tag.slice(0, tag.indexOf('/'))));
  const channels = gateway ? (await gateway.get<GatewayStatus>('/api/v1/status')).channels : [];
  const reasons = channels
    .filter((channel) => channel.devices.some(({ name }) => devices.has(name)))
    .flatMap((channel) => [
      ...(channel.reason === undefined ? [] : [`${channel.name}: ${plain(channel.reason)}`]),
      ...channel.devices.flatMap(({ name, reason }) =>
        devices.has(name) && reason !== undefined ? [`${name}: ${plain(reason)}`] : [],
      ),
    ]);
  if (reasons.length > 0) return [...new Set(reasons)].map((reason) => `millgate: ${reason}`);
  return [
    `millgate: no answer from ${[...devices].join(', ')}. Check its power, its wiring or network, ` +
      'its unit id, and on a serial line baud and parity.',
  ];
}

async function throughGateway(gateway: GatewayClient, patterns: readonly string[]): Promise<Answers> {
  const known = await gateway.get<JsonTag[]>('/api/v1/tags');
  const tags = selectTags(
    patterns,
    known.map(({ tag }) => tag),
  );
  const readings = await gateway.post<JsonReading[]>('/api/v1/read', { tags });
  return withUnits(readings, new Map(known.map((tag) => [tag.tag, tag])));
}

async function withoutGateway(
  patterns: readonly string[],
  options: CommonOptions,
  context: CliContext,
): Promise<Answers> {
  const config = await loadOrFail(options, context);
  const known = readTagsOf(config);
  const tags = selectTags(
    patterns,
    known.map(({ tag }) => tag.id),
  );
  const readings = await readDirectly(config, tags, context);
  return withUnits(readings, new Map(known.map((tag) => [tag.tag.id, tag])));
}

function withUnits(readings: readonly JsonReading[], known: Known): Answers {
  const withTheirs = readings.map((reading) => {
    const unit = known.get(reading.tag)?.unit;
    return unit === undefined ? reading : { ...reading, unit };
  });
  return { readings: withTheirs, known };
}

function table(readings: readonly Read[], known: Known, context: CliContext): string[] {
  const rows = readings.map((reading) => [
    reading.tag,
    formatValue(reading.value, known.get(reading.tag)),
    reading.unit === undefined ? '' : plain(reading.unit),
    { text: qualityText(reading), paint: (text: string) => byQuality(context.colors, reading.quality, text) },
  ]);
  const columns = [
    { title: 'tag', cut: 'start', minWidth: 10 },
    { title: 'value', align: 'right' },
    { title: 'unit' },
    { title: 'quality', cut: 'end', minWidth: 7 },
  ] as const;
  return renderTable(columns, rows, tableWidth(context));
}
