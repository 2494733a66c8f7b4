/** The state machine of an alarm after ISA-18.2. */
import type { AlarmChange, AlarmState } from '../../core/event.ts';

/** What happens to an alarm: its condition comes or goes, its gate opens or closes, or an operator orders something. */
export type AlarmAction =
  | 'alarm'
  | 'return'
  | 'ack'
  | 'reset'
  | 'shelve'
  | 'unshelve'
  | 'suppress'
  | 'unsuppress'
  | 'out-of-service'
  | 'in-service';

/** What the transitions depend on beside the state. */
interface AlarmTraits {
  readonly latch: boolean;
  readonly ack: boolean;
  /** Whether the condition holds, delays and deadband counted in. */
  readonly active: boolean;
}

/** A transition, or why there is none and what to do instead. */
type Transition =
  | { readonly ok: true; readonly to: AlarmState; readonly change: AlarmChange }
  | { readonly ok: false; readonly why: string };

/**
 * The state machine of ISA-18.2-2016 clause 10 / IEC 62682: the letters A to I are those of its figure 10. Whatever
 * leads to `unacked` (B) is an annunciation, and nothing else is. `cleared` is a return that leaves nothing to be done,
 * `returned` one that leaves an acknowledgement or a reset.
 *
 * An unacknowledged latched alarm (E) is reset only where no acknowledgement is wanted; there reset means both.
 */
export function transition(state: AlarmState, action: AlarmAction, traits: AlarmTraits): Transition {
  switch (action) {
    case 'alarm':
      return isAnnunciable(state) ? moved('unacked', 'raised') : refused(`${state}: not annunciated`);
    case 'return':
      return returned(state, traits);
    case 'ack':
      return acknowledged(state);
    case 'reset':
      return reset(state, traits);
    case 'shelve':
      return shelved(state);
    case 'suppress':
      return isServing(state) ? moved('suppressed', 'suppressed') : refused(`${state}: nothing to suppress`);
    case 'out-of-service':
      return state === 'out-of-service' ? refused('is out of service already') : moved(action, action);
    case 'unshelve':
      return state === 'shelved' ? back(traits, 'unshelved') : refused('is not shelved: there is nothing to unshelve');
    case 'unsuppress':
      return state === 'suppressed' ? back(traits, 'unsuppressed') : refused('is not suppressed');
    case 'in-service':
      return state === 'out-of-service' ? back(traits, 'in-service') : refused('is in service already');
  }
}

/** A, D, E or F: no condition is annunciated, and one would be. */
function isAnnunciable(state: AlarmState): boolean {
  return isServing(state) && state !== 'unacked' && state !== 'acked';
}

/** A to F: neither shelved, nor suppressed, nor out of service. */
function isServing(state: AlarmState): boolean {
  return state !== 'shelved' && state !== 'suppressed' && state !== 'out-of-service';
}

function returned(state: AlarmState, { latch, ack }: AlarmTraits): Transition {
  if (state === 'unacked') {
    if (latch) return moved('latched-unacked', 'returned');
    return ack ? moved('returned-unacked', 'returned') : moved('normal', 'cleared');
  }
  if (state === 'acked') return latch ? moved('latched-acked', 'returned') : moved('normal', 'cleared');
  return refused(`${state}: nothing to return from`);
}

function acknowledged(state: AlarmState): Transition {
  if (state === 'unacked') return moved('acked', 'acked');
  if (state === 'returned-unacked') return moved('normal', 'acked');
  if (state === 'latched-unacked') return moved('latched-acked', 'acked');
  return refused(`is ${state}: there is nothing to acknowledge`);
}

function reset(state: AlarmState, { ack }: AlarmTraits): Transition {
  if (state === 'latched-acked' || (state === 'latched-unacked' && !ack)) return moved('normal', 'reset');
  if (state === 'latched-unacked') return refused('is not acknowledged: acknowledge it first, then reset it');
  if (state === 'unacked' || state === 'acked') return refused('is still active: mend the cause first, then reset it');
  return refused(`is ${state}: there is nothing to reset`);
}

/** Shelving what is shelved sets a new time; it is an operator's order like the first. */
function shelved(state: AlarmState): Transition {
  if (isServing(state) || state === 'shelved') return moved('shelved', 'shelved');
  return refused(`is ${state}, and so silent already: there is nothing to shelve`);
}

/** Back from silence: what is true by then is annunciated, as a new occurrence. */
function back({ active }: AlarmTraits, change: AlarmChange): Transition {
  return moved(active ? 'unacked' : 'normal', change);
}

function moved(to: AlarmState, change: AlarmChange): Transition {
  return { ok: true, to, change };
}

function refused(why: string): Transition {
  return { ok: false, why };
}
