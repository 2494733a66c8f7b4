import { EXIT, type ExitCode } from '../core/errors.ts';
import { type CliContext, printJson } from './terminal/context.ts';

/** `schema`: the JSON Schema of the configuration file, for editors. */
export async function schema(context: CliContext): Promise<ExitCode> {
  const [{ generateSchema }, { DRIVERS }] = await Promise.all([
    import('../config/sections/schema.ts'),
    import('../../hal/registry.ts'),
  ]);
  printJson(context, generateSchema(DRIVERS));
  return EXIT.ok;
}
