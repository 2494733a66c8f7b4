/** Checks a configuration that is not written yet. */
import type { LoadResult } from '../../config/config.ts';
import type { CliContext } from '../terminal/context.ts';

/**
 * Checks a configuration that is not written yet, as `check` would once it is: profiles beside the file count, and files
 * in `conf.d` only if wanted.
 *
 * @param file where it would be
 */
export async function loadText(
  file: string,
  text: string,
  context: CliContext,
  withConfD = false,
): Promise<LoadResult> {
  const [{ loadConfig }, { diskFilesFrom, withText }, { DRIVERS }] = await Promise.all([
    import('../../config/load.ts'),
    import('../../config/file/files.ts'),
    import('../../../hal/registry.ts'),
  ]);
  const files = withText(diskFilesFrom(context.cwd), file, text, withConfD);
  return loadConfig({ file, cwd: context.cwd, drivers: DRIVERS, hostname: context.hostname, files });
}
