/** The command `init`: writes a first configuration file that passes `check`. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config, UplinkConfig } from '../../config/config.ts';
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { loadText } from '../configuration.ts';
import { type CliContext, configFile, print, warn } from '../terminal/context.ts';
import { formatShare } from '../terminal/format.ts';
import { createPrompt, Ended, type Prompt } from '../terminal/prompt.ts';
import { alreadyThere, type FilePlan, renderFile, writeFirst } from './init-file.ts';
import { type InitOptions, missingIn, planOf } from './init-options.ts';
import type { Answers } from './init-questions.ts';

/**
 * `init`: writes a first configuration file that passes `check`. On a terminal it asks for what the flags leave open.
 * Exit 0 when the file was written; 1 when it is there already or the questions were ended; 2 when flags are missing off a
 * terminal; 69 or 77 when a port cannot be used; 78 when what was asked for makes no good file. Except for exit 0 nothing is
 * written.
 */
export async function init(options: InitOptions, context: CliContext): Promise<ExitCode> {
  const file = options.output ?? configFile(options, context).file;
  const path = resolve(context.cwd, file);
  if (existsSync(path) && !options.force) throw alreadyThere(file);
  const missing = missingIn(options);
  if (missing.length === 0) return write(file, path, planOf(options, context), undefined, options, context);
  if (!context.input)
    throw new Fault(
      `init needs ${missing.join(', ')} where it cannot ask`,
      `For example: ${context.invocation} init --port /dev/ttyUSB0 --baud 9600 --parity none --unit 1 --profile eastron-sdm120 --output ./millgate.yaml`,
      EXIT.usage,
    );
  const prompt = createPrompt(context.input, context);
  const answers: Answers = { ...options };
  try {
    const { askForTheRest } = await import('./init-questions.ts');
    await askForTheRest(answers, file, prompt, context);
    return await write(file, path, planOf(answers, context), prompt, answers, context);
  } catch (error) {
    warn(context, answeredSoFar(answers, options, context));
    if (!(error instanceof Ended) && !context.signal.aborted) throw error;
    warn(context, ['Ended; nothing was written.']);
    return EXIT.failed;
  } finally {
    prompt.close();
  }
}

/** The command line that says again what was answered, so that nothing that was typed is lost. */
function answeredSoFar(answers: Answers, options: InitOptions, { invocation }: CliContext): string[] {
  if (Object.keys(answers).every((key) => key in options)) return [];
  const flags = Object.entries(answers).flatMap(([key, value]) => {
    const flag = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value === undefined || value === false) return [];
    if (value === true) return [flag];
    return [value].flat().map((text) => `${flag} ${quoted(text)}`);
  });
  return [`What was answered, to go on with: ${invocation} init ${flags.join(' ')}`];
}

/** A word for the shell. */
function quoted(text: string): string {
  return /^[\w./:=,@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Tests the broker, checks the file, writes it, and says what to do next. */
async function write(
  file: string,
  path: string,
  plan: FilePlan,
  prompt: Prompt | undefined,
  options: InitOptions,
  context: CliContext,
): Promise<ExitCode> {
  const text = renderFile(plan, file);
  const loaded = await loadText(file, text, context, true);
  const problems = loaded.ok ? loaded.warnings : loaded.problems;
  if (problems.length > 0) {
    const { formatProblems } = await import('../../config/file/problems.ts');
    warn(context, [formatProblems(problems)]);
  }
  if (!loaded.ok)
    throw new Fault(
      'what was asked for makes no good file; nothing was written',
      'Mend what is listed above.',
      EXIT.configInvalid,
    );
  const [uplink] = loaded.config.uplinks;
  if (uplink && !(await brokerAnswers(uplink, context)) && prompt) {
    if (!(await prompt.confirm('Write the file with this broker all the same?', true))) throw new Ended();
  }
  if (context.signal.aborted) throw new Ended();
  writeFirst(path, text, options.force ?? false);
  print(context, [file]);
  warn(context, await summary(file, loaded.config, context));
  return EXIT.ok;
}

/** Whether the broker takes this gateway, tried as `doctor` does; says so, or why not. Nothing is published. */
async function brokerAnswers(uplink: UplinkConfig, context: CliContext): Promise<boolean> {
  const { askBroker } = await import('../doctor/doctor-broker.ts');
  const startedMs = context.clock.monoMs();
  const { asked, trouble, certificates } = await askBroker(uplink, false, context);
  if (context.signal.aborted) throw new Ended();
  const tookMs = Math.round(context.clock.monoMs() - startedMs);
  if (trouble !== undefined) warn(context, [`The broker was not reached: ${trouble}`]);
  else if (asked === 'login') warn(context, [`The broker took the connection in ${tookMs} ms.`]);
  else
    warn(context, [
      'The broker is there; whether it takes this user was not tried, for the password is not to be had here.',
    ]);
  warn(
    context,
    certificates.map(({ message }) => message),
  );
  return trouble === undefined;
}

async function summary(file: string, config: Config, { invocation, colors }: CliContext): Promise<string[]> {
  const { forecast } = await import('../../config/forecast/forecast.ts');
  const expected = forecast(config);
  const tags = expected.tags.length;
  const use = expected.channels.map(
    ({ channel, utilisation }) => `${channel} in use ${formatShare(utilisation)} of the time`,
  );
  return [
    `Wrote ${file}; it passes check: ${tags} ${tags === 1 ? 'tag' : 'tags'}, ${use.join(', ')}.`,
    '',
    colors.bold('Next'),
    `  what will happen:  ${invocation} check ${file}`,
    `  read it now:       ${invocation} read '*' --config ${file}`,
    `  run it:            ${invocation} run --config ${file}`,
  ];
}
