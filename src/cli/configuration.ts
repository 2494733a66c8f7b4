/** Loads the configuration for a command, and reports its problems in the form every command uses. */
import type { Config, LoadResult } from '../config/config.ts';
import type { LoadOptions } from '../config/load.ts';
import { EXIT, Fault } from '../core/errors.ts';
import { type CliContext, type CommonOptions, configFile, warn } from './terminal/context.ts';

/** How a file is loaded: relative to the context's folder, with every driver there is. */
export async function loadOptions(file: string, context: CliContext): Promise<LoadOptions> {
  const { DRIVERS } = await import('../../hal/registry.ts');
  return { file, cwd: context.cwd, drivers: DRIVERS, hostname: context.hostname };
}

/** Loads a file, relative to the context's folder, with every driver there is. The loader is imported only now: many commands do without it. */
export async function load(file: string, context: CliContext): Promise<LoadResult> {
  const [{ loadConfig }, options] = await Promise.all([import('../config/load.ts'), loadOptions(file, context)]);
  return loadConfig(options);
}

/**
 * Checks a configuration that is not written yet, as `check` would once it is: profiles beside the file count, and files
 * in `conf.d` only if wanted.
 *
 * @param file where it would be
 */
export async function loadText(
  file: string,
  text: string,
  context: CliContext,
  withConfD = false,
): Promise<LoadResult> {
  const [{ loadConfig }, { withText }, { diskFilesFrom }, options] = await Promise.all([
    import('../config/load.ts'),
    import('../config/file/files.ts'),
    import('../config/file/disk-files.ts'),
    loadOptions(file, context),
  ]);
  return loadConfig({ ...options, files: withText(diskFilesFrom(context.cwd), file, text, withConfD) });
}

/**
 * The same context with the time zone of the file, in which a person reads and writes times; without a valid file, in UTC.
 * JSON has UTC milliseconds, so that no file is read for it unless `--since` is a time of day.
 */
export async function inTimezone(
  options: CommonOptions & { readonly since?: string },
  context: CliContext,
): Promise<CliContext> {
  if (options.json && !options.since?.includes(':')) return context;
  const loaded = await load(configFile(options, context).file, context);
  return loaded.ok ? { ...context, timezone: loaded.config.gateway.timezone } : context;
}

/** The configuration; when it is not valid, its problems on standard error and a `Fault` with exit 78. */
export async function loadOrFail(options: CommonOptions, context: CliContext): Promise<Config> {
  const { file } = configFile(options, context);
  const loaded = await load(file, context);
  if (loaded.ok) return loaded.config;
  const { formatProblems } = await import('../config/file/problems.ts');
  warn(context, [formatProblems(loaded.problems)]);
  throw new Fault(`${file}: not valid`, `Mend what is listed above, then: millgate check ${file}.`, EXIT.configInvalid);
}
