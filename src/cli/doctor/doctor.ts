import { EXIT, type ExitCode } from '../../core/errors.ts';
import { judge } from '../../doctor/judge.ts';
import { diagnosisLines } from '../doctor-text.ts';
import { type CliContext, type CommonOptions, print, printJson, warn } from '../terminal/context.ts';
import { durationOption } from '../terminal/duration.ts';
import { gatherFacts } from './doctor-gather.ts';
import { type Machine, machineAt } from './machine.ts';

/** Options of `doctor`. */
export interface DoctorOptions extends CommonOptions {
  /** Judge error statistics over this time instead of since the start of the gateway. */
  readonly for?: string;
}

/**
 * `doctor`: what is wrong, each with its cause and its remedy, by what to do first. With the gateway running its
 * statistics tell; stopped, ports and files; without a file, the machine.
 *
 * @returns 1 when something is broken or a warning was found, 0 when nothing but hints
 */
export async function doctor(
  options: DoctorOptions,
  context: CliContext,
  machine: Machine = machineAt('/', context),
): Promise<ExitCode> {
  const watchMs = options.for === undefined ? undefined : durationOption('for', options.for);
  if (watchMs !== undefined && context.isTerminal && !options.json) warn(context, [`watching for ${options.for} …`]);
  const facts = await gatherFacts({ ...options, ...(watchMs !== undefined && { watchMs }) }, machine, context);
  const diagnosis = judge(facts);
  const isWrong = diagnosis.findings.some(({ severity }) => severity !== 'hint');
  if (options.json) {
    const { configuration, running } = facts;
    const gateway = running ? { state: 'running', pid: running.status.pid } : { state: 'stopped' };
    printJson(context, {
      ok: !isWrong,
      config: { file: configuration.file, hash: configuration.hash },
      gateway,
      ...diagnosis,
    });
  } else print(context, diagnosisLines(diagnosis, context));
  return isWrong ? EXIT.failed : EXIT.ok;
}
