/** Drives the outputs that alarms order, until each is where it was wanted last. */
import type { WriteResult } from '../../hal/driver.ts';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { EventBody } from '../core/event.ts';
import type { TagId, Value } from '../core/reading.ts';

/** What outputs are driven with. */
interface OutputParts {
  /** Writes a tag through the channel that polls it; throws when it is not known whether the device took the value. */
  readonly write: (tag: TagId, value: Value, signal: AbortSignal) => Promise<WriteResult>;
  readonly event: (body: EventBody) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** An output that refused is asked again after this: its line may be down. */
const RETRY_MS = 5000;

/** Outputs that alarms drive: a stack light, a relay. */
export interface OutputDriver {
  /** Sets an output to a value until another is given; `by` is the alarm. Does not wait. */
  drive(tag: TagId, value: Value, by: string): void;
  /**
   * Sets outputs again to what they were set to last: their channel was started anew, and they are what it leaves them.
   * Those of tags that are there no more are forgotten.
   */
  again(isThere: (tag: TagId) => boolean, wasRestarted: (tag: TagId) => boolean): void;
}

interface Output {
  wanted: Value;
  by: string;
  isBusy: boolean;
  /** False once its tag is gone: then nothing is tried any more. */
  isWanted: boolean;
  /** Counts the demands, so that one that came meanwhile is seen even when it wants the same. */
  demands: number;
  /** What was said of it last, so that a lasting trouble is told once. */
  trouble: string | undefined;
}

/**
 * Drives outputs, one write at a time each, always to the value that was wanted last, and again until it is there.
 * Every write goes into the journal, and so does an output that cannot be written, once.
 */
export function createOutputDriver({ write, event, clock, signal }: OutputParts): OutputDriver {
  const outputs = new Map<TagId, Output>();

  const attempt = async (tag: TagId, value: Value): Promise<string | undefined> => {
    try {
      const result = await write(tag, value, signal);
      return result.ok ? undefined : result.why;
    } catch (error) {
      return messageOf(error);
    }
  };

  const settle = async (tag: TagId, output: Output): Promise<void> => {
    output.isBusy = true;
    while (!signal.aborted && output.isWanted) {
      const { wanted, by, demands } = output;
      const trouble = await attempt(tag, wanted);
      if (signal.aborted || !output.isWanted) break;
      const facts = { tag, value: wanted, by };
      if (trouble === undefined) {
        output.trouble = undefined;
        event({ kind: 'audit', what: 'output', ...facts, message: `${tag} set to ${wanted} by alarm ${by}` });
        if (output.demands === demands) break;
        continue;
      }
      if (output.trouble !== trouble) {
        const message = `${tag} could not be set to ${wanted} for alarm ${by}: ${trouble}. It is tried again`;
        event({ kind: 'quality', what: 'output-not-set', ...facts, message });
      }
      output.trouble = trouble;
      await clock.sleep(RETRY_MS, signal).catch(() => {});
    }
    output.isBusy = false;
  };

  const demand = (tag: TagId, output: Output, wanted: Value, by: string): void => {
    output.wanted = wanted;
    output.by = by;
    output.demands++;
    if (!output.isBusy) void settle(tag, output);
  };

  return {
    drive(tag, wanted, by) {
      const fresh: Output = { wanted, by, isBusy: false, isWanted: true, demands: 0, trouble: undefined };
      const output = outputs.get(tag) ?? fresh;
      outputs.set(tag, output);
      demand(tag, output, wanted, by);
    },
    again(isThere, wasRestarted) {
      for (const [tag, output] of outputs) {
        if (!isThere(tag)) {
          output.isWanted = false;
          outputs.delete(tag);
        } else if (wasRestarted(tag)) demand(tag, output, output.wanted, output.by);
      }
    },
  };
}
