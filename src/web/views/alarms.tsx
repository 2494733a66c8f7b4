/** Alarms: those that stand by priority, the first of each device marked, with what an operator may order. */
import { useState } from 'preact/hooks';
import type { AlarmView, EventsPage, JsonEvent } from '../../api/rules-view.ts';
import { type Hub, usePolled } from '../hub.ts';
import { Dialog, Failure, Mark, Panel, useOrder } from '../parts.tsx';
import { inOrder, isUnacked, stands } from '../plant-state.ts';
import { ask } from '../session.ts';
import { ageText, plain } from '../shown.ts';

/** How long an alarm may be shelved from here. */
const SHELVE_TIMES = ['15m', '1h', '8h', '24h'];

interface ViewProps {
  readonly hub: Hub;
  readonly onRefused: () => void;
}

/** The alarm list and the newest of the journal. */
export function Alarms({ hub, onRefused }: ViewProps) {
  const [isAll, showAll] = useState(false);
  const sorted = inOrder(hub.plant.alarms.values());
  const standing = sorted.filter(stands);
  const silenced = sorted.filter((alarm) => !stands(alarm) && alarm.state !== 'normal');
  const normal = sorted.filter(({ state }) => state === 'normal');
  return (
    <>
      <Panel title={standing.length === 0 ? 'No alarm stands' : `${standing.length} standing`}>
        <AlarmList hub={hub} onRefused={onRefused} alarms={standing} />
      </Panel>
      {silenced.length > 0 && (
        <Panel title="Shelved, suppressed or out of service">
          <AlarmList hub={hub} onRefused={onRefused} alarms={silenced} />
        </Panel>
      )}
      {normal.length > 0 && (
        <Panel title={`${normal.length} normal`}>
          <button type="button" class="quiet" aria-expanded={isAll} onClick={() => showAll(!isAll)}>
            {isAll ? 'Hide' : 'Show'}
          </button>
          {isAll && <AlarmList hub={hub} onRefused={onRefused} alarms={normal} />}
        </Panel>
      )}
      <Journal hub={hub} />
    </>
  );
}

function AlarmList({ hub, alarms, onRefused }: ViewProps & { readonly alarms: readonly AlarmView[] }) {
  return (
    <ul class="alarms">
      {alarms.map((alarm) => (
        <Alarm key={alarm.id} hub={hub} alarm={alarm} onRefused={onRefused} />
      ))}
    </ul>
  );
}

function remarksOf({ firstOut, chattering, stale, occurrence }: AlarmView): string[] {
  return [
    ...(occurrence > 0 ? [`no. ${occurrence}`] : []),
    ...(firstOut ? ['came first of its device'] : []),
    ...(chattering ? ['comes and goes too often'] : []),
    ...(stale ? ['for more than a day'] : []),
  ];
}

function Alarm({ hub, alarm, onRefused }: ViewProps & { readonly alarm: AlarmView }) {
  const [isShelving, shelve] = useState(false);
  const { isBusy, failed, give } = useOrder(onRefused);
  const { id, state, occurrence, sinceMs, shelvedUntilMs, message, tag } = alarm;
  const order = (word: string, body: object = {}): void =>
    void give(() => ask(`/api/v1/alarms/${encodeURIComponent(id)}/${word}`, body));
  const canShelve = state !== 'shelved' && state !== 'out-of-service';
  return (
    <li class={`alarm${stands(alarm) ? ' is-standing' : ''}`}>
      <div>
        <Mark alarm={alarm} /> <strong>{plain(id)}</strong> <span class="state">{state}</span>
        {/* What an alarm says is not so while it is normal. */}
        {state !== 'normal' && <p>{plain(message)}</p>}
        <p class="note">
          <a href={`#/tag/${tag}`}>{plain(tag)}</a>
          {sinceMs !== undefined && `, for ${ageText(hub.nowMs - sinceMs)}`}
          {shelvedUntilMs !== undefined && `, shelved until ${hub.time.full(shelvedUntilMs)}`}
          {remarksOf(alarm).map((remark) => `, ${remark}`)}
        </p>
        <Failure>{failed}</Failure>
      </div>
      <div class="orders">
        {isUnacked(alarm) && (
          <button type="button" disabled={isBusy} onClick={() => order('ack', { occurrence })}>
            Acknowledge
          </button>
        )}
        {state.startsWith('latched') && (
          <button type="button" disabled={isBusy} onClick={() => order('reset')}>
            Reset
          </button>
        )}
        {state === 'shelved' && (
          <button type="button" disabled={isBusy} onClick={() => order('unshelve')}>
            Unshelve
          </button>
        )}
        {state === 'out-of-service' && (
          <button type="button" disabled={isBusy} onClick={() => order('in-service')}>
            Put in service
          </button>
        )}
        {canShelve && (
          <button type="button" class="quiet" disabled={isBusy} onClick={() => shelve(true)}>
            Shelve …
          </button>
        )}
      </div>
      {isShelving && <Shelve id={id} order={order} onClose={() => shelve(false)} />}
    </li>
  );
}

interface ShelveProps {
  readonly id: string;
  readonly order: (word: string, body: object) => void;
  readonly onClose: () => void;
}

function Shelve({ id, order, onClose }: ShelveProps) {
  const [reason, setReason] = useState('');
  const [time, setTime] = useState('1h');
  const submit = (event: Event): void => {
    event.preventDefault();
    order('shelve', { for: time, comment: reason });
    onClose();
  };
  return (
    <Dialog title={`Shelve ${plain(id)}`} onClose={onClose}>
      <form onSubmit={submit}>
        <fieldset class="choices" aria-label="For how long">
          {SHELVE_TIMES.map((words) => (
            <button type="button" key={words} aria-pressed={words === time} onClick={() => setTime(words)}>
              {words}
            </button>
          ))}
        </fieldset>
        <p>
          <label>
            Reason{' '}
            <input required maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
          </label>
        </p>
        <button type="submit">Shelve</button>
      </form>
    </Dialog>
  );
}

/** Events that are listed, the newest first. */
const MOST_EVENTS = 30;

/** The newest events: those that were there when the page was opened, and those that came over the stream. */
function Journal({ hub }: { readonly hub: Hub }) {
  const { data } = usePolled<EventsPage>(`/api/v1/events?limit=${MOST_EVENTS}`, 3_600_000);
  const known = new Map([...(data?.events ?? []), ...hub.plant.events].map((event) => [event.seq, event]));
  const newest = [...known.values()].sort((one, other) => other.seq - one.seq).slice(0, MOST_EVENTS);
  return (
    <Panel title="Journal" note={`The last ${MOST_EVENTS} events; millgate events shows all of them.`}>
      {newest.length === 0 && <p>Nothing has happened yet.</p>}
      <ul class="plain journal">
        {newest.map((event) => (
          <li key={event.seq}>
            <time>{hub.time.clock(event.t)}</time> {plain(wordsOf(event))}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function wordsOf({ kind, message, id, change, rule, by }: JsonEvent): string {
  const subject = [kind, id, change ?? rule].filter((word) => typeof word === 'string').join(' ');
  const who = typeof by === 'string' && typeof message !== 'string' ? ` by ${by}` : '';
  return `${subject}${who}${typeof message === 'string' ? `: ${message}` : ''}`;
}
