/** Forms for what is added most often: a device from a profile, and an alarm that is tried on the stored readings first. */
import { useEffect, useId, useState } from 'preact/hooks';
import type { AlarmTrial } from '../../core/configuration.ts';
import { SILENCES } from '../../core/quality.ts';
import type { Hub } from '../hub.ts';
import { Failure, useOrder } from '../parts.tsx';
import { ask, RefusedRequest } from '../session.ts';
import { plain, spanText } from '../shown.ts';

/** Puts an entry into the text that is edited. */
type Put = (path: readonly string[], value: object) => Promise<boolean>;

/** What every form is handed. */
export interface FormProps {
  readonly hub: Hub;
  readonly text: string;
  readonly put: Put;
  readonly onRefused: () => void;
}

interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly set: (text: string) => void;
  readonly isOptional?: boolean;
  readonly options?: readonly string[];
  readonly pattern?: string;
  readonly hint?: string;
}

/** One line of a form: a choice where there are options, else a text. */
export function Field({ label, value, set, isOptional, options, pattern, hint }: FieldProps) {
  const id = useId();
  const common = { id, value, required: !isOptional };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {options ? (
        <select {...common} onChange={(event) => set(event.currentTarget.value)}>
          <option value="">choose …</option>
          {options.map((word) => (
            <option key={word}>{word}</option>
          ))}
        </select>
      ) : (
        <input {...common} pattern={pattern} title={hint} onInput={(event) => set(event.currentTarget.value)} />
      )}
      {hint !== undefined && <span class="note">{hint}</span>}
    </div>
  );
}

/** A name of the file, and how that is said. */
export const NAME = '[a-z0-9][a-z0-9_-]{0,62}';
export const NAME_HINT = 'a-z, 0-9, - and _';
const DURATION = '[0-9]+(ms|s|m|h|d)';

/** How far back an alarm is tried. */
const TRY_HOURS = [1, 24, 168];

/** An alarm at a limit. */
export function AlarmForm({ hub, text, put, onRefused }: FormProps) {
  const [draft, change] = useState({
    name: '',
    tag: '',
    kind: 'above',
    limit: '',
    deadband: '',
    delay: '',
    priority: 'high',
  });
  const [trial, setTrial] = useState<AlarmTrial>();
  const { isBusy, failed, give } = useOrder(onRefused);
  const field = (key: keyof typeof draft) => ({
    value: draft[key],
    set: (to: string) => change({ ...draft, [key]: to }),
  });
  const add = (event: Event): void => {
    event.preventDefault();
    setTrial(undefined);
    void put(['alarms', draft.name], {
      tag: draft.tag,
      [draft.kind]: Number(draft.limit),
      ...(draft.deadband !== '' && { deadband: Number(draft.deadband) }),
      ...(draft.delay !== '' && { onDelay: draft.delay }),
      priority: draft.priority,
    });
  };
  const tryOut = (hours: number): void =>
    void give(async () => setTrial(await ask('/api/v1/configuration/try-alarm', { text, alarm: draft.name, hours })));
  return (
    <form class="form" onSubmit={add}>
      <Field label="Name" {...field('name')} pattern={NAME} hint={NAME_HINT} />
      <Field label="Tag" {...field('tag')} options={hub.tags.map(({ tag }) => tag)} />
      <Field label="When it is" {...field('kind')} options={['above', 'below']} />
      <Field label="Limit" {...field('limit')} pattern="-?[0-9]+(\.[0-9]+)?" hint="a number" />
      <Field
        label="Deadband"
        {...field('deadband')}
        isOptional
        pattern="[0-9]+(\.[0-9]+)?"
        hint="how far back it must come"
      />
      <Field label="For at least" {...field('delay')} isOptional pattern={DURATION} hint="such as 5s" />
      <Field label="Priority" {...field('priority')} options={['critical', 'high', 'medium', 'low']} />
      <p class="orders">
        <button type="submit" disabled={isBusy}>
          Put it into the file
        </button>
        {TRY_HOURS.map((hours) => (
          <button
            type="button"
            class="quiet"
            key={hours}
            disabled={isBusy || draft.name === ''}
            onClick={() => tryOut(hours)}
          >
            Try it on {hours === 168 ? '7 d' : `${hours} h`}
          </button>
        ))}
      </p>
      <Failure>{failed}</Failure>
      {trial && <Trial hub={hub} trial={trial} />}
    </form>
  );
}

function Trial({ hub, trial }: { readonly hub: Hub; readonly trial: AlarmTrial }) {
  const { fromMs, toMs, readings, raised, mostInMinute, activeMs, longestMs, last } = trial;
  if (readings === 0) return <p role="status">Nothing of this tag is stored in the last {spanText(toMs - fromMs)}.</p>;
  const spanMs = toMs - fromMs;
  // From less than an hour nothing can be said of a day.
  const rate = spanMs < 3_600_000 ? '' : `, about ${(raised / (spanMs / 86_400_000)).toPrecision(2)} a day`;
  return (
    <div role="status">
      <p>
        Over {readings} stored readings of the last {spanText(toMs - fromMs)} it would have called{' '}
        <strong>{raised === 0 ? 'nobody' : raised === 1 ? 'once' : `${raised} times`}</strong>
        {raised > 0 && `${rate}, for ${spanText(activeMs)} in all and ${spanText(longestMs)} at the longest`}.
      </p>
      {mostInMinute >= 3 && <p>It would chatter: {mostInMinute} times in one minute. Give it a deadband or a delay.</p>}
      {last.length > 0 && <p class="note">Last: {last.map((ms) => hub.time.full(ms)).join(', ')}</p>}
    </div>
  );
}

/** Where a unit id is looked for first, and the last one there is. */
const FIRST_UNITS = 247;

/** Registers that nearly every device answers for, or refuses in so many words, which is an answer, too. */
const ASKED = [
  { table: 'holding', start: 0 },
  { table: 'input', start: 0 },
] as const;

/** What a probe gives. */
type Probed = { readonly ok: true } | { readonly ok: false; readonly why: string };

/** A device that is described by a profile. */
export function DeviceForm({ hub, put, onRefused }: FormProps) {
  const [draft, change] = useState({ name: '', channel: '', unit: '', profile: '', every: '1s' });
  const [profiles, setProfiles] = useState<readonly string[]>([]);
  const [found, setFound] = useState('');
  const { isBusy, failed, give } = useOrder(onRefused);
  useEffect(() => {
    void give(async () => setProfiles((await ask<{ profiles: readonly string[] }>('/api/v1/profiles')).profiles));
  }, []);
  const field = (key: keyof typeof draft) => ({
    value: draft[key],
    set: (to: string) => change({ ...draft, [key]: to }),
  });
  const add = (event: Event): void => {
    event.preventDefault();
    const { name, channel, unit, profile, every } = draft;
    const own = { channel, ...(unit !== '' && { unit: Number(unit) }), profile, every };
    void put(['devices', name], own);
  };
  const search = (): void =>
    void give(async () => {
      for (let unit = 1; unit <= FIRST_UNITS; unit++) {
        setFound(`Asking unit ${unit} …`);
        if (!(await answers(draft.channel, unit))) continue;
        setFound(`Unit ${unit} answers.`);
        change((before) => ({ ...before, unit: String(unit) }));
        return;
      }
      setFound('No unit from 1 to 247 answers on this channel: check its wiring and its settings.');
    });
  const channels = hub.plant.status?.channels.map(({ name }) => name) ?? [];
  return (
    <form class="form" onSubmit={add}>
      <Field label="Name" {...field('name')} pattern={NAME} hint={NAME_HINT} />
      <Field label="Channel" {...field('channel')} options={channels} />
      <Field label="Unit id" {...field('unit')} isOptional pattern="[0-9]{1,3}" hint="of a Modbus device" />
      <Field label="Profile" {...field('profile')} options={profiles} />
      <Field label="Read every" {...field('every')} pattern={DURATION} hint="such as 1s" />
      <p class="orders">
        <button type="submit" disabled={isBusy}>
          Put it into the file
        </button>
        <button type="button" class="quiet" disabled={isBusy || draft.channel === ''} onClick={search}>
          Find the unit id
        </button>
      </p>
      <p role="status">{plain(found)}</p>
      <Failure>{failed}</Failure>
    </form>
  );
}

async function answers(channel: string, unit: number): Promise<boolean> {
  for (const block of ASKED) {
    try {
      const answer = await ask<Probed>('/api/v1/probe', { channel, unit, ...block, count: 1 });
      // An exception is said by the device itself, but for those by which a gateway says that it is silent.
      if (answer.ok || !SILENCES.has(answer.why)) return true;
    } catch (error) {
      if (error instanceof RefusedRequest && error.status !== 422) throw error;
    }
  }
  return false;
}
