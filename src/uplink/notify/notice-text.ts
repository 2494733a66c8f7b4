/** Words a digest of alarms for people: as a mail, a line of a chat, or JSON. */
import type { Priority } from '../../core/event.ts';
import { countOf, type Digest, type Notice, PRIORITIES, rankOf } from './notices.ts';

/** Who tells, and in which time zone. */
export interface Teller {
  readonly gateway: string;
  readonly location: string | undefined;
  /** IANA time zone. */
  readonly timezone: string;
}

/** A message in the forms that its recipients take. */
export interface NoticeText {
  readonly subject: string;
  readonly body: string;
  /** JSON of a webhook. */
  readonly json: string;
}

/** Alarms with a line of their own. */
const MAX_LINES = 20;

const MAX_SUBJECT = 120;

/** The message of a digest. */
export function noticeText(digest: Digest, teller: Teller, nowMs: number): NoticeText {
  const { gateway, location } = teller;
  const all = [...digest.notices].sort((a, b) => rankOf(b.priority) - rankOf(a.priority) || a.atMs - b.atMs);
  const shown = all.slice(0, MAX_LINES);
  const more = { ...digest.more };
  for (const { priority } of all.slice(MAX_LINES)) more[priority] = (more[priority] ?? 0) + 1;
  const count = countOf(digest);
  const [first] = shown;
  const subject = clipped(
    `[${gateway}] ${count === 1 ? '' : `${count} alarms: `}${first ? `${first.priority}: ${first.message}` : ''}${first?.again === 'over' ? ' (over)' : ''}`,
    MAX_SUBJECT,
  );
  const time = localTime(teller.timezone);
  const lines = shown.map((notice) => lineOf(notice, time));
  const rest = moreText(more);
  const head = location === undefined ? gateway : `${gateway}, ${location}`;
  const body = [head, '', ...lines, ...(rest === '' ? [] : [rest]), '', 'millgate alarms shows what stands.'].join(
    '\n',
  );
  const alarms = shown.map(({ id, occurrence, priority, message, atMs, goneMs, again }) => ({
    id,
    occurrence,
    priority,
    message,
    t: atMs,
    gone: goneMs ?? null,
    again: again ?? null,
  }));
  // `text` is what chats that take webhooks show.
  const text = `${subject}\n${lines.join('\n')}${rest === '' ? '' : `\n${rest}`}`;
  const json = JSON.stringify({
    schema: 'millgate/notification/1',
    gateway,
    location,
    t: nowMs,
    count,
    text,
    alarms,
    more,
  });
  return { subject, body, json };
}

function lineOf({ id, priority, message, atMs, goneMs, again }: Notice, time: (ms: number) => string): string {
  const what = again === 'unacknowledged' ? ' (still not acknowledged)' : again === 'over' ? ' (over)' : '';
  const until = goneMs === undefined ? '' : ` to ${time(goneMs)}`;
  return `${priority.padEnd(8)}  ${id}: ${oneLine(message)}${what}, ${time(atMs)}${until}`;
}

function moreText(more: Digest['more']): string {
  const counts = PRIORITIES.toReversed().flatMap((priority: Priority) =>
    more[priority] ? [`${more[priority]} ${priority}`] : [],
  );
  if (counts.length === 0) return '';
  const sum = Object.values(more).reduce((all, count) => all + count, 0);
  return `and ${sum} more: ${counts.join(', ')}`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ').trim();
}

function clipped(text: string, most: number): string {
  const line = oneLine(text);
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/** Writes instants in local time, with the offset. */
function localTime(timeZone: string): (ms: number) => string {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    hourCycle: 'h23',
    timeZoneName: 'shortOffset',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  return (ms) => {
    const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
    return `${part.year}-${part.month}-${part.day} ${part.hour}:${part.minute}:${part.second} ${part.timeZoneName}`;
  };
}

/** Minutes since local midnight. */
export function minuteOfDay(timeZone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone, hourCycle: 'h23', hour: '2-digit', minute: '2-digit' });
  return (ms) => {
    const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
    return part.hour! * 60 + part.minute!;
  };
}
