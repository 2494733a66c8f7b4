import type { ConfigurationStatus } from '../core/configuration.ts';
import { EXIT, type ExitCode } from '../core/errors.ts';
import { operator } from './alarms.ts';
import { followTrial, leftLine } from './apply/trial.ts';
import { findGateway } from './client.ts';
import { type CliContext, type CommonOptions, print, printJson, warn } from './terminal/context.ts';

/** `confirm`: keeps the configuration on trial, once data flows. */
export async function confirm(options: CommonOptions, context: CliContext): Promise<ExitCode> {
  const gateway = await findGateway(options, context);
  const before = await gateway.get<ConfigurationStatus>('/api/v1/configuration');
  await gateway.post<ConfigurationStatus>('/api/v1/confirm', { by: operator(context) });
  const hash = before.pending?.hash ?? before.hash;
  const end = await followTrial(hash, gateway, context);
  if ('left' in end) {
    warn(context, [leftLine(end.left)]);
    return EXIT.ok;
  }
  const { outcome, why } = end.entry;
  const isKept = outcome === 'kept';
  if (options.json) printJson(context, { ok: isKept, hash, outcome, why });
  else if (isKept) print(context, [context.colors.green(`Kept: configuration ${hash}.`)]);
  else warn(context, [context.colors.red(`Rolled back: ${why ?? outcome}.`)]);
  return isKept ? EXIT.ok : EXIT.failed;
}
