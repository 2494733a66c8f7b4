import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { DRIVERS } from '../hal/registry.ts';
import { createApi } from './api/server.ts';
import { type CliContext, programVersion, warn } from './cli/context.ts';
import { formatTime } from './cli/format.ts';
import { loadConfig } from './config/load.ts';
import { formatProblem, formatProblems } from './config/problems.ts';
import { EXIT, type ExitCode, Fault, messageOf } from './core/errors.ts';
import { createLogger, type Level, type Logger } from './core/log.ts';
import { startGateway } from './gateway.ts';
import { joinService } from './service/service.ts';
import { makeFolder } from './store/folder.ts';

/** What the daemon is started with. */
export interface DaemonOptions {
  readonly file: string;
  readonly simulate: boolean;
}

/** Priorities of syslog(3), which journald reads from the beginning of a line. */
const PRIORITIES: Record<Level, string> = { debug: '<7>', info: '<6>', warn: '<4>', error: '<3>' };

/** What a line begins with where no journal adds a time and a priority. */
const WORDS: Record<Level, string> = { debug: 'debug: ', info: '', warn: 'warning: ', error: 'error: ' };

/** How long stopping may take before the process ends anyway: systemd would kill it after 90 s. */
const STOP_DEADLINE_MS = 20_000;

/**
 * The daemon: checks the file, starts the gateway and its API, and stops both cleanly when the context's signal is
 * aborted.
 *
 * @returns 0 after a clean stop, 78 for a broken file, 1 when a part failed
 */
export async function runDaemon({ file, simulate }: DaemonOptions, context: CliContext): Promise<ExitCode> {
  preferSmallHeap();
  const log = daemonLog(context);
  const loaded = loadConfig({ file, cwd: context.cwd, drivers: DRIVERS, hostname: context.hostname });
  if (!loaded.ok) {
    warn(context, [formatProblems(loaded.problems)]);
    return EXIT.configInvalid;
  }
  // The log's own word says that these are warnings.
  for (const problem of loaded.warnings) log.warn(formatProblem({ ...problem, severity: 'error' }));
  const { config } = loaded;
  const { clock, env: environment, signal } = context;
  const version = programVersion();
  log.info(
    `millgate ${version} starts with ${file} (configuration ${config.hash})${simulate ? ', all channels simulated' : ''}`,
  );
  const gateway = await startGateway({ config, simulate, version, clock, log, random: Math.random, environment });
  const api = createApi({
    ...{ view: gateway.view, socketPath: socketPath(config.store.path, environment), listen: config.api.listen },
    ...{ clock, log: log.scoped('api'), version },
  });
  const service = await joinService({ environment, pid: process.pid, clock, log, progress: gateway.progress });
  try {
    await startApi(api, log);
    service.ready();
    await Promise.race([gateway.failed, whenAborted(signal)]);
    log.info('stopping');
    service.stopping();
    return EXIT.ok;
  } finally {
    await withinDeadline(Promise.all([api.close(), gateway.close()]), context, log);
  }
}

/**
 * Keeps the heap near what is alive: reading a large file would otherwise grow the young generation to 32 MB for good.
 * 131 MB become 101 MB at 1,000 readings a second, for about a third more CPU (1.64 s against 1.25 s in the first 25 s).
 */
function preferSmallHeap(): void {
  setFlagsFromString('--optimize-for-size');
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** The gateway polls and stores without its API too: a busy port or folder must not cost readings. */
async function startApi(api: ReturnType<typeof createApi>, log: Logger): Promise<void> {
  try {
    await api.start();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    log.error(`api: ${messageOf(error)} The gateway goes on without it.`);
  }
}

/** The service's runtime folder where systemd made one, else beside the store. */
function socketPath(storePath: string, environment: CliContext['env']): string {
  if (environment.MILLGATE_SOCKET) return environment.MILLGATE_SOCKET;
  const folder = environment.RUNTIME_DIRECTORY || storePath;
  makeFolder(folder);
  return join(folder, 'api.sock');
}

function daemonLog(context: CliContext): Logger {
  const journal = context.env.JOURNAL_STREAM !== undefined;
  const threshold = context.env.MILLGATE_DEBUG ? 'debug' : 'info';
  return createLogger(
    context.clock,
    (line, level) => {
      const stamped = `${formatTime(context.clock.wallMs())} ${WORDS[level]}${line}`;
      warn(context, [journal ? PRIORITIES[level] + line : stamped]);
    },
    threshold,
  );
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function withinDeadline(work: Promise<unknown>, context: CliContext, log: Logger): Promise<void> {
  let cancel = () => {};
  const late = new Promise<'late'>((resolve) => {
    cancel = context.clock.after(STOP_DEADLINE_MS, () => resolve('late'));
  });
  const ended = await Promise.race([work, late]);
  cancel();
  if (ended === 'late') log.error(`stopping took longer than ${STOP_DEADLINE_MS / 1000} s; ending anyway`);
}
