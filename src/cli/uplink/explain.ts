/** The command `uplink explain`: what an uplink will send with this file, what it costs, and what the other side needs. */
import type { Config, UplinkConfig } from '../../config/config.ts';
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { formatSize } from '../../core/quantity.ts';
import { nearest } from '../../core/suggest.ts';
import { loadOrFail } from '../configuration.ts';
import { type CliContext, type CommonOptions, print, printJson } from '../terminal/context.ts';
import { formatCount } from '../terminal/format.ts';
import { type Estimate, estimate } from './estimate.ts';
import { billedUnitOf, type Paste, pastesFor } from './instructions.ts';

/** A limit of the other side, and where this file is. */
interface Limit {
  readonly what: string;
  readonly limit: number;
  readonly here: number;
}

/** What of an example is shown; JSON has all of it. */
const SHOWN = 1200;

/** How many topics are listed. */
const MOST_PLACES = 12;

/** `uplink explain NAME`. Works with the file alone: nothing is connected to. Exit 2 for a name that there is not. */
export async function explainUplink(
  verb: string,
  name: string | undefined,
  options: CommonOptions,
  context: CliContext,
): Promise<ExitCode> {
  if (verb !== 'explain')
    throw new Fault(`there is no order ${JSON.stringify(verb)}`, 'Write: millgate uplink explain NAME', EXIT.usage);
  const config = await loadOrFail(options, context);
  const uplink = named(config, name);
  const found = estimate(config, uplink, context.clock);
  const unit = billedUnitOf(uplink);
  const perMonth = found.payloadBytes.length === 0 ? 0 : found.messagesPerMonth / found.payloadBytes.length;
  const units =
    unit &&
    Math.round(
      perMonth * found.payloadBytes.reduce((sum, bytes) => sum + Math.max(1, Math.ceil(bytes / unit.bytes)), 0),
    );
  const limits = limitsOf(uplink, found);
  const pastes = pastesFor(config, uplink);
  if (options.json) {
    const { payloadBytes: _bytes, stretchMs: _stretch, ...rest } = found;
    const billed = unit && { unit: unit.name, perMonth: units };
    printJson(context, { name: uplink.name, to: uplink.url, ...rest, billed, limits, paste: pastes });
    return EXIT.ok;
  }
  print(context, linesOf(uplink, found, unit && `${formatCount(units!)} ${unit.name}`, limits, pastes, context));
  return EXIT.ok;
}

function named({ uplinks }: Config, name: string | undefined): UplinkConfig {
  const names = uplinks.map((uplink) => uplink.name);
  const found =
    uplinks.find((uplink) => uplink.name === name) ??
    (name === undefined && uplinks.length === 1 ? uplinks[0] : undefined);
  if (found) return found;
  const near = name === undefined ? undefined : nearest(name, names);
  const remedy =
    near !== undefined
      ? `Did you mean ${near}?`
      : names.length > 0
        ? `Uplinks are: ${names.join(', ')}.`
        : 'Add one under uplinks:.';
  throw new Fault(
    name === undefined ? 'which uplink is meant?' : `there is no uplink ${JSON.stringify(name)}`,
    remedy,
    EXIT.usage,
  );
}

function limitsOf(uplink: UplinkConfig, { payloadBytes, stretchMs, places }: Estimate): Limit[] {
  if (uplink.type !== 'mqtt' || !uplink.limits) return [];
  const { messageBytes, messagesPerSecond, bytesPerSecond } = uplink.limits;
  const seconds = stretchMs / 1000;
  const all = payloadBytes.reduce((sum, bytes) => sum + bytes, 0);
  return [
    { what: 'bytes of a message', limit: messageBytes, here: Math.max(0, ...payloadBytes) },
    { what: 'messages a second', limit: messagesPerSecond, here: round(payloadBytes.length / seconds) },
    { what: 'bytes a second', limit: bytesPerSecond, here: round(all / seconds) },
    ...(uplink.preset?.kind === 'aws-iot'
      ? [
          {
            what: 'slashes in a topic',
            limit: 7,
            here: Math.max(0, ...places.map((topic) => topic.split('/').length - 1)),
          },
        ]
      : []),
  ];
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function linesOf(
  uplink: UplinkConfig,
  found: Estimate,
  billed: string | undefined,
  limits: readonly Limit[],
  pastes: readonly Paste[],
  { colors }: CliContext,
): string[] {
  const { places, example, valuesPerSecond, messagesPerMonth, bytesPerMonth, eventfulTags } = found;
  const shown =
    example.payload.length > SHOWN
      ? `${example.payload.slice(0, SHOWN)}… (${example.payload.length} characters)`
      : example.payload;
  const isNode = uplink.type === 'mqtt' && uplink.sparkplug !== undefined;
  const more = places.length > MOST_PLACES ? [`  and ${places.length - MOST_PLACES} more`] : [];
  return [
    `${colors.bold(uplink.name)} sends to ${uplink.url}`,
    '',
    colors.bold(uplink.type === 'mqtt' ? 'Topics of readings' : 'Address of readings'),
    ...places.slice(0, MOST_PLACES).map((place) => `  ${place}`),
    ...more,
    '',
    colors.bold(isNode ? 'One message, decoded; on the wire it is Protobuf' : 'One message'),
    ...shown.split('\n').map((line) => `  ${line}`),
    '',
    colors.bold('In 30 days, at most'),
    `  values     ${formatCount(Math.round(valuesPerSecond * 86_400 * 30))} (${round(valuesPerSecond)}/s)`,
    `  messages   ${formatCount(messagesPerMonth)}`,
    `  on line    ${formatSize(bytesPerMonth)}`,
    ...(billed === undefined ? [] : [`  billed     ${billed}`]),
    `  Deadbands are not taken off, and events${isNode ? ' and births' : ''} come on top.`,
    ...(eventfulTags > 0
      ? [
          `  ${eventfulTags} ${eventfulTags === 1 ? 'tag reports' : 'tags report'} by themselves: they come on top, too.`,
        ]
      : []),
    ...(limits.length > 0 ? ['', colors.bold('Limits')] : []),
    ...limits.map(({ what, limit, here }) => `  ${what.padEnd(20)} ${here} of ${limit}`),
    ...pastes.flatMap(({ where, text }) => [
      '',
      colors.bold(`To paste into ${where}`),
      ...text.split('\n').map((line) => `  ${line}`),
    ]),
  ];
}
