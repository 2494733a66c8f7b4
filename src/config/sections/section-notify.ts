/** Checks the section `notify:`: who is told of alarms. */
import { z } from 'zod';
import type { AlarmConfig } from '../../core/alarm.ts';
import { durationField } from '../../core/fields.ts';
import { tagPattern } from '../../core/reading.ts';
import { nearest } from '../../core/suggest.ts';
import type { NotifyConfig, NotifyTarget, TagConfig } from '../config.ts';
import { type Entry, entryOf, type MapNode, nodeAt, spotOf, without } from '../file/tree.ts';
import { isMapOr, validateKeys } from '../file/validate.ts';
import { clip, shown } from '../file/words.ts';
import { checkName } from './channels.ts';
import { proxyField, secretSchema, tlsSchema } from './shapes.ts';
import {
  checkTls,
  LOOPBACK,
  parseUrl,
  proxyOf,
  refuseSecrets,
  secretAt,
  tlsOf,
  type UplinkContext,
} from './uplinks/uplink-parts.ts';

/** What checking needs of the rest of the file. */
interface NotifyContext extends Pick<UplinkContext, 'folder' | 'files' | 'report'> {
  readonly alarms: readonly AlarmConfig[];
  readonly tagConfigs: readonly TagConfig[];
}

/** An address of SMTP without quotes and comments: nothing that could end a command or a header. */
const ADDRESS = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*$/;

const addressField = z
  .string()
  .max(254)
  .regex(ADDRESS, { error: 'expected a mail address alone, such as shift@acme.example' });

const priorities = z.enum(['low', 'medium', 'high', 'critical']);

const timeField = (description: string, example: string) =>
  z
    .string()
    .refine((text) => /^([01]\d|2[0-3]):[0-5]\d$/.test(text), { error: 'expected a time of day such as "22:00"' })
    .meta({ description, examples: [example] });

const mailShape = z
  .strictObject({
    server: z.string().meta({
      description:
        'Mail server: smtp://HOST[:587], which must offer STARTTLS, or smtps://HOST[:465] with TLS from the start.',
      examples: ['smtp://mail.acme.example'],
    }),
    from: addressField.meta({ description: 'Address of the sender.', examples: ['millgate@acme.example'] }),
    to: z
      .array(addressField)
      .min(1)
      .max(50)
      .meta({ description: 'Addresses of the recipients.', examples: [['shift@acme.example']] }),
    username: z
      .string()
      .min(1)
      .max(254)
      .regex(/^\P{Cc}+$/u)
      .meta({ description: 'User name at the mail server.' })
      .optional(),
    password: secretSchema.optional(),
    plaintext: z
      .boolean()
      .meta({ description: 'true: the server has no TLS, and nothing on the way may read along. Default: false.' })
      .default(false),
    tls: tlsSchema.optional(),
  })
  .meta({ description: 'Tells by mail.' });

/** `notify.NAME` */
export const notifyShape = {
  mail: mailShape.optional(),
  webhook: z
    .strictObject({
      url: z
        .string()
        .meta({ description: 'Address that JSON is posted to.', examples: ['https://chat.plant.lan/hooks/x'] }),
      token: secretSchema.optional(),
      tls: tlsSchema.optional(),
    })
    .meta({ description: 'Tells by a POST of JSON, whose member text is what chats show.' })
    .optional(),
  telegram: z
    .strictObject({
      chat: z
        .union([z.int(), z.string().regex(/^(-?\d{1,20}|@[A-Za-z0-9_]{5,32})$/)], {
          error: 'expected the id of a chat such as -1001234567890, or @name of a channel',
        })
        .meta({ description: 'Id of the chat, or @name of the channel.', examples: [-1001234567890] }),
      token: secretSchema,
      url: z.string().meta({ description: 'Address of the Bot API.', default: 'https://api.telegram.org' }).optional(),
    })
    .meta({ description: 'Tells a chat of Telegram, by a bot.' })
    .optional(),
  proxy: proxyField,
  priority: priorities
    .meta({ description: 'Alarms of this priority and above. Default: high.', default: 'high' })
    .default('high'),
  alarms: z
    .array(z.string().min(1).max(130))
    .min(1)
    .meta({ description: 'Ids of alarms; * stands for any letters. Default: all.', examples: [['oil-*']] })
    .optional(),
  cleared: z
    .boolean()
    .meta({ description: 'Whether it is told, too, when an alarm that was told is over. Default: false.' })
    .default(false),
  digest: durationField('What comes within this time goes into one message. Default: 30s.', { max: '1d' })
    .optional()
    .meta({ default: '30s' }),
  repeat: durationField('An alarm that nobody has acknowledged is told again after this. Default: never.', {
    min: '1m',
    max: '7d',
  }).optional(),
  quiet: z
    .strictObject({
      from: timeField('Local time of day from which nothing is told.', '22:00'),
      to: timeField('Local time of day from which it is told again.', '06:00'),
      except: priorities.meta({ description: 'Alarms of this priority and above are told all the same.' }).optional(),
    })
    .meta({
      description: 'Quiet hours: what comes then is told when they are over.',
      examples: [{ from: '22:00', to: '06:00', except: 'critical' }],
    })
    .optional(),
  system: z
    .union([z.literal(['no', false]), durationField('', { max: '7d' })], {
      error: 'expected no, or a duration such as 5m, 7d at most',
    })
    .meta({
      description:
        'Trouble of the gateway itself (an uplink or a channel without a connection, a store that fills, lost records, a certificate that ends) is told with priority high once it has lasted so long: a duration, or no. Default: 5m.',
      examples: ['15m', 'no'],
    })
    .optional(),
  perHour: z
    .int()
    .min(1)
    .max(120)
    .meta({ description: 'Messages an hour at most; the others are gathered. Default: 12.', default: 12 })
    .default(12),
};

/** How long trouble of the gateway itself lasts before it is told, unless the file says otherwise. */
const SYSTEM_MS = 300_000;

type NotifyOptions = z.output<z.ZodObject<typeof notifyShape>>;

const KINDS = ['mail', 'webhook', 'telegram'] as const;

/** Checks every notifier of the section. */
export function checkNotify(section: MapNode, context: NotifyContext): NotifyConfig[] {
  const { report } = context;
  return [...section.entries].flatMap(([name, entry]) => {
    checkName(name, entry, report);
    if (!isMapOr(entry, report, `${clip(name)}: {webhook: {url: "https://chat.plant.lan/hooks/alarms"}}`)) return [];
    return checkOne(name, entry, context) ?? [];
  });
}

function checkOne(name: string, entry: Entry, context: NotifyContext): NotifyConfig | undefined {
  const { report } = context;
  const visible = withoutSecrets(entry, context);
  const options = validateKeys(z.strictObject(notifyShape), visible, report) as NotifyOptions | undefined;
  if (!options) return undefined;
  const kinds = KINDS.filter((kind) => entryOf(entry.node, kind) !== undefined);
  if (kinds.length !== 1) {
    report.error(
      spotOf(entry, kinds[1] ? [kinds[1]] : []),
      kinds.length === 0
        ? 'it is not said how: write mail, webhook or telegram'
        : `a notifier speaks in one way: write a second one for ${kinds[1]}`,
    );
    return undefined;
  }
  checkPatterns(options.alarms, entry, context);
  const target = targetOf(options, entry, context);
  if (!target) return undefined;
  const { priority, alarms, cleared, digest, repeat, quiet, perHour, system } = options;
  if (quiet && quiet.from === quiet.to)
    report.error(spotOf(entry, ['quiet', 'to']), 'is the same as from: quiet hours must end at another time');
  return {
    name,
    target,
    priority,
    alarms,
    cleared,
    perHour,
    ...proxyOf(options.proxy, entry, context),
    digestMs: digest ?? 30_000,
    repeatMs: repeat,
    systemMs: typeof system === 'number' ? system : system === undefined ? SYSTEM_MS : undefined,
    quiet: quiet && { fromMin: minutesOf(quiet.from), toMin: minutesOf(quiet.to), except: quiet.except },
  };
}

/** The entry without the parts of which a secret stands in the file: that was told of, and is said once. */
function withoutSecrets(entry: Entry, { report }: NotifyContext): Entry {
  let node = entry.node as MapNode;
  for (const kind of KINDS) {
    const part = entryOf(node, kind);
    if (part?.node.kind !== 'map') continue;
    const refused = refuseSecrets(part, report);
    if (refused.length === 0) continue;
    const entries = new Map(node.entries);
    // A token that is needed would be said to be missing.
    if (refused.includes('token')) entries.delete(kind);
    else entries.set(kind, { ...part, node: without(part.node, refused) });
    node = { ...node, entries };
  }
  return { ...entry, node };
}

function minutesOf(time: string): number {
  const [hours, minutes] = time.split(':').map(Number);
  return hours! * 60 + minutes!;
}

/** Patterns must name alarms that there are; those of instruments are made of the others. */
function checkPatterns(
  patterns: readonly string[] | undefined,
  entry: Entry,
  { alarms, tagConfigs, report }: NotifyContext,
): void {
  const devices = new Set(tagConfigs.map(({ tag }) => tag.device));
  const ids = [...alarms.map(({ id }) => id), ...[...devices].map((device) => `${device}:instrument`)];
  for (const [index, pattern] of (patterns ?? []).entries()) {
    if (ids.some(tagPattern(pattern)) || pattern.startsWith('system:')) continue;
    const near = nearest(pattern, ids);
    const advice = near === undefined ? 'alarms are defined under alarms:' : `did you mean ${near}?`;
    report.error(spotOf(entry, ['alarms', index]), `there is no alarm ${clip(pattern)}: ${advice}`);
  }
}

function targetOf(options: NotifyOptions, entry: Entry, context: NotifyContext): NotifyTarget | undefined {
  const { mail, webhook, telegram } = options;
  if (mail) return mailOf(mail, entryOf(entry.node, 'mail')!, context);
  if (webhook) {
    const part = entryOf(entry.node, 'webhook')!;
    checkTls(webhook.tls, part, context.report);
    const { url } = webhook;
    if (!isWebAddress(url, part, webhook.token !== undefined, context)) return undefined;
    return {
      kind: 'webhook',
      url,
      token: secretAt(webhook.token, ['token'], part, context),
      tls: tlsOf(webhook.tls, part, context),
    };
  }
  if (!telegram) return undefined;
  const part = entryOf(entry.node, 'telegram')!;
  const { url = 'https://api.telegram.org', chat, token } = telegram;
  if (!isWebAddress(url, part, true, context)) return undefined;
  const secret = secretAt(token, ['token'], part, context)!;
  return { kind: 'telegram', url, chat: String(chat), token: secret };
}

function isWebAddress(url: string, part: Entry, hasSecret: boolean, { report }: NotifyContext): boolean {
  const parsed = parseUrl(url);
  const spot = spotOf(part, ['url']);
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.hostname === '') {
    const given = url.includes('@') ? 'this' : shown(nodeAt(part.node, ['url']));
    report.error(
      spot,
      `${given} is not the address of a web server: write for example "https://chat.plant.lan/hooks/x"`,
    );
    return false;
  }
  if (parsed.username !== '' || parsed.password !== '')
    report.error(spot, 'user and password do not belong in the URL: write token: {file: PATH}');
  if (hasSecret && parsed.protocol === 'http:' && !LOOPBACK.test(parsed.hostname))
    report.warning(spot, 'the token is sent unencrypted over http://: write https:// if the server has TLS');
  return true;
}

function mailOf(
  options: NonNullable<NotifyOptions['mail']>,
  part: Entry,
  context: NotifyContext,
): NotifyTarget | undefined {
  const { report } = context;
  const { server, from, to, username, password, plaintext } = options;
  const spot = spotOf(part, ['server']);
  const parsed = parseUrl(server);
  if (!parsed || !/^smtps?:$/.test(parsed.protocol) || !/^[A-Za-z0-9.-]+$|^\[[0-9a-f:.]+\]$/i.test(parsed.hostname)) {
    const given = server.includes('@') ? 'this' : shown(nodeAt(part.node, ['server']));
    const host = /^[\w.-]+(:\d{1,5})?$/.test(server) ? server : 'mail.acme.example';
    report.error(spot, `${given} is not the address of a mail server: write for example "smtp://${host}"`);
    return undefined;
  }
  if (parsed.username !== '' || parsed.password !== '')
    report.error(spot, 'user and password do not belong in the URL: write username: and password: {file: PATH}');
  if (!['', '/'].includes(parsed.pathname) || parsed.search !== '')
    report.error(spot, 'the address of a mail server ends after the port: remove what follows it');
  if ((username === undefined) !== (password === undefined) && entryOf(part.node, 'password')?.node.kind !== 'scalar')
    report.error(
      spotOf(part, [username === undefined ? 'username' : 'password']),
      'is missing: signing in needs username: and password: {file: PATH}',
    );
  const isTls = parsed.protocol === 'smtps:';
  if (plaintext && isTls) report.error(spotOf(part, ['plaintext']), 'contradicts smtps://: remove it');
  const isFar = !LOOPBACK.test(parsed.hostname);
  if (plaintext && password && isFar)
    report.error(
      spotOf(part, ['plaintext']),
      'the password would be sent unencrypted: remove plaintext, or remove username and password',
    );
  checkTls(options.tls, part, report);
  return {
    kind: 'mail',
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: Number(parsed.port) || (isTls ? 465 : plaintext ? 25 : 587),
    security: isTls ? 'tls' : plaintext ? 'none' : 'starttls',
    from,
    to,
    username,
    password: secretAt(password, ['password'], part, context),
    tls: tlsOf(options.tls, part, context),
  };
}
