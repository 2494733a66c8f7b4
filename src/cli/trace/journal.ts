/** Reads the journal page by page, for commands that look for something in all of it. */
import type { Stored } from '../stored.ts';
import type { CliContext } from '../terminal/context.ts';

/** Pages of the journal since an instant, oldest first. Ends early when the command is given up. */
export async function* journalSince(
  stored: Stored,
  fromMs: number,
  { signal }: Pick<CliContext, 'signal'>,
): AsyncGenerator<Awaited<ReturnType<Stored['events']>>['events']> {
  let from: Parameters<Stored['events']>[0] = { fromMs };
  while (!signal.aborted) {
    const { events, next } = await stored.events(from);
    yield events;
    if (next === undefined) return;
    from = { afterSeq: next };
  }
}
