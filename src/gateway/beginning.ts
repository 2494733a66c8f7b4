/** Notices when polling has begun on every channel. */
import type { Config } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';

/** How polling begins. */
export interface Beginning {
  /** Resolves once every channel has brought a record, good or bad, and at the latest after {@link LONGEST_MS}. */
  readonly begun: Promise<void>;
  /** Says that a device brought a record. */
  heard(device: string): void;
}

/** A device that does not answer takes as long as its timeouts: what waits for the beginning does not wait for those. */
const LONGEST_MS = 2000;

/** Watches the channels of a configuration from now on. Channels without devices are not waited for. */
export function watchBeginning({ channels }: Pick<Config, 'channels'>, clock: Clock): Beginning {
  let silent = channels.map(({ devices }) => devices.map(({ name }) => name)).filter((names) => names.length > 0);
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const cancel = clock.after(LONGEST_MS, begin);
  const look = (): void => {
    if (silent.length > 0) return;
    cancel();
    begin();
  };
  look();
  return {
    begun,
    heard(device) {
      if (silent.length === 0) return;
      silent = silent.filter((names) => !names.includes(device));
      look();
    },
  };
}
