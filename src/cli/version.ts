import { EXIT, type ExitCode } from '../core/errors.ts';
import { programVersion } from '../core/program.ts';
import { type CliContext, type CommonOptions, print, printJson } from './terminal/context.ts';

/** `version`: this program's version; with `--json` also what it runs on. */
export function version(options: CommonOptions, context: CliContext): ExitCode {
  const millgate = programVersion();
  if (!options.json) print(context, [`millgate ${millgate}`]);
  else printJson(context, { millgate, node: process.versions.node, platform: process.platform, arch: process.arch });
  return EXIT.ok;
}
