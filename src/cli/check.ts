import { EXIT, type ExitCode } from '../core/errors.ts';
import { load } from './configuration.ts';
import { type CliContext, type CommonOptions, configFile, print, printJson, warn } from './context.ts';

/**
 * `check [FILE]`: every problem of the configuration on standard error and exit 78; else what will happen, on standard
 * output. With `--json` everything is one document on standard output.
 */
export async function check(named: string | undefined, options: CommonOptions, context: CliContext): Promise<ExitCode> {
  const { file } = configFile(named === undefined ? options : { config: named }, context);
  const loaded = await load(file, context);
  const problems = loaded.ok ? loaded.warnings : loaded.problems;
  const { formatProblems } = await import('../config/problems.ts');
  if (!options.json && problems.length > 0) warn(context, [formatProblems(problems)]);
  if (!loaded.ok) {
    if (options.json) printJson(context, { ok: false, file, problems });
    return EXIT.configInvalid;
  }
  const [{ forecast }, { formatForecast }] = await Promise.all([
    import('../config/forecast.ts'),
    import('../config/forecast-text.ts'),
  ]);
  const expected = forecast(loaded.config);
  if (options.json) printJson(context, { ok: true, file, problems, forecast: expected });
  else print(context, [formatForecast(expected)]);
  return EXIT.ok;
}
