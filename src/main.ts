import { EXIT, type ExitCode } from './core/errors.ts';

export async function runDaemon(
  _options: { file: string; simulate: boolean },
  context: { signal: AbortSignal },
): Promise<ExitCode> {
  await new Promise<void>((resolve) => {
    if (context.signal.aborted) resolve();
    else context.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  return EXIT.ok;
}
