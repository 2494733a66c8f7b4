/** Notices when polling has begun on every channel, and what was read first has been on its way. */
import type { Config } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';

/** How a gateway begins. */
export interface Beginning {
  /** Resolves with the first record, good or bad: its uplinks may be loaded, while the other lines wait for answers. */
  readonly heardOf: Promise<void>;
  /**
   * Resolves once every channel has brought a record and every uplink has sent one, or could not. What waits for this does
   * not wait for the timeouts of a device or a broker that is silent: see {@link LONGEST_MS}, {@link UPLINKS_MS}.
   */
  readonly begun: Promise<void>;
  /** Says that a device brought a record. */
  heard(device: string): void;
  /** Says that an uplink could not be connected, or had an answer to what it sent. */
  tried(uplink: string): void;
}

/** A device that does not answer takes as long as its timeouts: what waits for the beginning does not wait for those. */
const LONGEST_MS = 2000;

/** How long uplinks are waited for once the lines have begun. */
const UPLINKS_MS = 500;

/** Watches the channels and uplinks of a configuration from now on. Channels without devices are not waited for. */
export function watchBeginning(
  { channels, uplinks }: Pick<Config, 'channels'> & { readonly uplinks: readonly { readonly name: string }[] },
  clock: Clock,
): Beginning {
  let silent = channels.map(({ devices }) => devices.map(({ name }) => name)).filter((names) => names.length > 0);
  const untried = new Set(uplinks.map(({ name }) => name));
  const first = signal();
  const whole = signal();
  let cancel = clock.after(LONGEST_MS, () => polled());
  const polled = (): void => {
    cancel();
    silent = [];
    first.give();
    if (untried.size === 0) whole.give();
    else cancel = clock.after(UPLINKS_MS, whole.give);
  };
  if (silent.length === 0) polled();
  return {
    heardOf: first.given,
    begun: whole.given,
    heard(device) {
      if (silent.length === 0) return;
      first.give();
      silent = silent.filter((names) => !names.includes(device));
      if (silent.length === 0) polled();
    },
    tried(uplink) {
      if (!untried.delete(uplink) || untried.size > 0 || silent.length > 0) return;
      cancel();
      whole.give();
    },
  };
}

/** A promise and what resolves it. */
function signal(): { readonly given: Promise<void>; readonly give: () => void } {
  let give = (): void => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}
