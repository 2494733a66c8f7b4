/** The flags of `init`, and what they say of the file that is to be written. */
import { resolve } from 'node:path';
import { EXIT, Fault } from '../../core/errors.ts';
import { toName } from '../../core/fields.ts';
import type { ChannelKeys } from '../scan/scan-identify.ts';
import { parseNumbers, parseParities } from '../scan/scan-target.ts';
import type { CliContext, CommonOptions } from '../terminal/context.ts';
import { type BrokerPlan, type ChannelPlan, type FilePlan, parseTag } from './init-file.ts';

/** Options of `init`. */
export interface InitOptions extends CommonOptions {
  readonly port?: string | undefined;
  readonly baud?: string | undefined;
  readonly parity?: string | undefined;
  readonly stopBits?: string | undefined;
  readonly host?: string | undefined;
  readonly framing?: 'tcp' | 'rtu' | undefined;
  readonly timeout?: string | undefined;
  readonly channel?: string | undefined;
  readonly unit?: string | undefined;
  readonly device?: string | undefined;
  readonly profile?: string | undefined;
  readonly tag?: readonly string[] | undefined;
  readonly every?: string | undefined;
  readonly id?: string | undefined;
  readonly location?: string | undefined;
  readonly store?: string | undefined;
  readonly broker?: string | undefined;
  readonly username?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly passwordEnv?: string | undefined;
  readonly ca?: string | undefined;
  readonly output?: string | undefined;
  readonly force?: boolean | undefined;
}

const DEFAULT_TIMEOUT = { serial: '300ms', host: '1s' };
const DEFAULT_PORT = 502;

/** Flags without which no file can be written. */
export function missingIn(options: InitOptions): string[] {
  const { port, host, baud, parity, unit, profile, tag } = options;
  if (port !== undefined && host !== undefined)
    throw new Fault('both --port and --host are given', 'Give one of them.', EXIT.usage);
  return [
    ...(port === undefined && host === undefined ? ['--port or --host'] : []),
    ...(port !== undefined && baud === undefined ? ['--baud'] : []),
    ...(port !== undefined && parity === undefined ? ['--parity'] : []),
    ...(unit === undefined ? ['--unit'] : []),
    ...(profile === undefined && (tag ?? []).length === 0 ? ['--profile or --tag'] : []),
  ];
}

/** What the file will say. Throws `Fault` (exit 2) for flags that mean nothing. */
export function planOf(options: InitOptions, context: CliContext): FilePlan {
  const unit = parseNumbers('unit', options.unit ?? '', 0, 255);
  if (unit.length !== 1)
    throw new Fault(`--unit ${options.unit}: one device at a time`, 'Add others to the file.', EXIT.usage);
  return {
    id: options.id ?? toName(context.hostname) ?? 'gateway',
    location: options.location,
    channel: channelOf(options, context),
    device: options.device ?? options.profile ?? `unit-${unit[0]}`,
    unit: unit[0]!,
    every: options.every ?? '1s',
    profile: options.profile,
    tags: (options.tag ?? []).map(parseTag),
    broker: brokerOf(options),
    storePath: options.store,
  };
}

function channelOf(options: InitOptions, context: CliContext): ChannelPlan {
  const { port, host, timeout, channel } = options;
  if (port !== undefined)
    return {
      kind: 'serial',
      name: channel ?? 'line-a',
      port: resolve(context.cwd, port),
      baud: parseNumbers('baud', options.baud ?? '', 300, 4_000_000)[0]!,
      parity: parseParities(options.parity ?? '')[0]!,
      stopBits: parseNumbers('stop-bits', options.stopBits ?? '1', 1, 2)[0]!,
      timeout: timeout ?? DEFAULT_TIMEOUT.serial,
    };
  const [, name, digits] = /^(.+?)(?::(\d{1,5}))?$/.exec(host ?? '') ?? [];
  return {
    kind: 'host',
    name: channel ?? 'plc',
    host: name ?? '',
    port: digits === undefined ? DEFAULT_PORT : Number(digits),
    framing: options.framing ?? 'tcp',
    timeout: timeout ?? DEFAULT_TIMEOUT.host,
  };
}

/** The channel as keys of a file, to ask the device who it is. */
export function channelKeys(options: InitOptions, context: CliContext): ChannelKeys {
  const plan = channelOf(options, context);
  if (plan.kind === 'host')
    return { driver: 'modbus-tcp', host: plan.host, port: plan.port, framing: plan.framing, timeout: plan.timeout };
  const { port, baud, parity, stopBits, timeout } = plan;
  return { driver: 'modbus-rtu', port, baud, parity, stopBits, timeout };
}

function brokerOf({ broker, username, passwordFile, passwordEnv, ca }: InitOptions): BrokerPlan | undefined {
  if (broker === undefined) return undefined;
  if (passwordFile !== undefined && passwordEnv !== undefined)
    throw new Fault('both --password-file and --password-env are given', 'Give one of them.', EXIT.usage);
  const password =
    passwordFile !== undefined ? { file: passwordFile } : passwordEnv !== undefined ? { env: passwordEnv } : undefined;
  return { url: broker, username, password, ca };
}
