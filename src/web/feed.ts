/** Keeps one stream to the gateway alive, and tells what comes; runs in the shared worker, or in the page where there is none. */
import type { JsonReading } from '../api/json.ts';
import type { AlarmView, JsonEvent } from '../api/rules-view.ts';
import type { GatewayStatus } from '../api/view.ts';
import type { Told } from './plant-state.ts';
import { createEventCutter, type SentEvent } from './sse.ts';

/** How often readings are sent to the page, ms: quicker than a person reads, slower than a line can be. */
const PACE_MS = 400;

/** A stream that was silent for so long is given up and opened anew, ms. It says something every second. */
const SILENT_MS = 10_000;

/** Pause before the stream is opened again, ms. */
const AGAIN_MS = 1500;

/**
 * Begins as soon as it is told by which token, or that there is none.
 *
 * @param tell is handed whatever comes, and how the connection is
 * @returns takes the token, and another one later
 */
export function startFeed(tell: (told: Told) => void): (token: string | undefined) => void {
  let token: string | undefined;
  let isKnown = false;
  let place: string | undefined;
  let running = new AbortController();

  const open = async (signal: AbortSignal): Promise<void> => {
    let lastHeard = performance.now();
    const watch = setInterval(() => {
      if (performance.now() - lastHeard > SILENT_MS) running.abort();
    }, 1000);
    signal.addEventListener('abort', () => clearInterval(watch));
    try {
      const headers = {
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(place !== undefined && { 'Last-Event-ID': place }),
      };
      const response = await fetch(`/api/v1/stream?page=1&pace=${PACE_MS}`, { headers, signal, cache: 'no-store' });
      if (!response.ok || !response.body) {
        const state = [401, 403, 429].includes(response.status) ? 'refused' : 'lost';
        tell({ kind: 'link', link: { state, why: await whyOf(response) } });
        return;
      }
      const cut = createEventCutter();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        lastHeard = performance.now();
        for (const event of cut(piece.value)) {
          place = event.id ?? place;
          for (const told of toldOf(event)) tell(told);
        }
      }
      tell({ kind: 'link', link: { state: 'lost', why: 'the gateway ended the connection' } });
    } finally {
      clearInterval(watch);
    }
  };

  const loop = async (): Promise<void> => {
    for (;;) {
      running = new AbortController();
      if (isKnown) {
        try {
          await open(running.signal);
        } catch {
          tell({ kind: 'link', link: { state: 'lost', why: 'the gateway does not answer' } });
        }
      }
      await new Promise((resolve) => setTimeout(resolve, isKnown ? AGAIN_MS : 20));
    }
  };
  void loop();
  return (next) => {
    if (isKnown && next === token) return;
    isKnown = true;
    token = next;
    running.abort();
  };
}

/** The words of a refusal. */
export async function whyOf(response: Response): Promise<string> {
  try {
    const { detail, remedy } = (await response.json()) as { detail?: string; remedy?: string };
    if (detail) return `${detail}. ${remedy ?? ''}`.trim();
  } catch {
    // What is no problem document is told by its status.
  }
  return `the gateway answered ${response.status}`;
}

function toldOf({ name, data }: SentEvent): Told[] {
  const body: unknown = JSON.parse(data);
  switch (name) {
    case 'snapshot':
      return [
        { kind: 'link', link: { state: 'live' } },
        { kind: name, readings: body as JsonReading[] },
      ];
    case 'readings':
      return [{ kind: name, readings: body as JsonReading[] }];
    case 'status':
      return [{ kind: name, status: body as GatewayStatus, atMs: Date.now() }];
    case 'alarms': {
      const { alarms, gone } = body as { alarms: AlarmView[]; gone: string[] };
      return [{ kind: name, alarms, gone }];
    }
    case 'event':
      return [{ kind: name, event: body as JsonEvent }];
    default:
      return [];
  }
}
