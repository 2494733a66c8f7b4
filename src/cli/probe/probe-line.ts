/** Finds the line that `probe` works on: through the gateway, a channel of the file, a port or a host. */
import { isRawReading, type RawBlock } from '../../../hal/modbus/abilities.ts';
import type { ProbeAnswer } from '../../api/view.ts';
import type { ChannelConfig } from '../../config/config.ts';
import { EXIT, Fault } from '../../core/errors.ts';
import { NAME_PATTERN } from '../../core/quantity.ts';
import type { AskBlock } from '../../probe/probe-read.ts';
import type { GatewayClient } from '../client.ts';
import { load, loadOrFail } from '../configuration.ts';
import { onChannel } from '../direct.ts';
import { ownerOf, refuseOwned } from '../owner.ts';
import { type CliContext, type CommonOptions, configFile } from '../terminal/context.ts';

/** How the line is named and set. */
export interface LineOptions extends CommonOptions {
  readonly baud?: string;
  readonly parity?: string;
  readonly stopBits?: string;
  readonly framing?: string;
  readonly timeout?: string;
}

/** A channel that the command line makes, for a device that no file names yet. */
type Form = { readonly driver: 'modbus-rtu' | 'modbus-tcp'; readonly keys: Record<string, unknown> };

/**
 * Works on a line: a channel of the file, through the gateway when it runs; or a serial port, or a host. Opens it and
 * closes it whatever happens.
 *
 * @throws Fault exit 2 for words that name no line, 69 when it cannot be opened, 77 when this user may not
 */
export async function onLine<T>(
  target: string,
  unit: number,
  options: LineOptions,
  context: CliContext,
  work: (ask: AskBlock) => Promise<T>,
): Promise<T> {
  const form = formOf(target, options);
  if (form) {
    const channel = await channelOf(target, form);
    const place = channel.driver.placeOf?.(channel.options);
    if (place) await refuseOwned([place], options, context);
    return directly(channel, unit, options, context, work);
  }
  const gateway = await ownerOf(options, context);
  if (gateway) return work(throughGateway(gateway, target, unit));
  const config = await loadOrFail(options, context);
  const channel = config.channels.find(({ name }) => name === target);
  if (!channel) throw unknownChannel(target, config.file, config.channels);
  return directly(channel, unit, options, context, work);
}

function throughGateway(gateway: GatewayClient, channel: string, unit: number): AskBlock {
  return async (block) => {
    const answer = await gateway.post<ProbeAnswer>('/api/v1/probe', { channel, unit, ...block });
    return answer as Awaited<ReturnType<AskBlock>>;
  };
}

async function directly<T>(
  channel: ChannelConfig,
  unit: number,
  options: LineOptions,
  context: CliContext,
  work: (ask: AskBlock) => Promise<T>,
): Promise<T> {
  if (!channel.driver.type.startsWith('modbus-'))
    throw new Fault(
      `${channel.name} is no Modbus line but ${channel.driver.type}`,
      'Name a Modbus channel.',
      EXIT.usage,
    );
  if (channel.driver.type === 'modbus-rtu' && (unit < 1 || unit > 247))
    throw new Fault(
      `unit ${unit}: a serial line has units 1 to 247`,
      'Write the one that is set on the device.',
      EXIT.usage,
    );
  try {
    return await onChannel(channel, context, (driver) => {
      if (!isRawReading(driver)) throw new Error(`the driver ${channel.driver.type} cannot read raw registers`);
      return work((block) => driver.readRaw({ unit, ...block } satisfies RawBlock, context.signal));
    });
  } catch (error) {
    throw error instanceof Fault ? await withHolder(namedOnce(error, channel.name), channel, options, context) : error;
  }
}

/** A line without a name of its own is named by where it is, which the fault says already. */
function namedOnce(fault: Fault, name: string): Fault {
  const twice = `${name}: ${name}: `;
  if (!fault.what.startsWith(twice)) return fault;
  return new Fault(fault.what.slice(name.length + 2), fault.remedy, fault.code, { cause: fault.cause });
}

/** A port that is busy is most often held by the gateway: then its channel is the way. */
async function withHolder(
  fault: Fault,
  channel: ChannelConfig,
  options: LineOptions,
  context: CliContext,
): Promise<Fault> {
  if (!/another program uses the port/.test(fault.message)) return fault;
  const loaded = await load(configFile(options, context).file, context);
  const port = portOf(channel);
  const holder = loaded.ok ? loaded.config.channels.find((other) => portOf(other) === port) : undefined;
  if (!holder) return fault;
  return new Fault(
    fault.what,
    `${fault.remedy} If it is the gateway, probe its channel: ${holder.name}.`.trim(),
    fault.code,
    {
      cause: fault,
    },
  );
}

function portOf({ options }: ChannelConfig): string | undefined {
  return (options as { serial?: { port?: string } }).serial?.port;
}

/** What a target that is no channel is, by its form; undefined: the name of a channel. */
function formOf(target: string, { baud, parity, stopBits, framing, timeout }: LineOptions): Form | undefined {
  const common = timeout === undefined ? {} : { timeout };
  if (/^(\/|\.\.?\/|COM\d+$)/.test(target)) {
    if (framing !== undefined)
      throw new Fault(`--framing belongs to a host, not to ${target}`, 'Leave it out.', EXIT.usage);
    const settings = {
      ...(baud !== undefined && { baud: numberOption('baud', baud) }),
      ...(parity !== undefined && { parity }),
      ...(stopBits !== undefined && { stopBits: numberOption('stop-bits', stopBits) }),
    };
    return { driver: 'modbus-rtu', keys: { port: target, ...settings, ...common } };
  }
  const serial = Object.entries({ baud, parity, 'stop-bits': stopBits }).find(([, value]) => value !== undefined);
  if (serial) throw new Fault(`--${serial[0]} belongs to a serial port, not to ${target}`, 'Leave it out.', EXIT.usage);
  const [, name, port] = /^(\[[\da-fA-F:]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)(?::(\d{1,5}))?$/.exec(target) ?? [];
  if (name === undefined)
    throw new Fault(
      `${JSON.stringify(target.slice(0, 80))} names no line`,
      'Write a channel of the file, /dev/ttyUSB0, 192.168.1.20 or plc.lan:502.',
      EXIT.usage,
    );
  if (port === undefined && name !== 'localhost' && NAME_PATTERN.test(name) && framing === undefined) return undefined;
  const host = name.replaceAll(/[[\]]/g, '');
  const endpoint = {
    host,
    ...(port !== undefined && { port: Number(port) }),
    ...(framing !== undefined && { framing }),
  };
  return { driver: 'modbus-tcp', keys: { ...endpoint, ...common } };
}

/** The channel of a form, checked as one of a file is. */
async function channelOf(target: string, { driver: type, keys }: Form): Promise<ChannelConfig> {
  const { DRIVERS } = await import('../../../hal/registry.ts');
  const { strictObject } = await import('zod');
  const driver = DRIVERS.find((each) => each.type === type)!;
  const parsed = strictObject(driver.channelShape()).safeParse(keys);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Fault(
      `--${issue!.path.join('.').replace('stopBits', 'stop-bits')}: ${issue!.message}`,
      'Write another value.',
      EXIT.usage,
    );
  }
  const checked = driver.checkChannel(parsed.data);
  if (!checked.ok) throw new Fault(`${target}: ${checked.problems[0]!.message}`, 'Write another value.', EXIT.usage);
  return { name: target, driver, options: checked.value, devices: [] };
}

function unknownChannel(target: string, file: string, channels: readonly ChannelConfig[]): Fault {
  const names = channels.map(({ name }) => name).join(', ');
  return new Fault(
    `no channel "${target}" in ${file}`,
    `There is: ${names}. A host without dots is written with its port: ${target}:502.`,
    EXIT.usage,
  );
}

function numberOption(name: string, text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isInteger(value)) return value;
  throw new Fault(`--${name} ${text}: this is not a whole number`, 'Write one, such as 9600.', EXIT.usage);
}
