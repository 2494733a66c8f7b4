/** The configuration: the file with its findings as they are typed, what would change, a trial with a countdown. */
import { useEffect, useState } from 'preact/hooks';
import type {
  ApplyAnswer,
  CheckedText,
  ConfigurationChange,
  ConfigurationProblem,
  ConfigurationStatus,
  RunningFiles,
} from '../../core/configuration.ts';
import { type Hub, usePolled } from '../hub.ts';
import { Facts, Failure, Panel, useOrder } from '../parts.tsx';
import { ask } from '../session.ts';
import { plain, spanText } from '../shown.ts';
import { AlarmForm, DeviceForm, type FormProps } from './forms.tsx';
import { SchemaForm } from './schema-form.tsx';
import { TagForm } from './tag-form.tsx';

/** The text is checked when nothing was typed for so long, ms. */
const CHECK_AFTER_MS = 700;

/** How long a technician has to confirm what was applied from here, ms. */
const CONFIRM_MS = 120_000;

interface ViewProps {
  readonly hub: Hub;
  readonly onRefused: () => void;
}

/** The configuration in force, on trial, and as it is edited. */
export function Configuration({ hub, onRefused }: ViewProps) {
  const { data, failed, again } = usePolled<ConfigurationStatus>('/api/v1/configuration', 2000);
  if (!data) return failed === undefined ? <p>Waiting for the gateway …</p> : <Failure>{failed}</Failure>;
  return (
    <>
      {data.pending && <OnTrial hub={hub} pending={data.pending} onRefused={onRefused} again={again} />}
      <Panel title="In force">
        <Facts
          of={[
            ['file', data.file],
            ['configuration', data.hash],
            ['on the disk', data.onDisk],
          ]}
        />
      </Panel>
      <Editor hub={hub} onRefused={onRefused} again={again} isOnTrial={data.pending !== undefined} />
      <Past hub={hub} history={data.history} onRefused={onRefused} again={again} />
    </>
  );
}

type Again = { readonly again: () => void };

function OnTrial({
  hub,
  pending,
  onRefused,
  again,
}: ViewProps & Again & { readonly pending: NonNullable<ConfigurationStatus['pending']> }) {
  const { isBusy, failed, give } = useOrder(onRefused);
  const { hash, by, awaits, confirmByMs, devices, changes } = pending;
  const late = devices.filter(({ state }) => state !== 'flows').map(({ device }) => device);
  const order = (path: string): void => void give(() => ask(path, {})).then(again);
  return (
    <Panel title="On trial" note={`${hash}, applied by ${plain(by)}`}>
      <p class="countdown" role="timer">
        {awaits === 'data' ? `Waiting for data of ${late.join(', ')}. ` : 'Data flows. '}
        {confirmByMs !== undefined && `Taken back by itself in ${spanText(confirmByMs - hub.nowMs)} unless confirmed.`}
      </p>
      <Changes changes={changes} />
      <p class="orders">
        <button type="button" disabled={isBusy} onClick={() => order('/api/v1/confirm')}>
          Confirm
        </button>
        <button type="button" class="quiet" disabled={isBusy} onClick={() => order('/api/v1/rollback')}>
          Take back
        </button>
      </p>
      <Failure>{failed}</Failure>
    </Panel>
  );
}

function Changes({ changes }: { readonly changes: readonly ConfigurationChange[] }) {
  return (
    <ul class="plain">
      {changes.map(({ part, name, change, details, effect, needsRestart }) => (
        <li key={`${part} ${name}`}>
          {part} {name} {change}
          {details.length > 0 && `: ${plain(details.join(', '))}`}
          {effect !== undefined && <span class="note">{effect}</span>}
          {needsRestart !== undefined && <strong> {needsRestart}</strong>}
        </li>
      ))}
    </ul>
  );
}

/** The main file among those of a configuration: the one without a folder. */
function mainOf({ file, files }: RunningFiles): string {
  const name = file.slice(file.lastIndexOf('/') + 1);
  return files[name] ?? Object.values(files)[0] ?? '';
}

function FileText({ text, set }: { readonly text: string; readonly set: (text: string) => void }) {
  return (
    <label>
      <span class="note">The file, checked as you type</span>
      <textarea
        class="file"
        rows={24}
        spellcheck={false}
        value={text}
        onInput={(event) => set(event.currentTarget.value)}
      />
    </label>
  );
}

function Editor({ hub, onRefused, again, isOnTrial }: Again & ViewProps & { readonly isOnTrial: boolean }) {
  const [text, setText] = useState<string>();
  const [checked, setChecked] = useState<{ readonly text: string; readonly answer: ApplyAnswer }>();
  const { isBusy, failed, give } = useOrder(onRefused);
  const open = (): void => void give(async () => setText(mainOf(await ask('/api/v1/configuration/files'))));
  useEffect(() => {
    if (text === undefined) return;
    const timer = setTimeout(async () => {
      await give(async () => {
        const answer = await ask<ApplyAnswer>('/api/v1/configuration/check', { text });
        setChecked({ text, answer });
      });
    }, CHECK_AFTER_MS);
    return () => clearTimeout(timer);
  }, [text]);
  /** The gateway puts an entry into the text, and says at once what is wrong with it. */
  const put = (path: readonly string[], value: object): Promise<boolean> =>
    give(async () => {
      const body = { text, path, value: JSON.stringify(value) };
      const answer = await ask<CheckedText>('/api/v1/configuration/check', body);
      if (answer.text === text)
        throw new Error(
          `Nothing was changed: the file has this entry already, or ${path[path.length - 2]} stands there in a form that only a person can change. Write it into the text.`,
        );
      setText(answer.text);
      setChecked({ text: answer.text, answer });
    });
  const apply = (): void =>
    void give(async () => {
      const answer = await ask<ApplyAnswer>('/api/v1/apply', { text, confirmMs: CONFIRM_MS });
      setChecked({ text: text!, answer });
    }).then(again);
  if (text === undefined)
    return (
      <Panel
        title="Edit"
        note="The same file that the command line edits, comments kept. It needs a token of the role admin."
      >
        <button type="button" disabled={isBusy} onClick={open}>
          Open the file
        </button>
        <Failure>{failed}</Failure>
      </Panel>
    );
  const answer = checked?.text === text ? checked.answer : undefined;
  const canApply = answer?.ok === true && answer.pending && !isOnTrial;
  return (
    <Panel title="Edit">
      <div class="editor">
        <div>
          <Forms hub={hub} text={text} put={put} onRefused={onRefused} />
        </div>
        <div>
          <FileText text={text} set={setText} />
          <Findings answer={answer} />
          <p class="orders">
            <button type="button" disabled={!canApply || isBusy} onClick={apply}>
              Apply on trial for 2 minutes
            </button>
            <button type="button" class="quiet" onClick={open}>
              Start again from what runs
            </button>
          </p>
          <Failure>{failed}</Failure>
        </div>
      </div>
    </Panel>
  );
}

/** What is added by a form of its own, and by one made from the schema; everything else is written in the text. */
const FORMS = {
  'Add a channel': (props: FormProps) => <SchemaForm {...props} section="channels" />,
  'Add a device': DeviceForm,
  'Add a tag': TagForm,
  'Add an alarm': AlarmForm,
  'Add an uplink': (props: FormProps) => <SchemaForm {...props} section="uplinks" />,
};

function Forms(props: FormProps) {
  const [open, show] = useState<keyof typeof FORMS>();
  const Form = open && FORMS[open];
  return (
    <>
      <fieldset class="choices" aria-label="Add by a form">
        {(Object.keys(FORMS) as (keyof typeof FORMS)[]).map((title) => (
          <button type="button" key={title} aria-pressed={open === title} onClick={() => show(title)}>
            {title}
          </button>
        ))}
      </fieldset>
      {Form && <Form {...props} />}
    </>
  );
}

function Findings({ answer }: { readonly answer: ApplyAnswer | undefined }) {
  if (!answer) return <p class="note">Checking …</p>;
  if (!answer.ok)
    return (
      <div role="status">
        <h3>{answer.problems.length} to mend</h3>
        <Problems problems={answer.problems} />
      </div>
    );
  return (
    <div role="status">
      <p>{answer.changes.length === 0 ? 'Valid. Nothing changes.' : 'Valid. This would change:'}</p>
      <Changes changes={answer.changes} />
      <Problems problems={answer.warnings} />
    </div>
  );
}

function Problems({ problems }: { readonly problems: readonly ConfigurationProblem[] }) {
  return (
    <ul class="plain">
      {problems.slice(0, 50).map(({ file, line, column, path, message, severity }) => (
        <li key={`${line}:${column} ${message}`}>
          {file}:{line}:{column} <code>{plain(path)}</code> {severity === 'warning' && 'warning: '}
          {plain(message)}
        </li>
      ))}
    </ul>
  );
}

function Past({
  hub,
  history,
  onRefused,
  again,
}: ViewProps & Again & { readonly history: ConfigurationStatus['history'] }) {
  const { isBusy, failed, give } = useOrder(onRefused);
  return (
    <Panel title="Before">
      {history.length < 2 && <p>Nothing else was in force before.</p>}
      <ul class="plain">
        {history.slice(0, 10).map(({ hash, how, by, atMs, outcome, why }) => (
          <li key={`${hash} ${atMs}`}>
            {hub.time.full(atMs)}: {hash}, {how} by {plain(by)}, {outcome}
            {why !== undefined && ` (${plain(why)})`}
          </li>
        ))}
      </ul>
      <button
        type="button"
        class="quiet"
        disabled={isBusy || history.length < 2}
        onClick={() => void give(() => ask('/api/v1/rollback', {})).then(again)}
      >
        Roll back to the one before
      </button>
      <Failure>{failed}</Failure>
    </Panel>
  );
}
