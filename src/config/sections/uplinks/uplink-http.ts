/** Uplinks that post to an HTTP server: `type: http`, and the presets of products that take records over HTTP. */
import { z } from 'zod';
import { BROKEN_ADDRESS, durationField, isBrokenAddress } from '../../../core/fields.ts';
import { tagPattern } from '../../../core/reading.ts';
import type { HttpConfig, HttpTarget } from '../../config.ts';
import { type Entry, type MapNode, nodeAt, spotOf, without } from '../../file/tree.ts';
import { validateKeys } from '../../file/validate.ts';
import { clip, shown } from '../../file/words.ts';
import { commandsField, mqttShape, secretSchema, tlsSchema, uplinkShape } from '../shapes.ts';
import {
  baseOf,
  checkSelection,
  checkTls,
  LOOPBACK,
  parseUrl,
  proxyOf,
  refuseSecrets,
  secretAt,
  tlsOf,
  type UplinkContext,
} from './uplink-parts.ts';

/** Keys of everything that posts. */
const postShape = {
  compression: z.enum(['none', 'gzip']).meta({ description: 'gzip: bodies are compressed.' }).default('none'),
  token: secretSchema.optional(),
  username: z
    .string()
    .min(1, { error: 'must not be empty: write the user name, or remove username' })
    .meta({ description: 'User name for basic authentication.' })
    .optional(),
  password: secretSchema.optional(),
  tls: tlsSchema.optional(),
  ...uplinkShape,
  ackTimeout: durationField('How long a request may wait for its answer. Default: 15s.', { min: '1s', max: '5m' })
    .optional()
    .meta({ default: '15s' }),
};

const urlOf = (description: string, example: string) => z.string().meta({ description, examples: [example] });

/** `uplinks.NAME` of type http. */
export const httpShape = {
  type: z.literal('http').meta({ description: 'Kind of uplink.' }),
  url: urlOf('Address that JSON batches are posted to: http:// or https://.', 'https://mes.local/api/readings'),
  format: z.literal('json').meta({ description: 'Form of the payloads. Default: json.', default: 'json' }).optional(),
  layout: mqttShape.layout,
  commands: commandsField('no'),
  ...postShape,
};

/** `uplinks.NAME` of preset influxdb. */
export const influxdbShape = {
  preset: z.literal('influxdb').meta({ description: 'Points for InfluxDB, in its line protocol.' }),
  url: urlOf('Address of InfluxDB, without a path.', 'http://influx.plant.lan:8086'),
  version: z
    .literal([1, 2, 3])
    .meta({ description: 'Version of InfluxDB. Default: 2 with bucket, else 1.', examples: [2] })
    .optional(),
  database: z
    .string()
    .min(1)
    .max(200)
    .meta({ description: 'Database, of versions 1 and 3.', examples: ['plant'] })
    .optional(),
  org: z
    .string()
    .min(1)
    .max(200)
    .meta({ description: 'Organisation, of version 2.', examples: ['acme'] })
    .optional(),
  bucket: z
    .string()
    .min(1)
    .max(200)
    .meta({ description: 'Bucket, of version 2.', examples: ['plant'] })
    .optional(),
  integers: z
    .array(z.string().min(1).max(130))
    .min(1)
    .meta({
      description:
        'Tags that are written as integers; * stands for any letters. A field keeps the type of its first point. Default: none, all numbers are floats.',
      examples: [['*/parts']],
    })
    .optional(),
  ...postShape,
};

/** `uplinks.NAME` of preset kafka-rest. */
export const kafkaShape = {
  preset: z.literal('kafka-rest').meta({ description: 'Records for a Kafka REST proxy (API v2).' }),
  url: urlOf('Address of the REST proxy.', 'http://kafka-rest.plant.lan:8082'),
  topic: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,249}$/, { error: 'a Kafka topic has 1 to 249 letters, digits, dots, - and _' })
    .meta({ description: 'Topic of Kafka.', examples: ['plant-readings'] }),
  ...postShape,
};

const SHAPES = { http: httpShape, influxdb: influxdbShape, 'kafka-rest': kafkaShape };

/** An address of each kind. */
const EXAMPLES: Record<Kind, string> = {
  http: 'https://mes.local/api/readings',
  influxdb: 'http://influx.plant.lan:8086',
  'kafka-rest': 'http://kafka-rest.plant.lan:8082',
};

/** Presets that are served over HTTP. */
export const HTTP_PRESETS = ['influxdb', 'kafka-rest'] as const;

type Kind = keyof typeof SHAPES;

type PostOptions = z.output<z.ZodObject<typeof postShape>> & {
  readonly url: string;
  readonly layout?: 'rows' | 'columns';
  readonly commands?: z.output<ReturnType<typeof commandsField>>;
};

/** Whether a word names a preset that is served over HTTP. */
export function isHttpPreset(word: string): word is (typeof HTTP_PRESETS)[number] {
  return (HTTP_PRESETS as readonly string[]).includes(word);
}

/** Checks an uplink that posts. */
export function checkHttp(name: string, kind: Kind, entry: Entry, context: UplinkContext): HttpConfig | undefined {
  const { report } = context;
  const refused = refuseSecrets(entry, report);
  const visible: Entry = { ...entry, node: without(entry.node as MapNode, refused) };
  const options = validateKeys(z.strictObject(SHAPES[kind]), visible, report) as PostOptions | undefined;
  if (!options) return undefined;
  checkSelection(options, entry, context);
  const hasAddress = checkAddress(options, kind, entry, context);
  const target = targetOf(kind, options, entry, context);
  if (!hasAddress || !target) return undefined;
  return {
    type: 'http',
    name,
    url: options.url,
    target,
    layout: options.layout,
    compression: options.compression,
    token: secretAt(options.token, ['token'], entry, context),
    username: options.username,
    password: secretAt(options.password, ['password'], entry, context),
    tls: tlsOf(options.tls, entry, context),
    ...proxyOf(options.proxy, entry, context),
    ...baseOf(options),
    ackTimeoutMs: options.ackTimeout ?? 15_000,
  };
}

/** Checks the URL and what depends on it; false when it does not say which server is meant. */
function checkAddress(options: PostOptions, kind: Kind, entry: Entry, { report }: UplinkContext): boolean {
  const { url, tls, token, password, username } = options;
  const spot = spotOf(entry, ['url']);
  const parsed = parseUrl(url);
  const isHttp = parsed?.protocol === 'http:' || parsed?.protocol === 'https:';
  if (!parsed || !isHttp || parsed.hostname === '') {
    const given = url.includes('@') ? 'this' : shown(nodeAt(entry.node, ['url']));
    const isAlmost = /^[\w.-]+(:\d{1,5})?(\/[\w./-]*)?$/.test(url);
    const example = isAlmost ? `http://${url}` : EXAMPLES[kind];
    report.error(spot, `${given} is not the address of a web server: write for example "${clip(example)}"`);
    return false;
  }
  if (isBrokenAddress(parsed.hostname)) report.error(spot, `${parsed.hostname} ${BROKEN_ADDRESS}`);
  if (parsed.username !== '' || parsed.password !== '')
    report.error(spot, 'user and password do not belong in the URL: write username: and password: {file: PATH}');
  if (parsed.hash !== '') report.error(spot, 'what follows # is never sent to a server: remove it');
  if (kind !== 'http' && parsed.search !== '')
    report.error(spot, 'what follows ? is added by the preset: remove it, and use the keys of the preset');
  const isPlain = parsed.protocol === 'http:';
  if (isPlain && tls)
    report.error(spotOf(entry, ['tls']), 'tls has no effect with http://: write https:// in url, or remove tls');
  const secret = token ? 'token' : password ? 'password' : undefined;
  if (isPlain && secret !== undefined && !LOOPBACK.test(parsed.hostname))
    report.warning(
      spotOf(entry, [secret]),
      `the ${secret} is sent unencrypted over http://: write https:// in url if the server has TLS`,
    );
  if (token && password)
    report.error(spotOf(entry, ['password']), 'a server is shown a token or a password, not both: remove one of them');
  if ((password === undefined) !== (username === undefined))
    report.error(
      spotOf(entry, [password ? 'username' : 'password']),
      'is missing: basic authentication needs username: and password: {file: PATH}',
    );
  checkTls(tls, entry, report);
  return true;
}

function targetOf(kind: Kind, options: PostOptions, entry: Entry, context: UplinkContext): HttpTarget | undefined {
  if (kind === 'http') return { kind: 'json' };
  checkIntegers(options as { integers?: readonly string[] }, entry, context);
  if (kind === 'kafka-rest') return { kind, topic: (options as unknown as { topic: string }).topic };
  return influxOf(options as z.output<z.ZodObject<typeof influxdbShape>>, entry, context);
}

/** Patterns must name tags that hold whole numbers, as far as the file says. */
function checkIntegers(
  { integers = [] }: { readonly integers?: readonly string[] },
  entry: Entry,
  { tags, tagConfigs, report }: UplinkContext,
): void {
  for (const [index, pattern] of integers.entries()) {
    const names = tagPattern(pattern);
    const spot = spotOf(entry, ['integers', index]);
    const broken = tagConfigs.find(
      ({ tag, form, scale, offset, linear }) =>
        names(tag.id) &&
        (form === 'text' || form === 'bool' || linear || !Number.isInteger(scale) || !Number.isInteger(offset)),
    );
    if (tags.length > 0 && !tags.some(names))
      report.error(spot, `there is no tag ${clip(pattern)}: write DEVICE/TAG, or */TAG for one of every device`);
    else if (broken)
      report.error(spot, `${broken.tag.id} holds no whole numbers (its type, scale, offset or linear): name others`);
  }
}

/** Which InfluxDB it is, by its version or by the keys that only one version has. */
function influxOf(
  { version, database, org, bucket, integers }: z.output<z.ZodObject<typeof influxdbShape>>,
  entry: Entry,
  { report }: UplinkContext,
): HttpTarget | undefined {
  const kind = 'influxdb';
  const which = version ?? (bucket !== undefined || org !== undefined ? 2 : 1);
  const wrong = which === 2 ? { database } : { org, bucket };
  for (const [key, value] of Object.entries(wrong))
    if (value !== undefined)
      report.error(
        spotOf(entry, [key]),
        which === 2
          ? 'InfluxDB 2 has buckets in place of databases: remove database, or write version: 1 or version: 3'
          : `InfluxDB ${which} has no ${key}: remove it, or write version: 2`,
      );
  if (which !== 2) {
    if (database !== undefined) return { kind, version: which, database, ...(integers && { integers }) };
    report.error(
      spotOf(entry, ['database']),
      'is missing: write database: and its name, or, for InfluxDB 2, org: and bucket:',
    );
    return undefined;
  }
  if (org !== undefined && bucket !== undefined)
    return { kind, version: 2, org, bucket, ...(integers && { integers }) };
  report.error(spotOf(entry, [org === undefined ? 'org' : 'bucket']), 'is missing: InfluxDB 2 needs org: and bucket:');
  return undefined;
}
