/** The page as a whole: which view is shown, whether it is live, and who is logged in. */
import { useEffect, useState } from 'preact/hooks';
import { type Hub, useHub } from './hub.ts';
import { inOrder, isUnacked, stands } from './plant-state.ts';
import { listIn } from './report-sums.ts';
import { ask, tokenNow } from './session.ts';
import { plain } from './shown.ts';
import type { ViewProps } from './views/others.tsx';
import { Overview } from './views/overview.tsx';

/** Views in the order of the menu; `needs`: only where the gateway has something for it, under this name in its answer. */
const VIEWS: readonly (readonly [path: string, title: string, needs?: string])[] = [
  ['', 'Overview'],
  ['alarms', 'Alarms'],
  ['tags', 'Devices'],
  ['quality', 'Quality'],
  ['production', 'Production', 'machines'],
  ['maintenance', 'Maintenance', 'maintenance'],
  ['inventory', 'Parts', 'inventory'],
  ['lines', 'Lines'],
  ['uplinks', 'Uplinks'],
  ['store', 'Store'],
  ['configuration', 'Configuration', 'history'],
  ['wall', 'Wall'],
];

function pathNow(): string[] {
  return decodeURIComponent(location.hash.replace(/^#\/?/, '')).split('/');
}

/** Where the address leads; changes with it. */
function usePath(): string[] {
  const [path, set] = useState(pathNow);
  useEffect(() => {
    const changed = (): void => {
      set(pathNow());
      document.querySelector<HTMLElement>('main')?.focus();
    };
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return path;
}

/** Which of the views that need something have it, asked for once for each configuration. */
function useThere(hash: string | undefined, isConfigurable: boolean): ReadonlySet<string> {
  const [there, set] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    if (hash === undefined) return;
    void thereOf(isConfigurable).then(set, () => {});
  }, [hash, isConfigurable]);
  return there;
}

const DAY_MS = 86_400_000;

/** The paths of the views that the gateway has something for. */
async function thereOf(isConfigurable: boolean): Promise<ReadonlySet<string>> {
  const found = VIEWS.map(async ([path, , needs]) => {
    if (path === 'configuration') return isConfigurable ? [path] : [];
    if (needs === undefined) return [];
    const list = listIn(await ask<unknown>(`/api/v1/${path}`), needs);
    if (list && list.length > 0) return [path];
    // Parts have records without a stock, too.
    const parts =
      path === 'inventory' && listIn(await ask<unknown>(`/api/v1/parts?from=${Date.now() - DAY_MS}`), 'parts');
    return parts && parts.length > 0 ? [path] : [];
  });
  return new Set((await Promise.all(found)).flat());
}

/** How long a person has to finish what he does before the page of another version is loaded, and to the next look at it, ms. */
const RELOAD_AFTER_MS = 3000;

/** Loads the page of the gateway that replaced the one before, unless somebody is writing something. */
function useReplaced(by: string | undefined, isEditing: boolean): void {
  useEffect(() => {
    if (by === undefined || isEditing) return;
    const timer = setInterval(() => {
      const isWriting = document.querySelector('dialog[open], input:focus, textarea:focus') !== null;
      if (!isWriting) location.reload();
    }, RELOAD_AFTER_MS);
    return () => clearInterval(timer);
  }, [by, isEditing]);
}

/** The other views are loaded so long after the page began, ms, so that a view can be opened without the gateway. */
const LOAD_AFTER_MS = 3000;

/** The other views; undefined until they are loaded, `missing` where that failed. */
type Others = typeof import('./views/others.tsx') | 'missing' | undefined;

function useOthers(isWanted: boolean): Others {
  const [others, set] = useState<Others>();
  useEffect(() => {
    const load = (): void =>
      void import('./views/others.tsx').then(
        (found) => set(found),
        () => set('missing'),
      );
    if (typeof others === 'object') return;
    if (isWanted) return load();
    const timer = setTimeout(load, LOAD_AFTER_MS);
    return () => clearTimeout(timer);
  }, [isWanted]);
  return others;
}

/** A view that came behind the overview. Its file has the name of its content: another version of the gateway has it not. */
function Other({ others, ...props }: ViewProps & { readonly others: Others }) {
  if (others === undefined) return <p>Loading …</p>;
  if (others !== 'missing') return <others.View {...props} />;
  return (
    <p role="alert">
      This view could not be loaded: the gateway does not answer, or it is another version now.{' '}
      <button type="button" onClick={() => location.reload()}>
        Load the page again
      </button>
    </p>
  );
}

/** The page. */
export function App() {
  const hub = useHub();
  const [view = '', ...rest] = usePath();
  const [isLogin, logIn] = useState(false);
  const [isMenu, menu] = useState(false);
  const title = VIEWS.find(([path]) => path === view)?.[1];
  const { hash, onDisk } = hub.plant.status?.config ?? {};
  const there = useThere(hash, onDisk !== undefined);
  const onRefused = (): void => logIn(true);
  const isStale = hub.notLiveSinceMs !== undefined;
  useEffect(() => {
    document.title = titleOf(hub);
  });
  useReplaced(hub.replacedBy, view === 'configuration');
  const others = useOthers(view !== '' || isLogin);
  const content =
    view === '' ? (
      <Overview hub={hub} />
    ) : (
      <Other others={others} hub={hub} view={view} rest={rest} onRefused={onRefused} />
    );
  if (view === 'wall')
    return (
      <div class={isStale ? 'is-stale' : ''}>
        <Banner hub={hub} />
        <main tabIndex={-1}>{content}</main>
      </div>
    );
  return (
    <div class={isStale ? 'is-stale' : ''}>
      <button type="button" class="skip" onClick={skipToContent}>
        Skip to the content
      </button>
      <header>
        <button
          type="button"
          class="quiet menu"
          aria-expanded={isMenu}
          aria-controls="views"
          onClick={() => menu(!isMenu)}
        >
          ☰ {title ?? 'Views'}
        </button>
        <span class="brand">{hub.plant.status?.gateway ?? 'Millgate'}</span>
        {hub.plant.status?.simulated && <span class="tagged">simulated</span>}
        <AlarmSummary hub={hub} />
        <button type="button" class="quiet" onClick={() => logIn(true)}>
          {tokenNow() === undefined ? 'Log in' : 'Logged in'}
        </button>
      </header>
      <Banner hub={hub} />
      <Menu view={view} there={there} isOpen={isMenu} onChosen={() => menu(false)} />
      <main id="main" tabIndex={-1}>
        <h1>{title ?? plain(rest.join('/'))}</h1>
        {content}
      </main>
      {isLogin && typeof others === 'object' && <others.LogIn onClose={() => logIn(false)} />}
    </div>
  );
}

interface MenuProps {
  readonly view: string;
  readonly there: ReadonlySet<string>;
  /** Where the window is narrow it is shown only while it is open. */
  readonly isOpen: boolean;
  readonly onChosen: () => void;
}

function Menu({ view, there, isOpen, onChosen }: MenuProps) {
  return (
    <nav id="views" aria-label="Views" class={isOpen ? 'is-open' : ''}>
      {VIEWS.filter(([path, , needs]) => needs === undefined || there.has(path)).map(([path, name]) => (
        <a key={path} href={`#/${path}`} aria-current={path === view ? 'page' : undefined} onClick={onChosen}>
          {name}
        </a>
      ))}
    </nav>
  );
}

/** Across the top while what is shown is not what is: since when, and why. */
function Banner({ hub: { notLiveSinceMs, time, plant, replacedBy } }: { readonly hub: Hub }) {
  const { link } = plant;
  if (notLiveSinceMs === undefined)
    return replacedBy === undefined ? null : (
      <p class="banner" role="status">
        The gateway runs version {plain(replacedBy)} now, and this page is of the one before.{' '}
        <button type="button" onClick={() => location.reload()}>
          Load it anew
        </button>
      </p>
    );
  const since = notLiveSinceMs === 0 ? 'Not live yet' : `Not live since ${time.clock(notLiveSinceMs)}`;
  return (
    <p class="banner" role="alert">
      <strong>{since}</strong> {'why' in link ? plain(link.why) : ''}
    </p>
  );
}

function AlarmSummary({ hub }: { readonly hub: Hub }) {
  const standing = inOrder(hub.plant.alarms.values()).filter(stands);
  const unacked = standing.filter(isUnacked).length;
  return (
    <a class="summary" href="#/alarms">
      {standing.length === 0
        ? 'no alarm'
        : `${standing.length} ${standing.length === 1 ? 'alarm' : 'alarms'}, ${unacked} not acknowledged`}
    </a>
  );
}

function skipToContent(): void {
  document.querySelector<HTMLElement>('main')?.focus();
}

function titleOf({ plant, notLiveSinceMs }: Hub): string {
  const standing = [...plant.alarms.values()].filter(stands).length;
  const name = plant.status?.gateway ?? 'Millgate';
  return `${notLiveSinceMs === undefined ? '' : '(not live) '}${standing > 0 ? `(${standing}) ` : ''}${name}`;
}
