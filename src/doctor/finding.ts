/** `broken` does not work now; `warning` works, but not well or not for long; `hint` could be better. */
type Severity = 'broken' | 'warning' | 'hint';

/** One thing to do. */
export interface Finding {
  readonly severity: Severity;
  /** What it is about: a channel, `channel/device`, an uplink, the store, a file. */
  readonly where: string;
  /** What was seen, with its numbers; what is only likely is said to be. */
  readonly cause: string;
  /** What to do; a command to copy or a line to write where there is one. */
  readonly remedy: string;
}

/** What was looked at and is well, or could not be looked at. */
export interface Look {
  readonly where: string;
  readonly saw: string;
}

/**
 * The order in which things are mended: what is earlier is often the cause of what is later. A finding knows its step so
 * that those of one severity come in this order.
 */
const STEPS = [
  'configuration',
  'instance',
  'permission',
  'port',
  'power',
  'disk',
  'clock',
  'line',
  'device',
  'load',
  'uplink',
  'service',
] as const;

/** One of {@link STEPS}. */
type Step = (typeof STEPS)[number];

/** A finding with its step. */
export interface Found extends Finding {
  readonly step: Step;
}

const SEVERITIES: readonly Severity[] = ['broken', 'warning', 'hint'];

/** Findings by what to do first: what is broken before what is not, causes before consequences. Says each thing once. */
export function inOrder(found: readonly Found[]): Finding[] {
  const unique = new Map(found.map((each) => [`${each.where}\n${each.cause}`, each]));
  return [...unique.values()]
    .sort(
      (a, b) =>
        SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
        STEPS.indexOf(a.step) - STEPS.indexOf(b.step),
    )
    .map(({ severity, where, cause, remedy }) => ({ severity, where, cause, remedy }));
}

/** Takes a message of the form `cause. Remedy.` apart; without a remedy, the one given. */
export function causeAndRemedy(message: string, otherwise: string): { cause: string; remedy: string } {
  const end = /[.!?](?=\s+\S)/.exec(message);
  if (!end) return { cause: message.replace(/\.$/, ''), remedy: otherwise };
  return { cause: message.slice(0, end.index), remedy: message.slice(end.index + 1).trim() };
}

/** A remedy that is only a question gets a command that answers it. */
export function withTry(
  remedy: string,
  place: { readonly host: string; readonly port: number | string } | undefined,
): string {
  return place && remedy.endsWith('?') ? `${remedy} Try it from here: nc -vz ${place.host} ${place.port}` : remedy;
}

/** A share of 1 in per cent, with one digit where that matters. */
export function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 9.95 ? Number(value.toPrecision(2)) : Math.round(value)} %`;
}

/** `a`, `a and b`, `a, b and 3 more`. */
export function listed(words: readonly string[], most = 3): string {
  const shown = words.slice(0, most);
  const more = words.length - shown.length;
  if (more > 0) return `${shown.join(', ')} and ${more} more`;
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}
