/** Gathers everything that `doctor` judges, with a deadline for each look. */
import type { DriverType } from '../../../hal/driver-type.ts';
import type { JsonTag } from '../../api/json.ts';
import type { GatewayStatus } from '../../api/view.ts';
import type { ChannelConfig, Config, LoadResult } from '../../config/config.ts';
import type { Forecast } from '../../config/forecast/forecast.ts';
import { EXIT, Fault } from '../../core/errors.ts';
import { programVersion } from '../../core/file-system.ts';
import type {
  ChannelFacts,
  ConfigurationFacts,
  DeviceFile,
  DiskFacts,
  Facts,
  RunningFacts,
  User,
} from '../../doctor/facts.ts';
import type { LedgerEntry } from '../../store/store.ts';
import { findGateway, type GatewayClient, isWithoutGateway } from '../client.ts';
import { load } from '../configuration.ts';
import { allPages } from '../status/ledger.ts';
import { openStopped } from '../stopped.ts';
import { type CliContext, type CommonOptions, configFile, DEFAULT_CONFIG_FILE } from '../terminal/context.ts';
import { askBroker, reach } from './doctor-broker.ts';
import { gatherDisk, gatherMachine, gatherService } from './doctor-machine.ts';
import { gatherDevices, gatherFiles } from './doctor-ports.ts';
import { gatewaysOf, userByName, userOfProcess } from './doctor-processes.ts';
import type { Machine } from './read-machine.ts';

/** A backlog larger than this is looked at twice, to see whether it shrinks; and how long lies between, ms. */
const BACKLOG_RECORDS = 1000;
const BACKLOG_WATCH_MS = 2000;

/** Permission bit: anyone may read. */
const OTHERS_READ = 0o004;

/** Whoever asks, where not even that can be read. */
const UNKNOWN_USER: User = { name: 'this user', uid: -1, groups: [], as: 'caller' };

/** Gathers what `doctor` judges. Looks only: nothing is changed, no device is asked anything, nothing is published. */
export async function gatherFacts(
  options: CommonOptions & { readonly watchMs?: number },
  machine: Machine,
  context: CliContext,
): Promise<Facts> {
  const found = await gatewayOf(options, context);
  const firstStatus = await found.gateway?.get<GatewayStatus>('/api/v1/status');
  const named = configFile(options, context);
  const file = named.named ? named.file : (firstStatus?.config.file ?? named.file);
  const loaded = await load(file, context);
  const config = loaded.ok ? loaded.config : undefined;
  const forecast = config && (await import('../../config/forecast/forecast.ts')).forecast(config);
  const [running, facts, service, brokers, disk] = await Promise.all([
    found.gateway && firstStatus
      ? gatherRunning(found.gateway, firstStatus, config, options.watchMs, context)
      : undefined,
    gatherMachine(machine),
    serviceOf(named.absolute, firstStatus, machine),
    Promise.all((config?.uplinks ?? []).map((uplink) => askBroker(uplink, found.gateway !== undefined, context))),
    config && forecast ? diskFacts(config, forecast, found.gateway !== undefined, machine, context) : undefined,
  ]);
  const pid = running?.status.pid;
  const gateways = pid === undefined ? [] : [pid];
  const channels =
    config && forecast ? gatherChannels(config, forecast, running, gateways, machine) : channelsOf(running);
  return {
    nowMs: running?.status.nowMs ?? context.clock.wallMs(),
    invocation: context.invocation,
    version: programVersion(),
    user: userOf(machine, pid, service?.isInstalled ? service : undefined),
    configuration: configurationFacts(file, loaded, machine),
    running,
    silence: found.silence,
    otherGateways: gatewaysOf(machine).filter((each) => each.pid !== pid && each.pid !== process.pid),
    channels: running ? channels : await withReach(channels, context),
    devices: gatherDevices(machine),
    disk,
    machine: facts,
    service,
    brokers,
  };
}

/** The service, unless the file asked for, or the one that runs, is not the service's: then it is none of theirs. */
async function serviceOf(absolute: string, status: GatewayStatus | undefined, machine: Machine) {
  const service = await gatherService(machine);
  const isItsFile = absolute === DEFAULT_CONFIG_FILE && (status?.config.file ?? absolute) === absolute;
  return service && { ...service, isInstalled: service.isInstalled && isItsFile };
}

async function gatewayOf(
  options: CommonOptions,
  context: CliContext,
): Promise<{ gateway: GatewayClient | undefined; silence: Facts['silence'] }> {
  try {
    return { gateway: await findGateway(options, context), silence: undefined };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const isForbidden = error.code === EXIT.permission;
    if (!isForbidden && !isWithoutGateway(error)) throw error;
    return { gateway: undefined, silence: { cause: error.message.replace(/\. .*$/s, ''), isForbidden } };
  }
}

/** Asks the gateway again after a while, when it is to be watched or has a backlog. */
async function gatherRunning(
  gateway: GatewayClient,
  first: GatewayStatus,
  config: Config | undefined,
  watchMs: number | undefined,
  context: CliContext,
): Promise<RunningFacts> {
  const hasBacklog = first.uplinks.some(
    ({ state, pendingRecords }) => state === 'connected' && pendingRecords > BACKLOG_RECORDS,
  );
  const waitMs = watchMs ?? (hasBacklog ? BACKLOG_WATCH_MS : 0);
  if (waitMs > 0) await context.clock.sleep(waitMs, context.signal);
  const [status, tags, ledger] = await Promise.all([
    waitMs > 0 ? gateway.get<GatewayStatus>('/api/v1/status') : first,
    gateway.get<JsonTag[]>('/api/v1/tags'),
    allPages((after) => gateway.get<LedgerEntry[]>(`/api/v1/store/ledger?after=${after}`)),
  ]);
  return {
    status,
    tags,
    ledger,
    before: waitMs > 0 ? first : undefined,
    isWatched: watchMs !== undefined,
    addresses: addressesOf(config),
  };
}

function addressesOf(config: Config | undefined): ReadonlyMap<string, string> {
  const tags = (config?.channels ?? []).flatMap(({ driver, devices }) =>
    devices.flatMap((device) =>
      device.tags.map(({ tag }): [string, string] => [tag.id, driver.describeAddress(tag.address).replace(/,.*$/, '')]),
    ),
  );
  return new Map(tags);
}

function configurationFacts(file: string, loaded: LoadResult, machine: Machine): ConfigurationFacts {
  const problems = loaded.ok ? loaded.warnings : loaded.problems;
  const texts = problems.map(({ line, path, message, severity }) => ({
    severity,
    text: `line ${line}, ${path}: ${message}`,
  }));
  const errors = texts.filter(({ severity }) => severity === 'error');
  return {
    file,
    isThere:
      loaded.ok ||
      machine.stat(file) !== undefined ||
      loaded.problems.some((each) => !/no such file/.test(each.message)),
    isValid: loaded.ok,
    errors: errors.length,
    firstError: errors[0]?.text,
    warnings: texts.filter(({ severity }) => severity === 'warning').map(({ text }) => text),
    hash: loaded.ok ? loaded.config.hash : undefined,
    timezone: loaded.ok ? loaded.config.gateway.timezone : undefined,
    openSecrets: loaded.ok ? openSecrets(loaded.config, machine) : [],
  };
}

/** Files of secrets, and keys, that any user may read. */
function openSecrets({ uplinks }: Config, machine: Machine): string[] {
  const files = uplinks.flatMap(({ password, tls }) => [
    ...(password && 'file' in password ? [password.file] : []),
    ...(tls?.key === undefined ? [] : [tls.key]),
  ]);
  return files.filter((file) => ((machine.stat(file)?.mode ?? 0) & OTHERS_READ) !== 0);
}

/** Whose rights count: those of the gateway that runs, else of the service that would, else of who asks. */
function userOf(
  machine: Machine,
  gatewayPid: number | undefined,
  service: { readonly user: string; readonly addedGroups: readonly string[] } | undefined,
): User {
  return (
    (gatewayPid === undefined ? undefined : userOfProcess(machine, gatewayPid, 'gateway')) ??
    (service && userByName(machine, service.user, service.addedGroups)) ??
    userOfProcess(machine, 'self', 'caller') ??
    UNKNOWN_USER
  );
}

/** The channels of a gateway whose file cannot be used any more: what it counted can still be judged. */
function channelsOf(running: RunningFacts | undefined): ChannelFacts[] {
  const nothing = { place: undefined, file: undefined, reach: undefined, slowest: [], advice: undefined };
  return (running?.status.channels ?? []).map((status) => ({
    ...nothing,
    name: status.name,
    driver: status.driver,
    status,
    devices: status.devices.map(({ name }) => ({ name, station: undefined })),
  }));
}

/** The channels of a configuration on this machine, for whoever would run it; no gateway and no device is asked. */
export async function gatherPorts(
  config: Config,
  forecast: Forecast,
  file: string,
  machine: Machine,
): Promise<Pick<Facts, 'channels' | 'devices' | 'user'>> {
  const service = file === DEFAULT_CONFIG_FILE ? await gatherService(machine) : undefined;
  const gateways = gatewaysOf(machine).map(({ pid }) => pid);
  return {
    channels: gatherChannels(config, forecast, undefined, gateways, machine),
    devices: gatherDevices(machine),
    user: userOf(machine, undefined, service?.isInstalled ? service : undefined),
  };
}

/** Endpoints are tried only while no gateway has them: some take one connection. */
async function withReach(channels: readonly ChannelFacts[], context: CliContext): Promise<ChannelFacts[]> {
  return Promise.all(
    channels.map(async (channel) =>
      channel.place?.kind === 'tcp'
        ? { ...channel, reach: await reach(channel.place.host, channel.place.port, context) }
        : channel,
    ),
  );
}

/** @param gateways processes that may have the ports open */
function gatherChannels(
  config: Config,
  forecast: Forecast,
  running: RunningFacts | undefined,
  gateways: readonly number[],
  machine: Machine,
): ChannelFacts[] {
  const places = config.channels.map(({ driver, options }) => driver.placeOf?.(options));
  const paths = places.flatMap((place) => (place?.kind === 'serial' || place?.kind === 'i2c' ? [place.path] : []));
  const files = new Map<string, DeviceFile>(gatherFiles(machine, paths, gateways).map((file) => [file.path, file]));
  return config.channels.map((channel, index): ChannelFacts => {
    const status = running?.status.channels.find((each) => each.name === channel.name);
    // What is simulated needs no port.
    const place = status?.simulated ? undefined : places[index];
    const planned = forecast.channels.find((each) => each.channel === channel.name);
    return {
      name: channel.name,
      driver: channel.driver.type,
      place,
      file: place && 'path' in place ? files.get(place.path) : undefined,
      reach: undefined,
      devices: channel.devices.map(({ name, tags }) => ({ name, station: stationOf(channel, tags[0]?.tag.address) })),
      status,
      slowest: (planned?.periods ?? []).flatMap(({ slowest }) => slowest).sort((a, b) => b.lineMs - a.lineMs),
      advice: planned?.advice,
    };
  });
}

function stationOf(
  { driver, options }: ChannelConfig,
  address: unknown,
): ReturnType<NonNullable<DriverType['stationOf']>> | undefined {
  return address === undefined ? undefined : driver.stationOf?.(options, address);
}

async function diskFacts(
  config: Config,
  forecast: Forecast,
  isRunning: boolean,
  machine: Machine,
  context: CliContext,
): Promise<DiskFacts> {
  const { path, maxBytes, commitEveryMs } = config.store;
  const { writtenBytesPerDay, outageDays } = forecast.store;
  const disk = await gatherDisk(machine, path);
  const common = { path, maxBytes, commitEveryMs, writtenBytesPerDay, outageDays, ...disk };
  const nothing = { status: undefined, ledger: [], trouble: undefined, unseen: undefined };
  if (isRunning || !disk.isThere) return { ...common, ...nothing };
  try {
    // What is damaged is told by the account; the reader's own warnings would stand before the list.
    const store = await openStopped(config, { ...context, stderr: { write: () => true } });
    try {
      const [status, ledger] = [await store.status(), await allPages((after) => store.ledger(after))];
      return { ...common, ...nothing, status, ledger };
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (error.code === EXIT.permission) return { ...common, ...nothing, unseen: error.message };
    // A folder without a store is one that no gateway has run in.
    if (/there is no store in it/.test(error.message)) return { ...common, ...nothing };
    return { ...common, ...nothing, trouble: error.message };
  }
}
