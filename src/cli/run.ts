/** The command `run`: starts the daemon. */
import type { ExitCode } from '../core/errors.ts';
import { type CliContext, type CommonOptions, configFile } from './terminal/context.ts';

/** `run`: the daemon, until Ctrl-C or a polite kill. */
export async function run(
  options: CommonOptions & { readonly simulate?: boolean },
  context: CliContext,
): Promise<ExitCode> {
  const { runDaemon } = await import('../daemon.ts');
  return runDaemon({ file: configFile(options, context).file, simulate: options.simulate ?? false }, context);
}
