/** Writes the text of a first configuration file from what the questions brought. */
import { dirname } from 'node:path';
import { codeOf, EXIT, Fault, messageOf } from '../../core/errors.ts';
import { writeWhole } from '../../core/file-system.ts';
import { NAME_PATTERN } from '../../core/quantity.ts';

/** A tag as `--tag` gives it: its keys in the words of the file. */
interface TagPlan {
  readonly name: string;
  readonly keys: Readonly<Record<string, string | number | boolean>>;
}

/** Where the device is. */
export type ChannelPlan =
  | {
      readonly kind: 'serial';
      readonly name: string;
      readonly port: string;
      readonly baud: number;
      readonly parity: 'none' | 'even' | 'odd';
      readonly stopBits: number;
      readonly timeout: string;
    }
  | {
      readonly kind: 'host';
      readonly name: string;
      readonly host: string;
      readonly port: number;
      readonly framing: 'tcp' | 'rtu';
      readonly timeout: string;
    };

/** Where records are sent. */
export interface BrokerPlan {
  readonly url: string;
  readonly username: string | undefined;
  readonly password: { readonly file: string } | { readonly env: string } | undefined;
  readonly ca: string | undefined;
}

/** Everything that goes into a first file. */
export interface FilePlan {
  readonly id: string;
  readonly location: string | undefined;
  readonly channel: ChannelPlan;
  readonly device: string;
  readonly unit: number;
  readonly every: string;
  readonly profile: string | undefined;
  readonly tags: readonly TagPlan[];
  readonly broker: BrokerPlan | undefined;
  readonly storePath: string | undefined;
}

/** A first configuration file, with a comment where a technician will want to change something. */
export function renderFile(plan: FilePlan, file: string): string {
  const { id, location, storePath } = plan;
  return [
    '# Configuration of a Millgate gateway. After each change:',
    `#   millgate check ${file}`,
    '',
    'gateway:',
    `  id: ${id} # part of every topic: keep it`,
    location === undefined
      ? '  # location: acme/leeds/press-shop   # enterprise/site/area'
      : `  location: ${quoted(location)} # enterprise/site/area`,
    '',
    ...channelLines(plan.channel),
    '',
    ...deviceLines(plan),
    '',
    ...ALARM_EXAMPLE(plan),
    '',
    storePath === undefined
      ? 'store: { maxSize: 2GB, commitEvery: 1s, replay: 24h } # in /var/lib/millgate'
      : `store: { path: ${quoted(storePath)}, maxSize: 2GB, commitEvery: 1s, replay: 24h }`,
    '',
    ...brokerLines(plan.broker),
    '',
  ].join('\n');
}

function channelLines(channel: ChannelPlan): string[] {
  const head = ['channels:', `  ${channel.name}:`];
  const timeout = `    timeout: ${channel.timeout} # longest wait for an answer; the time on the wire comes on top`;
  if (channel.kind === 'host')
    return [
      ...head,
      '    driver: modbus-tcp',
      `    host: ${quoted(channel.host)}`,
      `    port: ${channel.port}`,
      ...(channel.framing === 'rtu' ? ['    framing: rtu # the converter passes serial frames through'] : []),
      timeout,
    ];
  const isLasting = channel.port.startsWith('/dev/serial/');
  return [
    ...head,
    '    driver: modbus-rtu',
    ...(isLasting
      ? []
      : ['    # A name under /dev/serial/by-id stays the same when the adapter is plugged in elsewhere.']),
    `    port: ${quoted(channel.port)}`,
    `    baud: ${channel.baud} # baud, parity and stopBits as set on every device of the line`,
    `    parity: ${channel.parity}`,
    `    stopBits: ${channel.stopBits}`,
    timeout,
    '    retries: 1',
  ];
}

function deviceLines({ device, channel, unit, every, profile, tags }: FilePlan): string[] {
  return [
    'devices:',
    `  ${device}:`,
    `    channel: ${channel.name}`,
    `    unit: ${unit}`,
    ...(profile === undefined
      ? []
      : [`    profile: ${profile} # its tags are read; those below add to them or change them`]),
    `    every: ${every}`,
    ...(tags.length === 0 ? [] : ['    tags:', ...tags.map(tagLine)]),
  ];
}

function tagLine({ name, keys }: TagPlan): string {
  const pairs = Object.entries(keys).map(
    ([key, value]) => `${key}: ${typeof value === 'string' ? scalar(value) : value}`,
  );
  return `      ${name}: { ${pairs.join(', ')} }`;
}

const ALARM_EXAMPLE = ({ device, tags }: FilePlan): string[] => [
  '# An alarm, once you know what is too much:',
  '# alarms:',
  `#   too-high: { tag: ${device}/${tags[0]?.name ?? 'TAG'}, above: 100, deadband: 2, onDelay: 5s, priority: high }`,
];

function brokerLines(broker: BrokerPlan | undefined): string[] {
  if (!broker)
    return [
      '# Where readings are sent. Until there is an uplink they are kept in the store.',
      '# uplinks:',
      '#   plant: { type: mqtt, url: "mqtts://broker.plant.lan:8883" }',
    ];
  const { url, username, password, ca } = broker;
  const secret = password && ('file' in password ? `{ file: ${quoted(password.file)} }` : `{ env: ${password.env} }`);
  return [
    'uplinks:',
    '  plant:',
    '    type: mqtt',
    `    url: ${quoted(url)}`,
    '    format: json',
    ...(username === undefined ? [] : [`    username: ${quoted(username)}`]),
    ...(secret === undefined ? [] : [`    password: ${secret} # a secret is never written into this file`]),
    ...(ca === undefined ? [] : [`    tls: { ca: ${quoted(ca)} }`]),
  ];
}

/** Text that YAML takes for nothing else stays as it is. */
function scalar(text: string): string {
  return /^[A-Za-z][A-Za-z0-9_.-]*$/.test(text) && !/^(y|n|yes|no|on|off|true|false|null|nan|inf)$/i.test(text)
    ? text
    : quoted(text);
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

/** That a file is there already and nobody said that it may go. */
export function alreadyThere(file: string): Fault {
  return new Fault(`${file} is there already and stays as it is`, '--output FILE writes another; --force replaces it.');
}

/**
 * Writes the file, whole or not at all.
 *
 * @param replace whether a file that is there is replaced
 * @throws Fault: exit 1 when it is there or the folder is not, 77 when it may not be written
 */
export function writeFirst(path: string, text: string, replace: boolean): void {
  try {
    writeWhole(path, text, { mode: 0o644, replace });
  } catch (error) {
    throw explained(path, error);
  }
}

function explained(path: string, error: unknown): Fault {
  switch (codeOf(error)) {
    case 'EEXIST':
      return alreadyThere(path);
    case 'ENOENT':
    case 'ENOTDIR':
      return new Fault(`${path}: there is no folder ${dirname(path)}`, `Make it: mkdir -p ${dirname(path)}`);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new Fault(`${path}: may not be written`, 'Run with sudo, or give --output FILE.', EXIT.permission, {
        cause: error,
      });
    default:
      return new Fault(`${path}: cannot be written: ${messageOf(error)}`, 'Is the disk full?');
  }
}

const TYPES = /^(bool|u?int(16|32|64)|float(32|64)|bcd(16|32)|string)$/;
const ORDERS = /^(ABCD|CDAB|BADC|DCBA)$/i;

/** Keys whose values are numbers; the others are texts, but for `true` and `false`. */
const NUMBERS = new Set(['scale', 'offset', 'min', 'max', 'deadband', 'length']);

const FORM = 'NAME=ADDRESS[,TYPE][,ORDER][,KEY=VALUE …], such as voltage=holding:100,float32,CDAB,unit=V';

/**
 * A tag as `--tag` writes it: `voltage=holding:100,float32,CDAB,unit=V,min=0`. What the words mean is checked with the
 * whole file.
 *
 * @throws Fault (exit 2)
 */
export function parseTag(text: string): TagPlan {
  const [, name, rest] = /^\s*([^=,]+?)\s*=\s*(.+)$/.exec(text) ?? [];
  if (name === undefined || rest === undefined) throw wrong(text, `expected ${FORM}`);
  if (!NAME_PATTERN.test(name)) throw wrong(text, `${JSON.stringify(name)} is no name: a-z, 0-9, - and _`);
  const [address, ...words] = rest.split(',').map((word) => word.trim());
  const keys: Record<string, string | number | boolean> = { address: address! };
  for (const word of words) {
    const [, key, value] = /^([A-Za-z]+)=(.+)$/.exec(word) ?? [];
    if (key !== undefined && value !== undefined) keys[key] = worded(key, value);
    else if (TYPES.test(word)) keys.type = word;
    else if (ORDERS.test(word)) keys.order = word.toUpperCase();
    else throw wrong(text, `${JSON.stringify(word)} is neither a type, an order nor KEY=VALUE; expected ${FORM}`);
  }
  return { name, keys };
}

function worded(key: string, text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return NUMBERS.has(key) && text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

function wrong(text: string, why: string): Fault {
  return new Fault(
    `--tag ${text.slice(0, 100)}: ${why}`,
    'Write for example speed=holding:100,uint16,unit=rpm.',
    EXIT.usage,
  );
}
