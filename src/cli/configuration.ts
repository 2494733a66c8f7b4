import type { Config, LoadResult } from '../config/config.ts';
import { EXIT, Fault } from '../core/errors.ts';
import { type CliContext, type CommonOptions, configFile, warn } from './context.ts';

/** Loads a file, relative to the context's folder, with every driver there is. The loader is imported only now: many commands do without it. */
export async function load(file: string, context: CliContext): Promise<LoadResult> {
  const [{ loadConfig }, { DRIVERS }] = await Promise.all([
    import('../config/load.ts'),
    import('../../hal/registry.ts'),
  ]);
  return loadConfig({ file, cwd: context.cwd, drivers: DRIVERS, hostname: context.hostname });
}

/** The configuration; when it is not valid, its problems on standard error and a `Fault` with exit 78. */
export async function loadOrFail(options: CommonOptions, context: CliContext): Promise<Config> {
  const { file } = configFile(options, context);
  const loaded = await load(file, context);
  if (loaded.ok) return loaded.config;
  const { formatProblems } = await import('../config/problems.ts');
  warn(context, [formatProblems(loaded.problems)]);
  throw new Fault(`${file}: not valid. Mend what is listed above, then: millgate check ${file}.`, EXIT.configInvalid);
}
