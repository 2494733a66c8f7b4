/** Checks the section `serve:`: which registers the Modbus server of the gateway has, and who may ask it. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { type Location, type ModbusAddress, parseLocation } from '../../../hal/modbus/map/address.ts';
import { checkModbusTag, modbusTagShape } from '../../../hal/modbus/map/options.ts';
import { rangeOf } from '../../../hal/modbus/map/register-values.ts';
import { BROKEN_ADDRESS, durationField, isBrokenAddress } from '../../core/fields.ts';
import { type TagId, tagPattern } from '../../core/reading.ts';
import { noSuchTag } from '../../core/suggest.ts';
import type { ModbusServerConfig, ServeConfig, ServedPoint } from '../config.ts';
import type { Report } from '../file/problems.ts';
import { type Entry, entryOf, spotOf, toPlain } from '../file/tree.ts';
import { salvageKeys } from '../file/validate.ts';
import { clip } from '../file/words.ts';
import type { TagFacts } from './alarms.ts';

/** The most places of a map: all registers of ten requests of the largest size for each second of a slow master. */
const MOST_POINTS = 4096;

/** A value is too old after so many of its periods, and not before so long. */
const STALE_PERIODS = 3;
const STALE_LEAST_MS = 3000;

const tagName = z.string().min(3).max(130);

/** One place of the map. */
const pointSchema = z
  .union(
    [
      tagName,
      z.strictObject({
        tag: tagName.meta({ description: 'The tag, as DEVICE/TAG.', examples: ['press-1/oil-temp'] }).optional(),
        status: z
          .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(64)])
          .meta({
            description: 'In place of tag: how these tags of the map stand, as one word; * stands for any letters.',
            examples: ['press-1/*'],
          })
          .optional(),
        type: modbusTagShape()
          .type.unwrap()
          .meta({ description: 'Default: float32 for numbers, uint16 for truth values, bool for one bit.' })
          .optional(),
        order: modbusTagShape().order.unwrap().meta({ description: 'Order of the bytes; default ABCD.' }).optional(),
        length: modbusTagShape().length,
        characters: modbusTagShape().characters,
        scale: z
          .number()
          .refine((scale) => scale !== 0, { error: 'must not be 0: write 1, or for example 0.1 for one decimal' })
          .meta({
            description: 'What is sent is (value - offset) / scale, so that raw × scale + offset is the value.',
            default: 1,
            examples: [0.1],
          })
          .optional(),
        offset: z.number().meta({ description: 'See scale.', default: 0 }).optional(),
      }),
    ],
    { error: 'expected a tag such as press-1/oil-temp, or {tag: press-1/oil-temp, type: int16, scale: 0.1}' },
  )
  .meta({ description: 'A tag, or what is sent of it and how; or a status word.' });

const modbusServerSchema = z.strictObject({
  listen: z
    .string({ error: 'expected HOST:PORT such as 127.0.0.1:1502' })
    .meta({
      description: 'HOST:PORT that masters connect to. Default: 127.0.0.1:1502, this machine only.',
      default: '127.0.0.1:1502',
      examples: ['127.0.0.1:1502', '0.0.0.0:1502'],
    })
    .optional(),
  allow: z
    .union([z.literal('any'), z.array(z.string().min(1)).min(1).max(64)], {
      error: 'expected a list of addresses and networks such as [192.168.1.30, 10.0.0.0/24], or any',
    })
    .meta({
      description:
        'Who may ask: addresses and networks, or any. Must be given to listen beyond this machine, as Modbus has no passwords.',
      examples: [['192.168.1.30', '10.0.0.0/24']],
    })
    .optional(),
  unit: z
    .int({ error: 'expected a unit id, 0 to 255' })
    .min(0, 'expected a unit id, 0 to 255')
    .max(255, 'expected a unit id, 0 to 255')
    .meta({ description: 'Unit id that is answered, beside 0 and 255. Default: every one.', examples: [1] })
    .optional(),
  maxClients: z
    .int()
    .min(1)
    .max(64)
    .meta({ description: 'Most connections at a time. Default: 16.', default: 16 })
    .optional(),
  stale: durationField('A value older than this is not sent. Default: three periods of its tag, at least 3s.', {
    min: '100ms',
    max: '7d',
  }).optional(),
  whenBad: z
    .enum(['exception', 'flag'], {
      error: 'expected exception (the request is refused) or flag (a pattern that means "no value")',
    })
    .meta({
      description:
        'What is sent for a value that is bad or too old. exception: the request is answered with exception 4; flag: NaN, or 0x8000 for signed and 0xFFFF for unsigned integers.',
      default: 'exception',
    })
    .optional(),
  map: z.record(z.string(), pointSchema).meta({
    description: 'What is at which place: addresses as of Modbus tags, each with a tag or a status word.',
    examples: [{ 'holding:0': 'press-1/oil-temp', 'holding:2': { status: 'press-1/*' } }],
  }),
});

/** `serve:` */
export const serveShape = {
  modbus: modbusServerSchema
    .meta({ description: 'A Modbus TCP server with tags at registers, for an HMI or SCADA; it is only read.' })
    .optional(),
};

type ModbusOptions = z.output<typeof modbusServerSchema>;
type PointOptions = Exclude<z.output<typeof pointSchema>, string>;

/** What checking needs of the rest of the file. */
interface ServeContext {
  readonly tags: ReadonlyMap<TagId, TagFacts>;
  readonly report: Report;
}

/** Everything that is wrong goes to the report; undefined where nothing is served. */
export function checkServe(
  { values, entry }: { readonly values: Record<string, unknown>; readonly entry: Entry | undefined },
  context: ServeContext,
): ServeConfig | undefined {
  const own = entry && entryOf(entry.node, 'modbus');
  if (own?.node.kind !== 'map') return undefined;
  // What is good of it is checked further, so that its other mistakes are found in the same run.
  const options = (values.modbus ?? salvageKeys(modbusServerSchema, own)) as Partial<ModbusOptions>;
  const { unit, maxClients = 16, whenBad = 'exception' } = options;
  const listen = checkListen(options.listen ?? '127.0.0.1:1502', options.allow !== undefined, own, context.report);
  const allow = checkAllow(options.allow, own, context.report);
  const points = checkMap(options, own, context);
  return { modbus: { listen, allow, unit, maxClients, whenBad, points } };
}

const NOWHERE = { host: '127.0.0.1', port: 1502 };

function checkListen(text: string, isAllowed: boolean, entry: Entry, report: Report): ModbusServerConfig['listen'] {
  const wrong = (message: string) => {
    report.error(spotOf(entry, ['listen']), message);
    return NOWHERE;
  };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,9})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined) return wrong(`expected HOST:PORT such as 127.0.0.1:1502; got ${JSON.stringify(clip(text))}`);
  if (port > 65_535) return wrong(`a port goes from 1 to 65535; got ${port}: write for example ${host}:1502`);
  if (isBrokenAddress(host)) return wrong(`${host} ${BROKEN_ADDRESS}`);
  if (!/^(localhost|127(\.\d+){3}|::1)$/.test(host) && !isAllowed)
    return wrong(
      `with ${host} other machines can read the map, and Modbus has no passwords: add allow: [192.168.1.30] with the addresses of those that may, or allow: any`,
    );
  return { host, port };
}

function checkAllow(
  allow: Partial<ModbusOptions>['allow'],
  entry: Entry,
  report: Report,
): readonly string[] | undefined {
  if (allow === undefined || allow === 'any') return undefined;
  for (const [index, text] of allow.entries()) {
    const [address = '', bits, ...more] = text.split('/');
    const version = isIP(address);
    const most = version === 4 ? 32 : 128;
    const isGood =
      version > 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && +bits <= most));
    if (!isGood)
      report.error(
        spotOf(entry, ['allow', index]),
        `${JSON.stringify(clip(text))} is neither an address nor a network: write for example 192.168.1.30, or 192.168.1.0/24`,
      );
  }
  return allow;
}

/** Checks every place of the map, and that no two lie on the same registers. What has not even its form was told of. */
function checkMap(options: Partial<ModbusOptions>, entry: Entry, context: ServeContext): readonly ServedPoint[] {
  const { report } = context;
  const map = entryOf(entry.node, 'map');
  if (map?.node.kind !== 'map') return [];
  const places = [...map.node.entries];
  if (places.length === 0)
    report.error(spotOf(entry, ['map']), 'is empty: write at least one place, such as "holding:0": press-1/oil-temp');
  if (places.length > MOST_POINTS)
    report.error(spotOf(entry, ['map']), `has ${places.length} places, and at most ${MOST_POINTS} are served`);
  const points: ServedPoint[] = [];
  const taken = new Map<string, { readonly mask: number; readonly place: string }[]>();
  const patterns: { readonly place: string; readonly pattern: string }[] = [];
  for (const [place, { node }] of places.slice(0, MOST_POINTS)) {
    const given = pointSchema.safeParse(toPlain(node));
    if (!given.success) continue;
    const point = checkPoint(
      place,
      typeof given.data === 'string' ? { tag: given.data } : given.data,
      map,
      options,
      context,
    );
    if (!point) continue;
    const other = takenBy(taken, point.address, place);
    if (other !== undefined) report.error(spotOf(map, [place], 'key'), overlapText(point.address, place, other));
    else points.push(point);
    if (point.kind === 'status') patterns.push(...point.tags.map((pattern) => ({ place, pattern })));
  }
  const served = points.flatMap((point) => (point.kind === 'tag' ? [point.tag] : []));
  for (const { place, pattern } of patterns)
    if (!served.some(tagPattern(pattern)))
      report.error(
        spotOf(map, [place, 'status']),
        `no tag of the map is named by ${JSON.stringify(clip(pattern))}: a status word tells of tags that are in the map too`,
      );
  return points.map((point) => {
    if (point.kind === 'tag') return point;
    const meant = point.tags.map(tagPattern);
    return { ...point, tags: [...new Set(served.filter((tag) => meant.some((names) => names(tag))))] };
  });
}

function checkPoint(
  place: string,
  options: PointOptions,
  map: Entry,
  server: Partial<ModbusOptions>,
  { tags, report }: ServeContext,
): ServedPoint | undefined {
  const isShort = entryOf(map.node, place)?.node.kind !== 'map';
  const wrong = (key: string, message: string): undefined => {
    const path = isShort || key === 'address' ? [place] : [place, key];
    report.error(spotOf(map, path, key === 'address' ? 'key' : 'value'), message);
    return undefined;
  };
  const { tag, status, scale = 1, offset = 0 } = options;
  if ((tag === undefined) === (status === undefined))
    return wrong('tag', 'needs either tag: the tag that is there, or status: the tags whose state it tells');
  const facts = tag === undefined ? undefined : tags.get(tag);
  if (tag !== undefined && !facts) return wrong('tag', noSuchTag(tag, tags.keys()));
  if (facts?.isBroken) return undefined;
  const location = parseLocation(place);
  const type =
    options.type ?? (location.ok ? usualType(location.value, tag === undefined ? 'bool' : facts?.form) : undefined);
  const { order, length, characters } = options;
  const checked = checkModbusTag({
    id: place,
    device: '',
    name: place,
    options: { address: place, type, order, length, characters },
    deviceOptions: {},
  });
  if (!checked.ok) {
    for (const { path, message } of checked.problems) wrong(String(path[0] ?? 'address'), message);
    return undefined;
  }
  const address = checked.value;
  if (status !== undefined || tag === undefined) {
    if (address.type !== 'uint16' || scale !== 1 || offset !== 0)
      return wrong('status', 'is one whole register: remove type, scale and offset, and name a register without a bit');
    return { kind: 'status', address, tags: typeof status === 'string' ? [status] : (status ?? []) };
  }
  const trouble = unfitText(address, options, facts!, tag);
  if (trouble) return wrong(...trouble);
  warnOfRange(address, tag, facts!, { scale, offset }, (message) =>
    report.warning(spotOf(map, [place], 'key'), message),
  );
  return { kind: 'tag', address, tag, scale, offset, staleMs: server.stale ?? staleMsOf(tag, tags) };
}

/** What is at a place that says nothing of it. */
function usualType({ table, bit, bits }: Location, form: TagFacts['form']): string | undefined {
  if (table === 'coil' || table === 'discrete' || bit !== undefined) return bits === undefined ? 'bool' : undefined;
  if (form === 'text') return 'string';
  return form === 'bool' ? 'uint16' : 'float32';
}

/** What does not fit between a tag and its place: the key that is to blame, and what to write. */
function unfitText(
  { type, table, start }: ModbusAddress,
  { scale, offset }: PointOptions,
  { form }: TagFacts,
  tag: TagId,
): [key: string, message: string] | undefined {
  if (form === 'text' && type !== 'string')
    return ['type', `${tag} holds texts: write type: string and its length in registers, such as length: 8`];
  if (form !== undefined && form !== 'text' && type === 'string')
    return ['type', `${tag} holds no texts: remove type: string`];
  if (form === 'number' && type === 'bool')
    return ['address', `${tag} holds numbers, and one bit holds none: write for example "holding:${start}"`];
  const isPlain = type === 'bool' || type === 'string' || form === 'bool';
  if (isPlain && scale !== undefined) return ['scale', `${tag} holds no numbers that could be scaled: remove scale`];
  if (isPlain && offset !== undefined) return ['offset', `${tag} holds no numbers that could be scaled: remove offset`];
  if (form === 'bool' && !/^(bool|u?int)/.test(type))
    return [
      'type',
      `${tag} is true or false: write type: uint16, or put it at "${table === 'input' ? 'discrete' : 'coil'}:${start}"`,
    ];
  return undefined;
}

/** A tag that may have values that its registers cannot hold. */
function warnOfRange(
  address: ModbusAddress,
  tag: TagId,
  { min, max }: TagFacts,
  { scale, offset }: { readonly scale: number; readonly offset: number },
  warning: (message: string) => void,
): void {
  const range = rangeOf(address);
  if (!range) return;
  for (const [key, value] of [['min', min] as const, ['max', max] as const]) {
    if (value === undefined) continue;
    const raw = Math.round((value - offset) / scale);
    if (raw < Number(range[0]) || raw > Number(range[1]))
      warning(
        `${key}: ${value} of ${tag} would be sent as ${raw}, and ${address.type} holds ${range[0]} to ${range[1]}: choose another type or scale`,
      );
  }
}

/** When a value is too old to be sent; undefined for one that comes when it changes. */
function staleMsOf(tag: TagId, tags: ReadonlyMap<TagId, TagFacts>): number | undefined {
  const periods = [tag, ...(tags.get(tag)?.from ?? [])].flatMap((each) => tags.get(each)?.everyMs ?? []);
  if (periods.length === 0) return undefined;
  return Math.max(STALE_LEAST_MS, STALE_PERIODS * Math.max(...periods));
}

/** Takes the registers of an address; gives the place that has one of them already. */
function takenBy(
  taken: Map<string, { readonly mask: number; readonly place: string }[]>,
  { table, start, count, bit, bits = 1 }: ModbusAddress,
  place: string,
): string | undefined {
  const mask = bit === undefined ? 0xffff : ((1 << bits) - 1) << bit;
  const keys = Array.from({ length: count }, (_, index) => `${table}:${start + index}`);
  for (const key of keys) {
    const other = taken.get(key)?.find((each) => (each.mask & mask) !== 0);
    if (other) return other.place;
  }
  for (const key of keys) taken.set(key, [...(taken.get(key) ?? []), { mask, place }]);
  return undefined;
}

function overlapText({ count, table, start, type }: ModbusAddress, place: string, other: string): string {
  const span = count === 1 ? `${table}:${start}` : `${table}:${start} to ${table}:${start + count - 1}`;
  return `${clip(place)} (${type}) takes ${span}, which "${clip(other)}" has a part of already: move one of them`;
}
