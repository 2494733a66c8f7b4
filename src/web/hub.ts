/** What the views look at: the plant as it is, the tags of the file, and whether all of it is live. */
import { useEffect, useState } from 'preact/hooks';
import type { JsonTag } from '../api/json.ts';
import { startFeed } from './feed.ts';
import { after, NO_PLANT, type Plant, type Told } from './plant-state.ts';
import { ask, firstVersion, tokenNow } from './session.ts';
import { type PlantTime, plantTime } from './shown.ts';
import type { FromWorker } from './stream-worker.ts';

/** Silence after which the page says that it is not live, ms. The stream says something every second. */
const NOT_LIVE_MS = 3500;

/** How often ages and liveness are looked at, ms. */
const TICK_MS = 500;

/** What views are handed. */
export interface Hub {
  readonly plant: Plant;
  readonly tags: readonly JsonTag[];
  /** The gateway's clock now, UTC ms. */
  readonly nowMs: number;
  /** Undefined while live; else since when it is not, UTC ms, or 0 where it never was. */
  readonly notLiveSinceMs: number | undefined;
  readonly time: PlantTime;
  /** Version of the gateway, where it is another than the one that this page came from; else undefined. */
  readonly replacedBy: string | undefined;
}

let plant: Plant = NO_PLANT;
let tags: readonly JsonTag[] = [];
let configuration: string | undefined;
/** Version of the gateway that this page came from: the one that answered first, for the stream may begin with the next. */
let version: string | undefined;
/** When something came from the gateway, by the clock of this page, which starts at 0, and by the gateway's; 0: never. */
let heard = { atMs: 0, wallMs: 0 };
let giveToken: (token: string | undefined) => void = () => {};
const listeners = new Set<() => void>();

/** @param agoMs how long ago that was heard */
function take(next: Plant, agoMs = 0): void {
  plant = next;
  if (plant.link.state === 'live') hear(agoMs);
  version ??= firstVersion() ?? plant.status?.version;
  const { hash } = plant.status?.config ?? {};
  if (hash !== undefined && hash !== configuration) {
    const isFirst = configuration === undefined && tags.length > 0;
    configuration = hash;
    if (!isFirst) void loadTags();
  }
  for (const listener of listeners) listener();
}

function hear(agoMs: number): void {
  heard = { atMs: performance.now() - agoMs, wallMs: Date.now() - agoMs + plant.skewMs };
}

/** The tags of the file. What each read last is shown until the stream brings more. */
async function loadTags(): Promise<void> {
  try {
    tags = await ask<JsonTag[]>('/api/v1/tags');
    if (plant.link.state === 'connecting') hear(0);
    take(after(plant, { kind: 'first', readings: tags.flatMap(({ last }) => last ?? []) }));
  } catch {
    configuration = undefined;
  }
}

/** The stream is opened so long after the page began at the latest, ms. */
const FOLLOW_AFTER_MS = 1500;

/**
 * Begins with the tags and what each read last, and follows the gateway when those are drawn: on a slow tablet to start
 * the stream takes as long as to draw the first values.
 */
export function begin(): void {
  let isFollowing = false;
  const start = (): void => {
    if (!isFollowing) follow();
    isFollowing = true;
  };
  void loadTags().then(() => requestAnimationFrame(() => setTimeout(start)));
  setTimeout(start, FOLLOW_AFTER_MS);
}

/** The worker is asked for again after so long where its file could not be loaded, ms: the gateway may just be starting. */
const WORKER_AGAIN_MS = 2000;

/** Over the worker that all tabs share, else over a stream of this tab. */
function follow(): void {
  const tell = (told: Told): void => take(after(plant, told));
  if (typeof SharedWorker === 'undefined') {
    giveToken = startFeed(tell);
    giveToken(tokenNow());
    return;
  }
  let worker = joinWorker();
  giveToken = (token) => worker.port.postMessage({ token });
  addEventListener('pagehide', () => worker.port.postMessage('bye'));
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) giveToken(tokenNow());
  });
  giveToken(tokenNow());

  function joinWorker(): SharedWorker {
    const joined = new SharedWorker('/stream-worker.js', { type: 'module', name: 'millgate' });
    joined.port.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if ('plant' in data) take(data.plant, Date.now() - data.heardMs);
      else tell(data.told);
    };
    joined.onerror = () => {
      setTimeout(() => {
        worker = joinWorker();
        giveToken(tokenNow());
      }, WORKER_AGAIN_MS);
    };
    return joined;
  }
}

/** The token changed: the stream is opened anew with it. */
export function tokenChanged(): void {
  configuration = undefined;
  tags = [];
  giveToken(tokenNow());
}

/** The plant, anew with each change and twice a second. */
export function useHub(): Hub {
  const [, again] = useState(0);
  useEffect(() => {
    let isAsked = false;
    const redraw = (): void => {
      if (isAsked) return;
      isAsked = true;
      // One picture for all that comes at once.
      requestAnimationFrame(() => {
        isAsked = false;
        again((count) => count + 1);
      });
    };
    listeners.add(redraw);
    const tick = setInterval(redraw, TICK_MS);
    return () => {
      listeners.delete(redraw);
      clearInterval(tick);
    };
  }, []);
  const { state } = plant.link;
  const isLive = performance.now() - heard.atMs < NOT_LIVE_MS && (state === 'live' || state === 'connecting');
  return {
    plant,
    tags,
    nowMs: Date.now() + plant.skewMs,
    notLiveSinceMs: isLive ? undefined : heard.wallMs,
    time: timeOf(plant.status?.timezone),
    replacedBy: plant.status && plant.status.version !== version ? plant.status.version : undefined,
  };
}

let zone: string | undefined = '';
let time = plantTime(undefined);

function timeOf(wanted: string | undefined): PlantTime {
  if (wanted !== zone) {
    zone = wanted;
    time = plantTime(wanted);
  }
  return time;
}

/** What a route answers, asked for again every so often, ms; `data` stays while a later question fails. */
export function usePolled<T>(
  path: string | undefined,
  everyMs: number,
): { data?: T; failed?: string; again: () => void } {
  const [state, set] = useState<{ path?: string; data?: T; failed?: string }>({});
  const [round, next] = useState(0);
  useEffect(() => {
    if (path === undefined) return;
    let isOver = false;
    const load = async (): Promise<void> => {
      if (document.hidden) return;
      try {
        const data = await ask<T>(path);
        if (!isOver) set({ path, data });
      } catch (error) {
        if (!isOver) set((before) => ({ ...(before.path === path && before), path, failed: (error as Error).message }));
      }
    };
    void load();
    const timer = setInterval(load, everyMs);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [path, everyMs, round]);
  const again = (): void => next((count) => count + 1);
  return state.path === path ? { ...state, again } : { again };
}
