/** The command `status`: the gateway at a glance, also when it is stopped. */
import type { GatewayStatus } from '../../api/view.ts';
import type { Config, ConfigProblem } from '../../config/config.ts';
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { programVersion } from '../../core/file-system.ts';
import type { StoreStatus } from '../../store/store.ts';
import { findGateway, isWithoutGateway } from '../client.ts';
import { load } from '../configuration.ts';
import { refuseIfLocked } from '../owner.ts';
import { openStopped } from '../stopped.ts';
import { type CliContext, type CommonOptions, configFile, print, printJson } from '../terminal/context.ts';
import { formatCount, plain } from '../terminal/format.ts';
import { showPage } from '../terminal/live.ts';
import { hasScreen } from '../terminal/screen.ts';
import { labelled } from './status-parts.ts';
import { storeLines } from './status-store.ts';
import { type StatusDetail, statusLines } from './status-text.ts';

/** Options of `status`. */
export interface StatusOptions extends CommonOptions, StatusDetail {
  /** Keeps it on the screen until Ctrl-C. */
  readonly watch?: boolean;
}

/** What can be known without a gateway. */
interface Stopped {
  /** `unknown`: the file cannot be read, and so neither where its gateway would answer. */
  readonly state: 'stopped' | 'unknown';
  readonly reason: string;
  readonly config: {
    readonly file: string;
    readonly ok: boolean;
    readonly channels?: number;
    readonly devices?: number;
    readonly tags?: number;
    readonly problems: readonly ConfigProblem[];
  };
  /** What lies in the store; absent where there is none or it cannot be read. */
  readonly store?: StoreStatus;
}

type Known = { readonly state: 'running'; readonly status: GatewayStatus } | Stopped;

/**
 * `status`: the gateway at a glance. Without a gateway it says `stopped` and what can be known; that too is an answer,
 * exit 0. One that holds its store and does not answer is not stopped: exit 69 with its process. `state` in the JSON is `running`, `stopped` or `unknown`. Throws `Fault` for an answer of another version that
 * cannot be shown.
 */
export async function status(options: StatusOptions, context: CliContext): Promise<ExitCode> {
  if (options.watch && hasScreen(context) && !options.json) {
    await showPage((quiet) => linesNow(options, quiet), context);
    return EXIT.ok;
  }
  const known = await ask(options, context);
  if (!options.json) print(context, linesOf(known, options, context));
  else if (known.state === 'running') printJson(context, { state: 'running', ...known.status });
  else printJson(context, known);
  return EXIT.ok;
}

/** The screen goes on while a gateway starts or hangs: that it does not answer is then what there is to see. */
async function linesNow(options: StatusOptions, context: CliContext): Promise<string[]> {
  try {
    return linesOf(await ask(options, context), options, context);
  } catch (error) {
    if (!(error instanceof Fault && error.code === EXIT.unavailable)) throw error;
    return [labelled('gateway', context.colors.red(plain(error.message)), context)];
  }
}

async function ask(options: StatusOptions, context: CliContext): Promise<Known> {
  try {
    const gateway = await findGateway(options, context);
    return { state: 'running', status: await gateway.get<GatewayStatus>('/api/v1/status') };
  } catch (error) {
    if (!(error instanceof Fault && isWithoutGateway(error))) throw error;
    const state = error.code === EXIT.configInvalid ? 'unknown' : 'stopped';
    return describeStopped(state, error.message, options, context);
  }
}

function linesOf(known: Known, options: StatusOptions, context: CliContext): string[] {
  if (known.state !== 'running') return stoppedLines(known, context);
  const { version } = known.status;
  try {
    return statusLines(known.status, options, context);
  } catch (error) {
    const ours = programVersion();
    if (version === ours) throw error;
    throw new Fault(
      `the gateway is version ${plain(String(version))} and says its status in a way that this command, ${ours}, cannot show; --json prints it as it is`,
      'Restart the gateway after an update: systemctl restart millgate.',
      EXIT.failed,
      { cause: error },
    );
  }
}

async function describeStopped(
  state: Stopped['state'],
  reason: string,
  options: CommonOptions,
  context: CliContext,
): Promise<Stopped> {
  const { file } = configFile(options, context);
  const loaded = await load(file, context);
  const folder = loaded.ok ? loaded.config.store.path : loaded.storePath;
  if (folder !== undefined) await refuseIfLocked(folder);
  if (!loaded.ok) return { state, reason, config: { file, ok: false, problems: loaded.problems } };
  const devices = loaded.config.channels.flatMap((channel) => channel.devices);
  const counts = {
    channels: loaded.config.channels.length,
    devices: devices.length,
    tags: devices.flatMap(({ tags }) => tags).length,
  };
  const store = await storedBy(loaded.config, context);
  return { state, reason, config: { file, ok: true, ...counts, problems: loaded.warnings }, ...(store && { store }) };
}

/** What lies in the store of a stopped gateway; undefined where there is none yet or this user may not read it. */
async function storedBy(config: Config, context: CliContext): Promise<StoreStatus | undefined> {
  try {
    const store = await openStopped(config, context);
    try {
      return await store.status();
    } finally {
      await store.close();
    }
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

function stoppedLines({ state, reason, config, store }: Stopped, context: CliContext): string[] {
  const { colors } = context;
  const errors = config.problems.filter(({ severity }) => severity === 'error').length;
  const verdict = config.ok
    ? `valid: ${counted(config.channels, 'channel')}, ${counted(config.devices, 'device')}, ${counted(config.tags, 'tag')}`
    : colors.red(`${counted(errors, 'problem')}; millgate check ${config.file}`);
  return [
    labelled('gateway', colors.red(state), context),
    labelled('', plain(reason), context),
    labelled('config', config.file, context),
    labelled('', verdict, context),
    ...(store ? ['', ...storeLines(store, { nowMs: context.clock.wallMs() }, context)] : []),
    ...Object.entries(store?.pending ?? {}).map(([uplink, { readings, events }]) =>
      labelled('uplink', `${uplink}: ${formatCount(numbersIn([...readings, ...events]))} to be sent`, context),
    ),
  ].flatMap((line) => line.split('\n'));
}

function numbersIn(ranges: readonly { readonly from: number; readonly to: number }[]): number {
  return ranges.reduce((total, { from, to }) => total + to - from, 0);
}

function counted(number: number | undefined, noun: string): string {
  return `${number ?? 0} ${noun}${number === 1 ? '' : 's'}`;
}
