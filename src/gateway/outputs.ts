/** Outputs that alarms drive: a stack light, a relay, the stop of a machine. */
import type { WriteResult } from '../../hal/driver.ts';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { EventBody } from '../core/event.ts';
import { splitTagId, type TagId, type Value } from '../core/reading.ts';

/** What outputs are driven with. */
interface OutputParts {
  /** Writes a tag for an alarm, audited; throws when it is not known whether the device took the value. */
  readonly write: (tag: TagId, value: Value, alarm: string, signal: AbortSignal) => Promise<WriteResult>;
  /** Whether the channel of a device is connected. */
  readonly isConnected: (device: string) => boolean;
  readonly event: (body: EventBody) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** How often it is looked whether the channel of an output is there, until its device was heard. */
const LOOK_MS = 1000;

/** An output that refused is asked again after this: its line may be down. */
const RETRY_MS = 5000;

/** Drives the outputs of alarms. */
export interface OutputDriver {
  /** Says that a device gave a reading: outputs that waited for it are driven now. */
  heard(device: string): void;
  /** Sets an output to a value until another is given; `by` is the alarm. Does not wait. */
  drive(tag: TagId, value: Value, by: string): void;
  /**
   * Sets outputs again to what they were set to last: their channel was started anew, and they are what it leaves them.
   * Those of tags that are there no more are forgotten.
   */
  again(isThere: (tag: TagId) => boolean, wasRestarted: (tag: TagId) => boolean): void;
}

interface Output {
  readonly device: string;
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
 * After a start an output is driven with the first reading of its device, or once its channel is connected. An output
 * that cannot be written is told of once for each kind of trouble.
 */
export function createOutputDriver({ write, isConnected, event, clock, signal }: OutputParts): OutputDriver {
  const outputs = new Map<TagId, Output>();
  const known = new Set<string>();
  const waiting = new Map<string, AbortController>();

  /** Waits until the line of a device can be written to, and no longer than the time after which a write is tried again. */
  const begun = async (device: string): Promise<void> => {
    const heard = waiting.get(device) ?? new AbortController();
    waiting.set(device, heard);
    const either = AbortSignal.any([signal, heard.signal]);
    for (let waitedMs = 0; waitedMs < RETRY_MS && !either.aborted; waitedMs += LOOK_MS) {
      await clock.sleep(LOOK_MS, either).catch(() => {});
      if (isConnected(device)) break;
    }
    known.add(device);
    waiting.delete(device);
  };

  const attempt = async (tag: TagId, { wanted, by }: Output): Promise<{ kind: string; why: string } | undefined> => {
    try {
      const result = await write(tag, wanted, by, signal);
      return result.ok ? undefined : result;
    } catch (error) {
      return { kind: 'lost', why: messageOf(error) };
    }
  };

  const settle = async (tag: TagId, output: Output): Promise<void> => {
    output.isBusy = true;
    if (!known.has(output.device)) await begun(output.device);
    while (!signal.aborted && output.isWanted) {
      const { wanted, by, demands } = output;
      const trouble = await attempt(tag, output);
      if (signal.aborted || !output.isWanted) break;
      if (trouble === undefined) {
        output.trouble = undefined;
        if (output.demands === demands) break;
        continue;
      }
      if (output.trouble !== trouble.kind) {
        const message = `${tag} could not be set to ${wanted} for the alarm ${by}: ${trouble.why}. It is tried again every ${RETRY_MS / 1000} s`;
        event({ kind: 'quality', what: 'output-not-set', tag, value: wanted, by, message });
      }
      output.trouble = trouble.kind;
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
    heard(device) {
      known.add(device);
      waiting.get(device)?.abort();
    },
    drive(tag, wanted, by) {
      const device = splitTagId(tag)?.device ?? tag;
      const fresh: Output = { device, wanted, by, isBusy: false, isWanted: true, demands: 0, trouble: undefined };
      const output = outputs.get(tag) ?? fresh;
      outputs.set(tag, output);
      demand(tag, output, wanted, by);
    },
    again(isThere, wasRestarted) {
      for (const [tag, output] of outputs) {
        if (!isThere(tag)) {
          output.isWanted = false;
          outputs.delete(tag);
        } else if (wasRestarted(tag)) {
          known.delete(output.device);
          demand(tag, output, output.wanted, output.by);
        }
      }
    },
  };
}
