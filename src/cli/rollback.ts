import type { ConfigurationStatus } from '../core/configuration.ts';
import { EXIT, type ExitCode } from '../core/errors.ts';
import { operator } from './alarms.ts';
import { history } from './apply/apply.ts';
import { findGateway } from './client.ts';
import { type CliContext, type CommonOptions, print, printJson } from './terminal/context.ts';

/** `rollback`: takes back the configuration on trial, else returns to the last one that was kept before. */
export async function rollback(
  options: CommonOptions & { readonly list?: boolean },
  context: CliContext,
): Promise<ExitCode> {
  if (options.list) return history(options, context);
  const gateway = await findGateway(options, context);
  const before = await gateway.get<ConfigurationStatus>('/api/v1/configuration');
  const after = await gateway.post<ConfigurationStatus>('/api/v1/rollback', { by: operator(context) });
  if (options.json) printJson(context, { from: before.hash, to: after.hash });
  else print(context, [`Rolled back: configuration ${before.hash} → ${after.hash} is in force.`]);
  return EXIT.ok;
}
