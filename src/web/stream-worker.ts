/** The shared worker: one stream to the gateway for all tabs of a browser. */
import { startFeed } from './feed.ts';
import { after, NO_PLANT, type Told } from './plant-state.ts';

/** What tabs send. */
type ToWorker = { readonly token: string | undefined };

/** What they get: all that is known when they come, and when it was heard, UTC ms of this browser; then what is told. */
export type FromWorker = { readonly plant: typeof NO_PLANT; readonly heardMs: number } | { readonly told: Told };

declare const self: { onconnect: (event: MessageEvent) => void };

let plant = NO_PLANT;
let heardMs = 0;
const ports = new Set<MessagePort>();
let use: ((token: string | undefined) => void) | undefined;

function tell(told: Told): void {
  plant = after(plant, told);
  heardMs = Date.now();
  for (const port of ports) port.postMessage({ told } satisfies FromWorker);
}

self.onconnect = ({ ports: [port] }) => {
  ports.add(port!);
  port!.onmessage = ({ data }: MessageEvent<ToWorker | 'bye'>) => {
    if (data === 'bye') {
      ports.delete(port!);
      return;
    }
    use ??= startFeed(tell);
    use(data.token);
    if (heardMs > 0) port!.postMessage({ plant, heardMs } satisfies FromWorker);
  };
};
