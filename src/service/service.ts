/** Joins the service manager that the environment names. */
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { waitsForDisk } from './disk-wait.ts';
import { createNotifier } from './notify.ts';
import type { GatewayProgress } from './progress.ts';
import { keepWatch } from './watchdog.ts';

/** What the daemon tells the service manager that started it. All of it does nothing where none did. */
interface Service {
  /** The gateway runs. From now on the watchdog is fed for as long as it gets on. */
  ready(): void;
  /** Another configuration is being taken over; `ready` says that it has been. */
  reloading(): void;
  /** It was told to stop. Feeding ends: systemd has a deadline of its own for stopping. */
  stopping(): void;
}

/** What the service is made with. */
interface ServiceOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the gateway is at; asked a few times in the time of the watchdog. */
  readonly progress: () => GatewayProgress;
}

/** Finds the service manager in the environment. Never rejects: not being told is no reason not to run. */
export async function joinService({ environment, pid, clock, log, progress }: ServiceOptions): Promise<Service> {
  const notifier = await createNotifier(environment, pid, log);
  let endWatch: (() => void) | undefined;
  return {
    ready() {
      notifier.tell('READY=1');
      endWatch ??= keepWatch({ clock, log, notifier, progress, waitsForDisk });
    },
    reloading: () => notifier.tell('RELOADING=1'),
    stopping() {
      endWatch?.();
      notifier.tell('STOPPING=1\nSTATUS=stopping');
    },
  };
}
