/** The shapes of what stands in the file, from which both the checks and the JSON Schema are made. */
import { z } from 'zod';
import { COMMAND_KINDS } from '../../core/configuration.ts';
import { MAX_EXPRESSION_LENGTH } from '../../core/expression.ts';
import { durationField, nameField, rateField, sizeField } from '../../core/fields.ts';

/** A reference to a secret, as the file gives it. */
export const secretSchema = z
  .union([
    z.strictObject({
      file: z
        .string()
        .min(1)
        .meta({ description: 'File that holds the secret.', examples: ['/etc/millgate/mqtt.password'] }),
    }),
    z.strictObject({
      env: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, { error: 'is not a valid name of an environment variable' })
        .meta({ description: 'Environment variable that holds the secret.' }),
    }),
  ])
  .meta({
    description: 'A secret by reference, never inline: {file: PATH} or {env: NAME}.',
    examples: [{ file: '/etc/millgate/mqtt.password' }],
  });

/** `gateway:` */
export const gatewayShape = {
  id: nameField('Name of this gateway, part of every topic. Default: the host name.').optional(),
  location: z
    .string()
    .regex(/^[^/+#\s$"\\][^/+#"\\]*(\/[^/+#"\\]+){0,4}$/, {
      error: 'expected an ISA-95 path such as acme/leeds/press-shop, without + # or quotes',
    })
    .max(200)
    .meta({ description: 'ISA-95 path: enterprise/site/area.', examples: ['acme/leeds/press-shop'] })
    .optional(),
  timezone: z
    .string()
    .meta({ description: 'IANA time zone of the plant. Default: that of the host.', examples: ['Europe/London'] })
    .optional(),
};

/** `store:` Bounds of commitEvery: below 10 ms the disk does nothing else, above 10 s a power cut costs too much. */
export const storeShape = {
  path: z
    .string()
    .min(1, { error: 'must not be empty: write a folder such as /var/lib/millgate, or remove path' })
    .meta({ description: 'Folder of the store. Default: /var/lib/millgate.' })
    .default('/var/lib/millgate'),
  maxSize: sizeField('Most disk space the store may take. Default: 2GB.', { min: '16MB', max: '100TB' })
    .optional()
    .meta({ default: '2GB', examples: ['500MB', '2GB'] }),
  commitEvery: durationField('How often readings are committed; a power cut loses at most this much. Default: 1s.', {
    min: '10ms',
    max: '10s',
  })
    .optional()
    .meta({ default: '1s' }),
  replay: durationField('How long delivered readings are kept for replay. Default: 24h.', { max: '3650d', usual: 'h' })
    .optional()
    .meta({ default: '24h' }),
};

/** `api:` */
export const apiShape = {
  listen: z
    .union([z.string(), z.literal(false)], {
      error: ({ input }) =>
        `expected HOST:PORT such as 127.0.0.1:8420, or off; got ${typeof input === 'number' ? `${input}: write "127.0.0.1:${input}"` : 'another kind of value'}`,
    })
    .meta({
      description: 'HOST:PORT of the local API and page, or off. Default: 127.0.0.1:8420.',
      default: '127.0.0.1:8420',
      examples: ['127.0.0.1:8420', 'off'],
    })
    .optional(),
  tls: z
    .union(
      [
        z.literal('self-signed'),
        z.strictObject({
          cert: z
            .string()
            .min(1)
            .meta({ description: 'PEM file of the certificate, with those between it and its authority.' }),
          key: z.string().min(1).meta({ description: 'PEM file of its key, readable for the group millgate only.' }),
        }),
      ],
      { error: 'expected self-signed, or {cert: PATH, key: PATH}' },
    )
    .meta({
      description:
        'Serves the API over TLS: with a certificate of yours, or with one that the gateway makes, keeps beside the store and renews; its fingerprint is in the log, in status and in doctor. Default: unencrypted.',
      examples: ['self-signed', { cert: '/etc/millgate/api.crt', key: '/etc/millgate/api.key' }],
    })
    .optional(),
  plaintext: z
    .boolean()
    .meta({ description: 'Must be true to listen beyond this machine without TLS.' })
    .default(false),
  hosts: z
    .array(z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9.-]{0,252})$/, 'expected a host name such as press-shop-1'))
    .max(32)
    .meta({
      description:
        'Names that a proxy or a monitoring server may ask by, besides localhost and the addresses. Default: none.',
      examples: [['press-shop-1', 'gateway.plant.lan']],
    })
    .default([]),
};

/** `commands:` */
export const commandsShape = {
  enabled: z
    .boolean()
    .meta({ description: 'Whether tags that are writable may be written. Default: false.' })
    .default(false),
};

/** Keys every channel has; the driver adds its own. */
export const channelShape = {
  description: z.string().max(500).meta({ description: 'A remark for people.' }).optional(),
};

/** Scan periods: 0s is back to back. */
const every = (description: string) =>
  durationField(description, { max: '7d' })
    .refine((everyMs) => everyMs === 0 || everyMs >= 1, {
      error: 'is too short: write at least 1ms, or 0s to read again without a pause',
    })
    .meta({ description, examples: ['200ms', '1s', '10s'] });

/** Keys every device has; the driver of its channel adds its own. */
export const deviceShape = {
  channel: z.string().meta({ description: 'Name of the channel it is on.' }),
  profile: z.string().meta({ description: 'Device profile; its tags are added below those here.' }).optional(),
  every: every('Scan period of its tags; 0s: back to back. Default: 1s.').optional(),
  description: z.string().max(500).meta({ description: 'A remark for people.' }).optional(),
};

/** What may be written to a tag. */
const writableSchema = z
  .union(
    [
      z.boolean(),
      z.strictObject({
        min: z.number().meta({ description: 'Lowest value that may be written, in engineering units.' }).optional(),
        max: z.number().meta({ description: 'Highest value that may be written.' }).optional(),
        perMinute: z.int().min(1).max(6000).meta({ description: 'Most writes a minute.' }).optional(),
      }),
    ],
    { error: 'expected true, false, or limits such as {min: 0, max: 120}' },
  )
  .meta({ description: 'Whether and within which limits it may be written.', examples: [{ min: 0, max: 120 }] });

const pointsField = z.tuple([z.number(), z.number()], { error: 'expected two numbers, such as [4000, 20000]' });

/** What is wrong with a deadband in percent; other mistakes are worded where all are. */
export function percentDeadband({ input }: { readonly input?: unknown }): string | undefined {
  return typeof input === 'string' && /^\s*[\d.,]+\s*%\s*$/.test(input)
    ? 'a deadband is in the unit of the tag, not in percent: write for example 0.5'
    : undefined;
}

/** Keys every tag has; the driver adds its own, `address` among them. */
export const tagShape = {
  unit: z
    .string()
    .max(32)
    .meta({ description: 'Engineering unit.', examples: ['°C', 'bar', 'kWh'] })
    .optional(),
  every: every('Scan period of this tag; 0s: back to back. Default: that of the device.').optional(),
  scale: z
    .number()
    .meta({ description: 'The published value is raw × scale + offset. Default: 1.', default: 1 })
    .optional(),
  offset: z.number().meta({ description: 'Added after scaling. Default: 0.', default: 0 }).optional(),
  deadband: z
    .number({ error: percentDeadband })
    .min(0)
    .meta({
      description: 'Report only changes of at least this much, in engineering units. Default: every reading.',
      examples: [0.2],
    })
    .optional(),
  heartbeat: durationField('With a deadband: report at least this often even when nothing changes.', {
    max: '30d',
  }).optional(),
  min: z.number().meta({ description: 'A value below is uncertain (out-of-range).' }).optional(),
  max: z.number().meta({ description: 'A value above is uncertain (out-of-range).' }).optional(),
  linear: z
    .strictObject({
      raw: pointsField.meta({ description: 'Two raw values.', examples: [[4000, 20000]] }),
      value: pointsField.meta({ description: 'What they mean in engineering units.', examples: [[0, 16]] }),
    })
    .meta({
      description: 'The line through two points, in place of scale and offset.',
      examples: [{ raw: [4000, 20000], value: [0, 16] }],
    })
    .optional(),
  decimals: z
    .int()
    .min(0)
    .max(15)
    .meta({ description: 'Decimals that the value is rounded to. Default: all it has.', examples: [2] })
    .optional(),
  labels: z
    .record(
      z.string().regex(/^-?\d{1,15}$/, {
        error: ({ input }) =>
          `a label stands for a whole number, and ${JSON.stringify(input)} is none: write for example labels: {0: stopped, 1: running}`,
      }),
      z.string().min(1).max(64),
    )
    .meta({
      description: 'Words for whole values, shown wherever a person reads; the value stays a number.',
      examples: [{ 0: 'stopped', 1: 'running' }],
    })
    .optional(),
  counter: z.boolean().meta({ description: 'The value only grows, and wraps or resets.', default: false }).optional(),
  wrap: z
    .number()
    .min(2)
    .meta({
      description: 'Raw value at which a counter starts again from 0. Default: what its type can hold, plus 1.',
      examples: [10000],
    })
    .optional(),
  writable: writableSchema.optional(),
  description: z.string().max(500).meta({ description: 'A remark for people.' }).optional(),
};

/** A tag that is computed from others instead of read. */
export const derivedShape = {
  expr: z
    .string()
    .min(1, { error: 'must not be empty: write a formula of full tag names, for example press-1/power * 2' })
    .max(MAX_EXPRESSION_LENGTH)
    .meta({
      description:
        'Formula of full tag names: + - * / %, comparisons, and or not, abs sqrt round floor ceil min max if; over a span min max mean rms stddev(X, 10m); rate(X, 1m), integral(X, 1h), runtime(X, 1h).',
      examples: ['press-1/power / press-1/speed', 'mean(oven/temp, 10m)', 'integral(press-1/power, 1h)'],
    }),
  unit: tagShape.unit.meta({ description: 'Engineering unit. Default: as the units of its tags make it.' }),
  deadband: tagShape.deadband,
  heartbeat: tagShape.heartbeat,
  min: tagShape.min,
  max: tagShape.max,
  description: tagShape.description,
};

/** A name in the topics of Sparkplug (3.0, 2.6): whatever its hosts show, without what stands for other topics. */
function sparkplugId(description: string) {
  return z
    .string()
    .max(200)
    .regex(/^[^/+#\p{Cc}]+$/u, {
      error: ({ input }) =>
        `must not ${input === '' ? 'be empty' : 'contain / + # or control characters'}: write a name such as leeds`,
    })
    .meta({ description });
}

/** Patterns of tags, `device/tag` with `*` for any letters. */
const tagPatterns = (description: string) =>
  z
    .array(z.string().min(1).max(130))
    .min(1, { error: 'must name at least one tag: write for example [press-1/*], or remove the key' })
    .meta({ description, examples: [['press-1/*']] })
    .optional();

const proxyUrl = z
  .string()
  .regex(/^(http|socks5):\/\/[^/?#@\s]+\/?$/, {
    error: 'expected the address of a proxy, http://HOST:PORT or socks5://HOST:PORT, without user and password',
  })
  .meta({
    description: 'Proxy: http://HOST[:3128], which is asked to CONNECT, or socks5://HOST[:1080].',
    examples: ['http://proxy.plant.lan:3128'],
  });

/** A proxy on the way. */
export const proxyField = z
  .union([
    proxyUrl,
    z.strictObject({
      url: proxyUrl,
      username: z.string().min(1).max(255).meta({ description: 'User name at the proxy.' }),
      password: secretSchema,
    }),
  ])
  .meta({
    description: 'Proxy on the way, which also looks names up; with a user {url, username, password}. Default: none.',
    examples: ['http://proxy.plant.lan:3128', 'socks5://10.0.0.9:1080'],
  })
  .optional();

/** What every uplink takes. */
export const uplinkShape = {
  proxy: proxyField,
  only: tagPatterns('The tags that are sent; * stands for any letters. Default: all.'),
  except: tagPatterns('Tags that are not sent; * stands for any letters.'),
  events: z
    .literal([true, false, 'yes', 'no'], { error: 'expected yes or no' })
    .meta({ description: 'no: alarms and other events are not sent. Default: yes.', default: 'yes' })
    .optional(),
  backfillRate: rateField('Records a second sent from the backlog. Default: 5000/s.')
    .optional()
    .meta({ default: '5000/s' }),
};

/** What may be ordered over an uplink. */
export const commandsField = (standard: string) =>
  z
    .union([z.literal(['no', false]), z.array(z.enum(COMMAND_KINDS)).min(1)], {
      error: `expected no, or a list of ${COMMAND_KINDS.join(', ')}`,
    })
    .meta({
      description: `What may be ordered over this uplink while the file has commands: {enabled: true}: a list of ${COMMAND_KINDS.join(', ')}, or no. Default: ${standard}.`,
      examples: [['ack', 'shelve'], 'no'],
    })
    .optional();

/** The files of TLS of an uplink. */
export const tlsSchema = z
  .strictObject({
    ca: z.string().min(1).meta({ description: 'PEM file of the authority that signed the broker.' }).optional(),
    cert: z.string().min(1).meta({ description: 'PEM file of the client certificate.' }).optional(),
    key: z.string().min(1).meta({ description: 'PEM file of the client key.' }).optional(),
    pfx: z
      .string()
      .min(1)
      .meta({ description: 'PKCS#12 file (.p12, .pfx) with client certificate and key, in place of both.' })
      .optional(),
    passphrase: secretSchema.optional(),
    serverName: z
      .string()
      .min(1)
      .max(253)
      .meta({ description: 'Name in the certificate of a broker that url reaches by its address.' })
      .optional(),
  })
  .meta({ description: 'Files for TLS; with mqtts:// or https:// only.', examples: [{ ca: '/etc/millgate/ca.pem' }] });

/** `uplinks.NAME` of type mqtt. */
export const mqttShape = {
  type: z.literal('mqtt').meta({ description: 'Kind of uplink.' }),
  url: z.string().meta({
    description:
      'Broker: mqtt://HOST[:1883], or mqtts://HOST[:8883] with TLS; ws:// and wss://HOST/PATH over WebSockets.',
    examples: ['mqtts://broker.plant.lan:8883'],
  }),
  format: z
    .enum(['json', 'sparkplug', 'template'])
    .meta({
      description: 'Form of topics and payloads: json, sparkplug for Sparkplug B 3.0, or template for one of your own.',
      default: 'json',
    })
    .default('json'),
  group: sparkplugId('Group of the edge node; with format: sparkplug.')
    .meta({ examples: ['leeds'] })
    .optional(),
  node: sparkplugId('Name of the edge node; with format: sparkplug. Default: gateway.id.').optional(),
  primaryHost: sparkplugId(
    'Id of the host application without which nothing is published; with format: sparkplug. Default: none.',
  )
    .meta({ examples: ['scada-1'] })
    .optional(),
  servers: z
    .array(
      z.string().regex(/^(mqtts?:\/\/[^/?#@\s]+\/?|wss?:\/\/[^?#@\s]+)$/, {
        error: 'expected the URL of a broker, such as mqtt://10.0.0.6',
      }),
    )
    .max(8)
    .meta({
      description:
        'More brokers, tried in turn where url does not answer or refuses; with Sparkplug also where the primary host is not there.',
      examples: [['mqtt://10.0.0.6']],
    })
    .optional(),
  version: z
    .literal([5, '5', '3.1.1'])
    .meta({
      description: 'MQTT version. Default: 5, or 3.1.1 with a broker that does not speak 5; 3.1.1 with Sparkplug.',
    })
    .optional(),
  clientId: z.string().min(1).max(128).meta({ description: 'MQTT client id. Default: millgate-ID.' }).optional(),
  topic: z
    .string()
    .min(1)
    .max(500)
    .meta({ description: 'Topic root; may use {id} and {location}.', default: 'millgate/{id}' })
    .default('millgate/{id}'),
  topics: z
    .enum(['batch', 'per-tag'])
    .meta({ description: 'batch: one topic for all; per-tag: one retained topic a tag.' })
    .default('batch'),
  layout: z
    .enum(['rows', 'columns'])
    .meta({
      description:
        'How records lie in a payload. rows: each with its names; columns: names once a message, which takes half the bytes. Default: rows.',
    })
    .optional(),
  compression: z.enum(['none', 'deflate']).meta({ description: 'For metered links.' }).default('none'),
  username: z
    .string()
    .min(1, { error: 'must not be empty: write the user name, or remove username' })
    .meta({ description: 'User name at the broker.' })
    .optional(),
  password: secretSchema.optional(),
  tls: tlsSchema.optional(),
  ...uplinkShape,
  commands: commandsField('all of them'),
  keepalive: durationField('MQTT keep-alive. Default: 30s.', { min: '5s', max: '1h' })
    .optional()
    .meta({ default: '30s' }),
  ackTimeout: durationField('How long a message may wait for its acknowledgement. Default: 15s.', {
    min: '1s',
    max: '5m',
  })
    .optional()
    .meta({ default: '15s' }),
};

/** Text or a list of texts. */
const lines = z.union([z.string(), z.array(z.string())]);

/** What `scan` may read to recognise a device. */
export const fingerprintSchema = z.strictObject({
  vendor: z.string().meta({ description: 'Vendor name in Modbus device identification (function 43/14).' }).optional(),
  product: z.string().meta({ description: 'Product code or name in Modbus device identification.' }).optional(),
  address: z.string().meta({ description: 'Register to read.' }).optional(),
  type: z.string().meta({ description: 'Type of the register. Default: uint16.' }).optional(),
  order: z.string().meta({ description: 'Order of its bytes.' }).optional(),
  equals: z.union([z.number(), z.string()]).meta({ description: 'The value it must have.' }).optional(),
  between: z.tuple([z.number(), z.number()]).meta({ description: 'The range the value must be in.' }).optional(),
});

/** Keys that a tag has in a profile only, beside those of its driver. */
export const profileTagShape = {
  verified: z
    .literal(['no', false], { error: 'expected no, or no such key at all where the register was verified' })
    .meta({ description: 'no: the register could not be verified against a public source.' })
    .optional(),
};

/** Keys of a profile file beside `device` and `tags`. */
export const profileShape = {
  name: nameField('Name of the profile; that of its file.'),
  manufacturer: z.string().min(1).meta({ description: 'Who makes the device.' }),
  model: z.string().min(1).meta({ description: 'Model or family.' }),
  source: z.string().min(1).meta({ description: 'Manual the register map comes from, with its edition.' }).optional(),
  notes: lines.meta({ description: 'What an installer should know.' }).optional(),
  serial: z
    .strictObject({
      baud: z.int().min(300).max(1_000_000).optional(),
      parity: z.enum(['none', 'even', 'odd']).optional(),
      stopBits: z.literal([1, 2]).optional(),
      dataBits: z.literal([7, 8]).optional(),
      unit: z.int().min(0).max(247).optional(),
    })
    .meta({ description: 'Factory settings of the line.' })
    .optional(),
  identify: z
    .union([fingerprintSchema, z.array(fingerprintSchema)])
    .meta({ description: 'How scan recognises the device.' })
    .optional(),
};
