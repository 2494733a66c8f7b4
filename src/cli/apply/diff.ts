/** The command `diff`: says what a file would change of what runs. */
import { type LoadedFiles, loadWithFiles } from '../../config/apply/config-files.ts';
import type { Config } from '../../config/config.ts';
import { formatProblems } from '../../config/file/problems.ts';
import type { ConfigurationFiles, RunningFiles } from '../../core/configuration.ts';
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { howToStart, runningGateway } from '../client.ts';
import { loadOptions } from '../configuration.ts';
import { type CliContext, type CommonOptions, configFile, print, printJson, warn } from '../terminal/context.ts';
import { changeLines, named, readText, stoppedArchive } from './apply.ts';

/** A configuration to compare with, and what it is called. */
interface Base {
  readonly file: string;
  readonly files: ConfigurationFiles;
  readonly name: string;
}

/**
 * `diff [FILE]`: what a file would change of what runs, or with the gateway stopped of what was applied last. Without
 * FILE: the one on the disk. Exit 0 whether there are differences or not, 78 when a file is not valid.
 */
export async function diff(given: string | undefined, options: CommonOptions, context: CliContext): Promise<ExitCode> {
  const { file } = configFile(options, context);
  const base = await baseOf(options, context);
  const loading = await loadOptions(base.file, context);
  const before = valid(loadWithFiles(loading, { from: 'files', files: base.files }), base.file, base.file, context);
  const next = loadWithFiles(
    loading,
    given === undefined ? { from: 'disk' } : { from: 'text', text: readText(given, context) },
  );
  const after = valid(next, base.file, given ?? file, context);
  if (!before || !after) return EXIT.configInvalid;
  const { changes } = await import('../../config/apply/changes.ts');
  const found = changes(before, after);
  if (options.json) printJson(context, { from: before.hash, to: after.hash, changes: found });
  else print(context, found.length > 0 ? changeLines(found, context) : [sameLine(before, after, given ?? file, base)]);
  return EXIT.ok;
}

function sameLine(before: Config, after: Config, name: string, base: Base): string {
  if (before.hash === after.hash) return `${name} is ${base.name} (${before.hash}).`;
  return `${name} says the same as ${base.name}; only comments, layout or profiles differ.`;
}

async function baseOf(options: CommonOptions, context: CliContext): Promise<Base> {
  const gateway = await runningGateway(options, context);
  if (gateway) {
    const { file, files } = await gateway.get<RunningFiles>('/api/v1/configuration/files');
    return { file, files, name: 'what runs' };
  }
  const archive = await stoppedArchive(options, context);
  const [latest] = archive?.ledger().good ?? [];
  const files = latest === undefined ? undefined : await archive?.files(latest);
  const { file, absolute, named: isNamed } = configFile(options, context);
  if (!files)
    throw new Fault(
      `no gateway runs, and none has run with ${file}: there is nothing to compare with. ${howToStart(isNamed ? file : undefined)}`,
      EXIT.unavailable,
    );
  return { file: absolute, files, name: 'what was applied last' };
}

/** The configuration; of one that is not valid the problems go to standard error. */
function valid({ result }: LoadedFiles, file: string, shownAs: string, context: CliContext): Config | undefined {
  if (result.ok) return result.config;
  warn(context, [formatProblems(named(result.problems, file, shownAs))]);
  return undefined;
}
