import { EXIT, Fault } from '../core/errors.ts';
import { createLogger } from '../core/log.ts';
import { programVersion } from '../core/program.ts';
import { seededRandom } from '../core/random.ts';
import { loadOrFail } from './configuration.ts';
import { type CliContext, type CommonOptions, warn } from './terminal/context.ts';

/** How often what happened is handed on, ms. */
const HAND_ON_EVERY_MS = 100;

/** Lines that may wait to be written; more than a minute of a very busy machine. */
const MAX_WAITING_LINES = 200_000;

/**
 * The lines of a recording where no gateway runs: opens the channels of the configuration and polls them as it says, until
 * the signal. Throws `Fault` for a broken file or a channel that cannot be recorded.
 */
export async function* pollingLines(
  channels: readonly string[],
  options: CommonOptions,
  context: CliContext,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  const { clock } = context;
  const config = await loadOrFail(options, context);
  const { createPollingAlone } = await import('../gateway/poll-alone.ts');
  const log = createLogger(clock, (line) => warn(context, [line]), 'warn');
  const random = seededRandom(Math.floor(clock.wallMs()));
  const polling = createPollingAlone({ config, version: programVersion(), clock, log, random });
  const waiting: string[] = [];
  const endRecording = polling.record(channels, (line) => void waiting.push(line));
  const ended = new AbortController();
  let failure: { readonly cause: unknown } | undefined;
  const polls = polling.poll(channels, AbortSignal.any([signal, ended.signal])).catch((cause: unknown) => {
    failure = { cause };
  });
  try {
    while (!signal.aborted) {
      if (waiting.length > MAX_WAITING_LINES)
        throw new Fault('the disk is too slow for this recording. Record fewer channels: --channel NAME.', EXIT.failed);
      if (waiting.length > 0) yield waiting.splice(0);
      if (failure) throw failure.cause;
      await clock.sleep(HAND_ON_EVERY_MS, signal).catch(() => {});
    }
    ended.abort();
    await polls;
    if (waiting.length > 0) yield waiting.splice(0);
  } finally {
    ended.abort();
    await polls;
    endRecording();
  }
}
