import type { GatewayStatus } from '../api/view.ts';
import type { ConfigProblem } from '../config/config.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import { findGateway, isWithoutGateway } from './client.ts';
import { load } from './configuration.ts';
import { type CliContext, type CommonOptions, configFile, print, printJson } from './context.ts';
import { statusLines } from './status-text.ts';
import { wrapText } from './table.ts';

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
}

/**
 * `status`: the gateway at a glance. Without a gateway it says `stopped` and what can be known; that too is an answer,
 * exit 0. `state` in the JSON is `running`, `stopped` or `unknown`.
 */
export async function status(options: CommonOptions, context: CliContext): Promise<ExitCode> {
  try {
    const gateway = await findGateway(options, context);
    const running = await gateway.get<GatewayStatus>('/api/v1/status');
    if (options.json) printJson(context, { state: 'running', ...running });
    else print(context, statusLines(running, context));
  } catch (error) {
    if (!(error instanceof Fault && isWithoutGateway(error))) throw error;
    const state = error.exitCode === EXIT.configInvalid ? 'unknown' : 'stopped';
    const stopped = await describeStopped(state, error.message, options, context);
    if (options.json) printJson(context, stopped);
    else print(context, stoppedLines(stopped, context));
  }
  return EXIT.ok;
}

async function describeStopped(
  state: Stopped['state'],
  reason: string,
  options: CommonOptions,
  context: CliContext,
): Promise<Stopped> {
  const { file } = configFile(options, context);
  const loaded = await load(file, context);
  if (!loaded.ok) return { state, reason, config: { file, ok: false, problems: loaded.problems } };
  const devices = loaded.config.channels.flatMap((channel) => channel.devices);
  const counts = {
    channels: loaded.config.channels.length,
    devices: devices.length,
    tags: devices.flatMap(({ tags }) => tags).length,
  };
  return { state, reason, config: { file, ok: true, ...counts, problems: loaded.warnings } };
}

function stoppedLines({ state, reason, config }: Stopped, { colors, columns }: CliContext): string[] {
  const errors = config.problems.filter(({ severity }) => severity === 'error').length;
  const verdict = config.ok
    ? `valid: ${counted(config.channels, 'channel')}, ${counted(config.devices, 'device')}, ${counted(config.tags, 'tag')}`
    : `${counted(errors, 'problem')}; millgate check ${config.file}`;
  return [
    `${colors.bold('gateway')}  ${colors.red(state)}`,
    ...wrapText(reason, columns() - 9).map((line) => `         ${line}`),
    `${colors.bold('config')}   ${config.file}`,
    `         ${config.ok ? verdict : colors.red(verdict)}`,
  ];
}

function counted(number: number | undefined, noun: string): string {
  return `${number ?? 0} ${noun}${number === 1 ? '' : 's'}`;
}
