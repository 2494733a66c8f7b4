/** Outputs that alarms drive: a stack light, a relay, the stop of a machine. */
import type { WriteResult } from '../../hal/driver.ts';
import { type Clock, underBoth } from '../core/clock.ts';
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
export class OutputDriver {
  private readonly deps: OutputParts;
  private readonly outputs = new Map<TagId, Output>();
  private readonly known = new Set<string>();
  private readonly waiting = new Map<string, AbortController>();

  constructor(deps: OutputParts) {
    this.deps = deps;
  }

  /** Says that a device gave a reading: outputs that waited for it are driven now. */
  heard(device: string): void {
    this.known.add(device);
    this.waiting.get(device)?.abort();
  }

  /** Sets an output to a value until another is given; `by` is the alarm. Does not wait. */
  drive(tag: TagId, wanted: Value, by: string): void {
    const device = splitTagId(tag)?.device ?? tag;
    const fresh: Output = { device, wanted, by, isBusy: false, isWanted: true, demands: 0, trouble: undefined };
    const output = this.outputs.get(tag) ?? fresh;
    this.outputs.set(tag, output);
    this.demand(tag, output, wanted, by);
  }

  /**
   * Sets outputs again to what they were set to last: their channel was started anew, and they are what it leaves them.
   * Those of tags that are there no more are forgotten.
   */
  again(isThere: (tag: TagId) => boolean, wasRestarted: (tag: TagId) => boolean): void {
    for (const [tag, output] of this.outputs) {
      if (!isThere(tag)) {
        output.isWanted = false;
        this.outputs.delete(tag);
      } else if (wasRestarted(tag)) {
        this.known.delete(output.device);
        this.demand(tag, output, output.wanted, output.by);
      }
    }
  }

  /** Waits until the line of a device can be written to, and no longer than the time after which a write is tried again. */
  private async begun(device: string): Promise<void> {
    const heard = this.waiting.get(device) ?? new AbortController();
    this.waiting.set(device, heard);
    await underBoth(this.deps.signal, heard.signal, async (either) => {
      for (let waitedMs = 0; waitedMs < RETRY_MS && !either.aborted; waitedMs += LOOK_MS) {
        await this.deps.clock.sleep(LOOK_MS, either).catch(() => {});
        if (this.deps.isConnected(device)) break;
      }
    });
    this.known.add(device);
    this.waiting.delete(device);
  }

  private async attempt(tag: TagId, { wanted, by }: Output): Promise<{ kind: string; why: string } | undefined> {
    try {
      const result = await this.deps.write(tag, wanted, by, this.deps.signal);
      return result.ok ? undefined : result;
    } catch (error) {
      return { kind: 'lost', why: messageOf(error) };
    }
  }

  private async settle(tag: TagId, output: Output): Promise<void> {
    output.isBusy = true;
    if (!this.known.has(output.device)) await this.begun(output.device);
    while (!this.deps.signal.aborted && output.isWanted) {
      const { wanted, by, demands } = output;
      const trouble = await this.attempt(tag, output);
      if (this.deps.signal.aborted || !output.isWanted) break;
      if (trouble === undefined) {
        output.trouble = undefined;
        if (output.demands === demands) break;
        continue;
      }
      if (output.trouble !== trouble.kind) {
        const message = `${tag} could not be set to ${wanted} for the alarm ${by}: ${trouble.why}. It is tried again every ${RETRY_MS / 1000} s`;
        this.deps.event({ kind: 'quality', what: 'output-not-set', tag, value: wanted, by, message });
      }
      output.trouble = trouble.kind;
      await this.deps.clock.sleep(RETRY_MS, this.deps.signal).catch(() => {});
    }
    output.isBusy = false;
  }

  private demand(tag: TagId, output: Output, wanted: Value, by: string): void {
    output.wanted = wanted;
    output.by = by;
    output.demands++;
    if (!output.isBusy) void this.settle(tag, output);
  }
}
