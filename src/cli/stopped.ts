/** Opens the store of a gateway that does not run, for reading. */
import type { Config } from '../config/config.ts';
import type { StoreReader } from '../store/inspect.ts';
import { type CliContext, warn } from './terminal/context.ts';

/** The store of a gateway that does not run, for reading. Throws `Fault` with exit 69 when it is held by one. */
export async function openStopped(config: Config, context: CliContext): Promise<StoreReader> {
  const [{ openStoreForReading }, { createLogger }] = await Promise.all([
    import('../store/inspect.ts'),
    import('../core/log.ts'),
  ]);
  const { path, maxBytes } = config.store;
  const log = createLogger(context.clock, (line) => warn(context, [line]));
  const uplinks = config.uplinks.map(({ name }) => name);
  return openStoreForReading({ path, maxBytes, uplinks, clock: context.clock, log });
}
