/** The daemon: loads the file, starts the gateway and its API, and stops both in order. */

import { readlinkSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Api } from './api/server.ts';
import type { GatewayView } from './api/view.ts';
import { Applying } from './config/apply/apply.ts';
import { noteStart, recoverTrial } from './config/apply/apply-start.ts';
import { type Archive, archiveFolder, openArchive, type Place } from './config/apply/archive.ts';
import { Bundles } from './config/apply/bundles.ts';
import type { FileSource, LoadedFiles } from './config/apply/config-files.ts';
import { realDisk } from './config/apply/durable.ts';
import { loadCached } from './config/cached-load.ts';
import type { Config } from './config/config.ts';
import { diskFilesFrom } from './config/file/disk-files.ts';
import { formatProblem, formatProblems } from './config/file/problems.ts';
import { loadInThread } from './config/load-thread.ts';
import { type Clock, failure, within } from './core/clock.ts';
import type { ConfigurationFiles } from './core/configuration.ts';
import { EXIT, type ExitCode, Fault, messageOf } from './core/errors.ts';
import type { EventBody } from './core/event.ts';
import { installed, makeFolder, programVersion } from './core/file-system.ts';
import { createLogger, type Level, type Logger } from './core/log.ts';

import { type RunningGateway, startGateway } from './gateway/gateway.ts';
import { joinService } from './service/service.ts';
import type { Store } from './store/store.ts';
import { openStore } from './store/thread/open.ts';
import type { StoreThread } from './store/thread/start.ts';

/** What the daemon takes from the world; whoever starts it passes all of it in. */
interface DaemonContext {
  readonly stderr: { write(text: string): unknown };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Aborted by Ctrl-C and by a polite kill. */
  readonly signal: AbortSignal;
  /** Takes SIGHUP; the returned function gives it back. Absent where there are no signals. */
  readonly onHangup?: (listener: () => void) => () => void;
  readonly cwd: string;
  readonly hostname: string;
}

/** What the daemon is started with. */
interface DaemonOptions {
  readonly file: string;
  readonly simulate: boolean;
  /** The store's thread, where it was started already. Whoever started it ends it. */
  readonly thread?: StoreThread;
}

/** Priorities of syslog(3), which journald reads from the beginning of a line. */
const PRIORITIES: Record<Level, string> = { debug: '<7>', info: '<6>', warn: '<4>', error: '<3>' };

/** What a line begins with where no journal adds a time and a priority. */
const WORDS: Record<Level, string> = { debug: 'debug: ', info: '', warn: 'warning: ', error: 'error: ' };

/** How long stopping may take before the process ends anyway: systemd would kill it after 90 s. */
const STOP_DEADLINE_MS = 20_000;

/** What a gateway is started with. */
interface Start {
  readonly store: Store;
  readonly archive: Archive;
  readonly place: Place;
  readonly config: Config;
  readonly files: ConfigurationFiles;
  readonly load: (source: FileSource) => Promise<LoadedFiles>;
  /** What the last process left to be told. */
  readonly events: readonly EventBody[];
  /** Keeps the checked files for the next start. */
  readonly keep: () => void;
}

/**
 * The daemon: checks the file, starts the gateway and its API, and stops both cleanly when the context's signal is
 * aborted. SIGHUP applies the files on the disk.
 *
 * @returns 0 after a clean stop, 78 for a broken file, 1 when a part failed
 */
export async function runDaemon(options: DaemonOptions, context: DaemonContext): Promise<ExitCode> {
  const log = daemonLog(context);
  // From the first moment on: one that comes before the files are in force would else end the process.
  const hangup: Hangup = { isEarly: false, take: undefined };
  const giveBackHangup = context.onHangup?.(() => {
    hangup.isEarly = hangup.take === undefined;
    hangup.take?.();
  });
  try {
    return await runLogged(options, context, log, hangup);
  } catch (error) {
    // In the journal a refusal has the priority of an error; a person at a terminal gets it as from every command.
    if (!(error instanceof Fault) || !isJournal(context)) throw error;
    log.error(error.message);
    return error.code;
  } finally {
    giveBackHangup?.();
  }
}

/** What SIGHUP does now, and whether one came before there was something to do. */
interface Hangup {
  isEarly: boolean;
  take: (() => void) | undefined;
}

async function runLogged(
  options: DaemonOptions,
  context: DaemonContext,
  log: Logger,
  hangup: Hangup,
): Promise<ExitCode> {
  const start = await prepare(options, context, log);
  if (!start) return EXIT.configInvalid;
  const { simulate } = options;
  const { clock, env: environment, signal } = context;
  const { config } = start;
  log.info(
    `millgate ${programVersion()} starts with ${options.file} (configuration ${config.hash})${simulate ? ', all channels simulated' : ''}`,
  );
  const { failed, fail: onFailed } = failure();
  const { gateway, applying, api } = await assemble(start, { simulate, random: Math.random, onFailed }, context, log);
  const service = await joinService({ environment, pid: process.pid, clock, log, progress: gateway.progress });
  hangup.take = () => {
    service.reloading();
    applying.reload().then(service.ready, onFailed);
  };
  try {
    for (const body of [...start.events, ...(await noteStart({ ...start, clock, log }, config.hash, start.files))])
      gateway.event(body);
    await startApi(api, log);
    start.keep();
    service.ready();
    if (hangup.isEarly) hangup.take();
    await Promise.race([gateway.failed, failed, whenAborted(signal)]);
    log.info('stopping');
    service.stopping();
    return EXIT.ok;
  } finally {
    hangup.take = () => {};
    applying.close();
    const closed = () => Promise.all([api.close(), gateway.close()]);
    const late = () => log.error(`stopping took longer than ${STOP_DEADLINE_MS / 1000} s; ending anyway`);
    await within(clock, STOP_DEADLINE_MS, closed, late);
  }
}

/** What of a gateway is not in its file. */
interface Assembly {
  readonly simulate: boolean;
  readonly random: () => number;
  /** Told when the configuration could be neither changed nor kept. */
  readonly onFailed: (error: unknown) => void;
}

/** Starts the gateway of a file, with what changes its configuration, and with its API, which does not listen yet. */
export async function assemble(
  start: Start,
  { simulate, random, onFailed }: Assembly,
  context: DaemonContext,
  log: Logger,
) {
  const { clock, env: environment, signal, hostname } = context;
  const { config, store } = start;
  const version = programVersion();
  const gateway = await startOn(store, { config, simulate, random, version, clock, log, environment });
  const reconfigure = (next: Config) => changeBoth(gateway, api, next);
  const applying = new Applying({ ...start, clock, log, runtime: { ...gateway, reconfigure, onFailed } });
  // Polling goes first: on a slow board the API alone takes a second to load.
  await Promise.race([gateway.begun, gateway.failed, whenAborted(signal)]).catch(() => {});
  const { Api } = await import('./api/server.ts');
  const bundles = bundlesOf(gateway, applying, start, log);
  const api = new Api({
    view: viewOf(gateway, applying, { bundles, store, clock, file: start.place.file }),
    ...config.api,
    machineNames: [config.gateway.id, hostname],
    pageFolder: installed('dist/web'),
    tokensFile: join(config.store.path, 'tokens.json'),
    certificateFolder: config.store.path,
    event: (body) => gateway.event(body),
    clock,
    log: log.scoped('api'),
    version,
    socketPath: socketPath(config.store.path, environment),
  });
  return { gateway, applying, api };
}

/** The gateway on a store that is open, which is closed when the gateway cannot start. */
function startOn(store: Store, parts: Omit<Parameters<typeof startGateway>[0], 'openStore' | 'keyFolder'>) {
  const openStore = async () => store;
  const keyFolder = parts.config.store.path;
  return startGateway({ ...parts, openStore, keyFolder }).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
}

/**
 * Loads the files and opens the store; first it ends what the last process left on trial. For files that are not valid,
 * with their problems on standard error, the last good configuration; undefined where none is archived.
 */
export async function prepare(
  { file, thread }: Omit<DaemonOptions, 'simulate'>,
  context: DaemonContext,
  log: Logger,
): Promise<Start | undefined> {
  const { cwd, clock, hostname } = context;
  const load = (source: FileSource) => loadInThread({ file, cwd, hostname, source }, clock);
  // Beside running lines a check is bounded; before the first question there is nothing that it could disturb, and a plant
  // must not stand still because a slow board takes long for a large file.
  const loadAtStart = (source: FileSource) =>
    load(source).catch(async (error: unknown) => {
      const why = error instanceof Fault ? error.what : messageOf(error);
      log.warn(`${why}. It is checked once more, without a bound on time and memory.`);
      const [{ loadSeen }, { DRIVERS }] = await Promise.all([
        import('./config/apply/config-files.ts'),
        import('../hal/registry.ts'),
      ]);
      return loadSeen({ file, cwd, hostname, drivers: DRIVERS }, source);
    });
  const { loaded: onDisk, keep } = await loadCached(
    {
      folder: cacheFolder(context.env),
      file: resolve(cwd, file),
      about: aboutChecks(context),
      files: diskFilesFrom(cwd),
    },
    () => loadAtStart({ from: 'disk' }),
  );
  const first = checked(onDisk, context, log) ?? (await lastGood(onDisk, file, loadAtStart, context, log));
  if (!first) return undefined;
  const { path, maxBytes, replayMs } = first.config.store;
  // The store's lock also says that no other process has something on trial.
  const store = await openStore({
    path,
    maxBytes,
    replayMs,
    clock,
    log: log.scoped('store'),
    ...(thread && { thread }),
  });
  try {
    const place: Place = { file: resolve(cwd, file), disk: realDisk };
    const archive = await openArchive(archiveFolder(path), realDisk);
    const { events, files } = await recoverTrial({ archive, place, clock, log });
    const loaded =
      events.length > 0 ? await loadAtStart(files ? { from: 'files', files } : { from: 'disk' }) : undefined;
    const good = (loaded && checked(loaded, context, log)) ?? first;
    // The log's own word says that these are warnings.
    for (const problem of good.warnings) log.warn(formatProblem({ ...problem, severity: 'error' }));
    return { store, archive, place, config: good.config, files: good.files, load, events, keep };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** A configuration that is valid; else its problems go to standard error. */
function checked({ result, files }: LoadedFiles, context: DaemonContext, log: Logger) {
  if (result.ok) return { config: result.config, warnings: result.warnings, files };
  if (isJournal(context)) log.error(formatProblems(result.problems));
  else context.stderr.write(`${formatProblems(result.problems)}\n`);
  return undefined;
}

/**
 * The configuration that was kept last, in place of files that are not valid: a slip in an editor that nobody notices
 * before the next power cut must not stop the line. Where the store is comes from the files, or from the service.
 */
async function lastGood(
  { result }: LoadedFiles,
  file: string,
  load: (source: FileSource) => Promise<LoadedFiles>,
  context: DaemonContext,
  log: Logger,
) {
  const folder = (result.ok ? undefined : result.storePath) ?? context.env.STATE_DIRECTORY;
  if (folder === undefined) return undefined;
  const archive = await openArchive(archiveFolder(folder), realDisk).catch(() => undefined);
  const hash = archive?.ledger().good[0];
  const files = hash === undefined ? undefined : await archive?.files(hash).catch(() => undefined);
  const good = files && (await load({ from: 'files', files }));
  if (!good?.result.ok) return undefined;
  log.error(
    `${file} is not valid, see above: the gateway runs the last good configuration ${hash} instead. ` +
      `Mend the file (millgate check ${file}), then: systemctl reload millgate.`,
  );
  return { config: good.result.config, warnings: good.result.warnings, files: good.files };
}

/** Where checked files are kept: the cache of the service, else of the user; undefined where there is neither. */
function cacheFolder({ CACHE_DIRECTORY, XDG_CACHE_HOME, HOME }: DaemonContext['env']): string | undefined {
  if (CACHE_DIRECTORY) return CACHE_DIRECTORY;
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, 'millgate');
  return HOME ? join(HOME, '.cache/millgate') : undefined;
}

/** What the outcome of a check depends on beside the files: the program as it was built, and the machine. */
function aboutChecks({ hostname, env, cwd }: DaemonContext): string {
  const { mtimeMs, size } = statSync(import.meta.filename);
  return JSON.stringify([programVersion(), mtimeMs, size, process.version, hostname, cwd, env.TZ, zoneLink()]);
}

/** Where the time zone of the machine is linked to; nothing where it is kept elsewhere. */
function zoneLink(): string {
  try {
    return readlinkSync('/etc/localtime');
  } catch {
    return '';
  }
}

/** Changes the gateway and where its API listens, or neither. */
async function changeBoth(gateway: RunningGateway, api: Api, next: Config): Promise<number> {
  const before = gateway.config();
  const sinceMs = await gateway.reconfigure(next);
  try {
    await api.relisten(next.api);
    return sinceMs;
  } catch (error) {
    await gateway.reconfigure(before);
    throw error;
  }
}

/** What the API serves: the gateway, and its configuration with what is on trial. */
/** What the view of the gateway is completed with. */
interface ViewParts {
  readonly bundles: Bundles;
  readonly store: Store;
  readonly clock: Clock;
  readonly file: string;
}

function viewOf({ view }: RunningGateway, applying: Applying, { bundles, store, clock, file }: ViewParts): GatewayView {
  return {
    ...view,
    bundles,
    configuration: {
      status: () => applying.status(),
      running: () => applying.running(),
      check: (text, edit) => applying.check(text, edit),
      apply: (order) => applying.apply(order),
      confirm: (by) => applying.confirm(by),
      rollback: (by) => applying.rollback(by),
      async tryAlarm(text, id, hours, signal) {
        const alarm = (await applying.configOf(text)).alarms.find((one) => one.id === id);
        if (!alarm)
          throw new Fault(`the text has no alarm ${JSON.stringify(id.slice(0, 63))}`, 'Name one of its alarms.');
        const toMs = clock.wallMs();
        const { tryAlarm } = await import('./backtest/alarm-trial.ts');
        return tryAlarm(store, alarm, { fromMs: toMs - hours * 3_600_000, toMs }, signal);
      },
      async profiles() {
        // Loaded when somebody asks, as the checks are that come with it.
        const { builtInProfiles, profilesIn } = await import('./config/profiles/profiles.ts');
        const access = diskFilesFrom(dirname(file));
        const all = [join(dirname(file), 'profiles'), builtInProfiles()].flatMap((one) => profilesIn(one, access));
        return [...new Set(all)].sort();
      },
    },
    async status() {
      const [status, { onDisk, pending }] = await Promise.all([view.status(), applying.status()]);
      return { ...status, config: { ...status.config, onDisk, pending } };
    },
  };
}

/** Takes signed configurations; the folder of the store remembers their number. */
function bundlesOf(gateway: RunningGateway, applying: Applying, { archive, config }: Start, log: Logger): Bundles {
  return new Bundles({
    config: gateway.config,
    apply: (order) => applying.apply(order),
    history: () => archive.ledger().history,
    event: gateway.event,
    log,
    disk: realDisk,
    folder: config.store.path,
  });
}

/** The gateway polls and stores without its API too: a busy port or folder must not cost readings. */
async function startApi(api: Api, log: Logger): Promise<void> {
  try {
    await api.start();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    log.error(`api: ${messageOf(error)} The gateway goes on without it.`);
  }
}

/** The service's runtime folder where systemd made one, else beside the store. */
function socketPath(storePath: string, environment: DaemonContext['env']): string {
  if (environment.MILLGATE_SOCKET) return environment.MILLGATE_SOCKET;
  const folder = environment.RUNTIME_DIRECTORY || storePath;
  makeFolder(folder);
  return join(folder, 'api.sock');
}

/** Whether standard error goes to the journal of systemd. */
function isJournal({ env }: DaemonContext): boolean {
  return env.JOURNAL_STREAM !== undefined;
}

function daemonLog(context: DaemonContext): Logger {
  const journal = isJournal(context);
  const threshold = context.env.MILLGATE_DEBUG ? 'debug' : 'info';
  return createLogger(
    context.clock,
    (line, level) => {
      const stamped = `${new Date(context.clock.wallMs()).toISOString()} ${WORDS[level]}${line}`;
      // journald gives each line the priority that stands before it.
      const lines = journal ? line.split('\n').map((part) => PRIORITIES[level] + part) : [stamped];
      context.stderr.write(`${lines.join('\n')}\n`);
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
