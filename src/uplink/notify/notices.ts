/** Which alarms a notifier tells of, and when: a pure state, bounded whatever happens. */
import type { NotifyConfig } from '../../config/config.ts';
import type { EventBody, Priority } from '../../core/event.ts';
import { type GatewayTrouble, SYSTEM, troubleIn } from './gateway-troubles.ts';

/** The priorities, the least first. */
export const PRIORITIES: readonly Priority[] = ['low', 'medium', 'high', 'critical'];

/** One annunciation that is to be told. JSON. */
export interface Notice {
  readonly id: string;
  readonly occurrence: number;
  readonly priority: Priority;
  readonly message: string;
  /** UTC ms when it was raised. */
  readonly atMs: number;
  /** UTC ms when it was gone again; undefined: it stands, as far as is known. */
  readonly goneMs?: number | undefined;
  /** It was told before, and nobody has acknowledged it; or it was told, and is over. */
  readonly again?: 'unacknowledged' | 'over';
  /** Somebody has acknowledged it, or it needs that no more: it is not repeated. */
  readonly isAnswered?: boolean;
}

/** An alarm that was told of, and of which there may be more to tell. */
interface Standing extends Notice {
  readonly toldMs: number;
}

/** What a notifier remembers; kept in the store. JSON. */
export interface NoticeState {
  /** Number of the last event that was looked at. */
  readonly seen: number;
  /** What has still to be told, oldest first. */
  readonly waiting: readonly Notice[];
  /** How many more there were beyond what is kept, by priority. */
  readonly more: Readonly<Partial<Record<Priority, number>>>;
  /** UTC ms since when something waits. */
  readonly sinceMs: number | undefined;
  readonly standing: readonly Standing[];
  /** Trouble of the gateway itself that has not lasted long enough to be told. */
  readonly pending: readonly Notice[];
  /** UTC ms of the messages of the last hour. */
  readonly sentMs: readonly number[];
}

/** What goes into one message. */
export interface Digest {
  readonly notices: readonly Notice[];
  readonly more: NoticeState['more'];
}

/** What decides about a notice; a slice of the configuration. */
type Policy = Pick<
  NotifyConfig,
  'name' | 'priority' | 'alarms' | 'digestMs' | 'repeatMs' | 'perHour' | 'cleared' | 'quiet' | 'systemMs'
>;

type AlarmBody = Extract<EventBody, { kind: 'alarm' }>;

/** An annunciation, or the end of one. */
type Annunciation = Pick<Notice, 'id' | 'occurrence' | 'priority' | 'message'>;

/** Trouble of the gateway itself has this priority. */
const SYSTEM_PRIORITY: Priority = 'high';

/** Lost data is told of once within this time, however often the store has to let go of some. */
const LOSS_TOLD_MS = 6 * 3_600_000;

/** Notices that are kept with their texts; those beyond are counted. */
const MAX_WAITING = 50;

/** Alarms that are looked after for a repetition, or for their end. */
const MAX_STANDING = 200;

const HOUR_MS = 3_600_000;

/** Nothing was told yet, and nothing of the past will be. */
export function beginAfter(seen: number): NoticeState {
  return { seen, waiting: [], more: {}, sinceMs: undefined, standing: [], pending: [], sentMs: [] };
}

export function rankOf(priority: Priority): number {
  return PRIORITIES.indexOf(priority);
}

/** Looks at one event. */
export function accept(
  state: NoticeState,
  policy: Policy & { readonly isMeant: (id: string) => boolean },
  event: { readonly seq: number; readonly wallMs: number; readonly body: EventBody },
): NoticeState {
  const { body, seq, wallMs } = event;
  const seen = { ...state, seen: seq };
  const trouble = troubleIn(body);
  if (trouble) return ofGateway(seen, policy, trouble, { occurrence: seq, atMs: wallMs });
  if (body.kind !== 'alarm' || rankOf(body.priority) < rankOf(policy.priority) || !policy.isMeant(body.id)) return seen;
  if (body.change === 'raised' || (body.change === 'unshelved' && body.state === 'unacked'))
    return raised(seen, body, wallMs, wallMs);
  const isGone = body.change === 'returned' || body.change === 'cleared';
  return isGone ? gone(seen, body, wallMs, policy.cleared, body.change === 'cleared') : answered(seen, body);
}

/** Trouble of the gateway waits until it has lasted; what is over before is never told, so that a link that flaps floods nobody. */
function ofGateway(
  state: NoticeState,
  policy: Parameters<typeof accept>[1],
  trouble: GatewayTrouble,
  { occurrence, atMs }: { readonly occurrence: number; readonly atMs: number },
): NoticeState {
  const { pending, standing, waiting } = state;
  if (trouble.kind === 'restart')
    return { ...state, pending: [], standing: standing.filter(({ id }) => !id.startsWith(SYSTEM) || isLoss(id)) };
  const { id, message, kind } = trouble;
  const isOwn = id === `${SYSTEM}notify/${policy.name}`;
  const isWanted = policy.systemMs !== undefined && rankOf(SYSTEM_PRIORITY) >= rankOf(policy.priority);
  if (!isWanted || isOwn || !policy.isMeant(id)) return state;
  const notice = { id, occurrence, priority: SYSTEM_PRIORITY, message: message.slice(0, 500), atMs };
  const others = pending.filter((one) => one.id !== id);
  if (kind === 'begins') return { ...state, pending: [...others, notice].slice(-MAX_WAITING) };
  if (kind === 'once') {
    const isTold = [...waiting, ...standing].some((one) => one.id === id && atMs - one.atMs < LOSS_TOLD_MS);
    return isTold ? state : raised(state, notice, atMs, atMs);
  }
  const told = [...waiting, ...standing].find((one) => one.id === id);
  const rest = { ...state, pending: others };
  return told ? gone(rest, told, atMs, policy.cleared, true) : rest;
}

function isLoss(id: string): boolean {
  return id.startsWith(`${SYSTEM}gap/`);
}

/** Tells of the trouble of the gateway that has lasted. */
export function matured(state: NoticeState, { systemMs = 0 }: Policy, nowMs: number): NoticeState {
  const ripe = state.pending.filter(({ atMs }) => nowMs - atMs >= systemMs || nowMs < atMs);
  if (ripe.length === 0) return state;
  const pending = state.pending.filter((one) => !ripe.includes(one));
  return ripe.reduce<NoticeState>((next, one) => raised(next, one, one.atMs, nowMs), { ...state, pending });
}

function raised(state: NoticeState, body: Annunciation, atMs: number, nowMs: number): NoticeState {
  const { id, occurrence, priority, message } = body;
  const notice: Notice = { id, occurrence, priority, message: message.slice(0, 500), atMs };
  const standing = state.standing.filter((one) => one.id !== id);
  return add({ ...state, standing }, notice, nowMs);
}

/** Adds a notice; of too many the least urgent one is only counted. */
function add(state: NoticeState, notice: Notice, nowMs: number): NoticeState {
  const waiting = [...state.waiting, notice];
  const sinceMs = state.sinceMs ?? nowMs;
  if (waiting.length <= MAX_WAITING) return { ...state, waiting, sinceMs };
  const least = Math.min(...waiting.map(({ priority }) => rankOf(priority)));
  const place = waiting.findLastIndex(({ priority }) => rankOf(priority) === least);
  const [dropped] = waiting.splice(place, 1);
  const { priority } = dropped!;
  return { ...state, waiting, sinceMs, more: { ...state.more, [priority]: (state.more[priority] ?? 0) + 1 } };
}

/** The condition of an alarm is gone: noted where it waits to be told, told where it was told before and that is wanted. */
function gone(
  state: NoticeState,
  body: Pick<Annunciation, 'id' | 'occurrence'>,
  goneMs: number,
  isTold: boolean,
  isOver: boolean,
): NoticeState {
  const isSame = (one: Notice) => one.id === body.id && one.occurrence === body.occurrence;
  const { waiting, standing } = isOver ? withoutReminders(state, isSame) : state;
  const marked = (one: Notice): Notice => (isOver ? { ...one, goneMs, isAnswered: true } : { ...one, goneMs });
  if (waiting.some(isSame))
    return settled(
      state,
      waiting.map((one) => (isSame(one) ? marked(one) : one)),
      standing,
    );
  const told = standing.find(isSame);
  // What is gone and not acknowledged is still owed an answer.
  const left = isOver
    ? standing.filter((one) => !isSame(one))
    : standing.map((one) => (isSame(one) ? { ...one, goneMs } : one));
  const next = settled(state, waiting, left);
  if (!told || !isTold || told.goneMs !== undefined) return next;
  const { toldMs: _told, ...notice } = told;
  return add(next, { ...notice, goneMs, again: 'over' }, goneMs);
}

/** Somebody or something answered, before it was told or after: it is not repeated. */
function answered(state: NoticeState, body: AlarmBody): NoticeState {
  if (body.state === 'unacked' || body.state.endsWith('-unacked')) return state;
  const isSame = (one: Notice) => one.id === body.id;
  const { waiting, standing } = withoutReminders(state, isSame);
  return settled(
    state,
    waiting.map((one) => (isSame(one) ? { ...one, isAnswered: true } : one)),
    body.change === 'acked'
      ? standing.flatMap((one) =>
          !isSame(one) ? [one] : one.goneMs === undefined ? [{ ...one, isAnswered: true }] : [],
        )
      : standing.filter((one) => !isSame(one)),
  );
}

/** Repetitions that wait are not told any more: their alarms stand as they did before. */
function withoutReminders(
  { waiting, standing }: NoticeState,
  isSame: (one: Notice) => boolean,
): Pick<NoticeState, 'waiting' | 'standing'> {
  const isReminder = (one: Notice) => one.again === 'unacknowledged' && isSame(one);
  const back = waiting.filter(isReminder).map(({ again: _again, ...one }): Standing => ({ ...one, toldMs: one.atMs }));
  if (back.length === 0) return { waiting, standing };
  return { waiting: waiting.filter((one) => !isReminder(one)), standing: [...standing, ...back] };
}

/** The state with other lists; where nothing waits any more, the next digest begins with the next alarm. */
function settled(state: NoticeState, waiting: readonly Notice[], standing: readonly Standing[]): NoticeState {
  const isEmpty = waiting.length === 0 && Object.keys(state.more).length === 0;
  return { ...state, waiting, standing, sinceMs: isEmpty ? undefined : state.sinceMs };
}

/** Makes those wait again that nobody has acknowledged for so long. */
export function repeated(state: NoticeState, { repeatMs }: Policy, nowMs: number): NoticeState {
  if (repeatMs === undefined) return state;
  let next = state;
  for (const one of state.standing) {
    // Nobody can acknowledge what is wrong with the gateway.
    if (nowMs - one.toldMs < repeatMs || one.isAnswered || one.id.startsWith(SYSTEM)) continue;
    const { toldMs: _told, ...notice } = one;
    next = add(
      { ...next, standing: next.standing.filter((other) => other !== one) },
      { ...notice, again: 'unacknowledged' },
      nowMs,
    );
  }
  return next;
}

/**
 * What is to be sent now; undefined: nothing yet. Nothing goes before the digest is gathered, beyond the messages of the
 * hour, or in quiet hours, where only what is urgent enough goes.
 */
export function due(
  state: NoticeState,
  policy: Policy,
  now: { readonly wallMs: number; readonly isQuiet: boolean },
): Digest | undefined {
  const { waiting, more, sinceMs, sentMs } = state;
  const { wallMs } = now;
  if (sinceMs === undefined) return undefined;
  // A clock that was set back does not hold anything up for longer than the digest would.
  const waitedMs = wallMs - sinceMs;
  if (waitedMs >= 0 && waitedMs < policy.digestMs) return undefined;
  if (sentMs.filter((atMs) => atMs > wallMs - HOUR_MS && atMs <= wallMs).length >= policy.perHour) return undefined;
  const least = now.isQuiet ? policy.quiet?.except : undefined;
  const passes = (priority: Priority): boolean =>
    !now.isQuiet || (least !== undefined && rankOf(priority) >= rankOf(least));
  const notices = waiting.filter(({ priority }) => passes(priority));
  const counted = Object.fromEntries(Object.entries(more).filter(([priority]) => passes(priority as Priority)));
  return notices.length === 0 && Object.keys(counted).length === 0 ? undefined : { notices, more: counted };
}

/** Notes that a digest was sent. What became of its alarms while it was under way is known to the state alone. */
export function sent(state: NoticeState, digest: Digest, { cleared }: Policy, nowMs: number): NoticeState {
  const before = new Map(digest.notices.map((notice) => [keyOf(notice), notice]));
  const told = state.waiting.filter((notice) => before.has(keyOf(notice)) && notice.again !== 'over');
  const standing = told
    .filter(({ goneMs, isAnswered }) => goneMs === undefined || isAnswered !== true)
    .map(({ again: _again, ...notice }): Standing => ({ ...notice, toldMs: nowMs }));
  const rest = without(state, digest, nowMs);
  const ids = new Set(standing.map(({ id }) => id));
  const next: NoticeState = {
    ...rest,
    standing: [...rest.standing.filter(({ id }) => !ids.has(id)), ...standing].slice(-MAX_STANDING),
    sentMs: [...rest.sentMs.filter((atMs) => atMs > nowMs - HOUR_MS && atMs <= nowMs), nowMs],
  };
  if (!cleared) return next;
  return told
    .filter((notice) => notice.goneMs !== undefined && before.get(keyOf(notice))!.goneMs === undefined)
    .reduce((all, notice) => add(all, { ...notice, again: 'over' }, nowMs), next);
}

/** The state without what a digest holds, whether it was sent or given up. */
export function without(state: NoticeState, { notices, more }: Digest, nowMs: number): NoticeState {
  const keys = new Set(notices.map(keyOf));
  const waiting = state.waiting.filter((notice) => !keys.has(keyOf(notice)));
  const counts = Object.entries(state.more).flatMap(([priority, count]): [string, number][] => {
    const left = count - (more[priority as Priority] ?? 0);
    return left > 0 ? [[priority, left]] : [];
  });
  const isEmpty = waiting.length === 0 && counts.length === 0;
  return { ...state, waiting, more: Object.fromEntries(counts), sinceMs: isEmpty ? undefined : nowMs };
}

function keyOf({ id, occurrence, again }: Notice): string {
  return `${id} ${occurrence} ${again ?? ''}`;
}

/** How many alarms a digest stands for. */
export function countOf({ notices, more }: Digest): number {
  return notices.length + Object.values(more).reduce((sum, count) => sum + count, 0);
}
