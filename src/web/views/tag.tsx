/** One tag: its value, its history with honest gaps, and a write where the file allows it. */
import { useState } from 'preact/hooks';
import type { ChartAnswer } from '../../api/chart/chart.ts';
import type { JsonTag } from '../../api/json.ts';
import type { EventsPage } from '../../api/rules-view.ts';
import { type Hub, usePolled } from '../hub.ts';
import { Bar, Facts, Failure, Panel, Reading, useOrder } from '../parts.tsx';
import { ask } from '../session.ts';
import { plain, spanText } from '../shown.ts';
import { TagChart } from '../tag-chart.tsx';

const MINUTE = 60_000;

/** How far back a chart may go. */
const RANGES: readonly (readonly [string, number])[] = [
  ['15 min', 15 * MINUTE],
  ['1 h', 60 * MINUTE],
  ['8 h', 8 * 60 * MINUTE],
  ['1 d', 24 * 60 * MINUTE],
  ['7 d', 7 * 24 * 60 * MINUTE],
  ['30 d', 30 * 24 * 60 * MINUTE],
];

/** Gaps that are listed in words below a chart, the newest first. */
const MOST_GAPS = 8;

/** A tag by its full name. */
export function Tag({ hub, name, onRefused }: { hub: Hub; name: string; onRefused: () => void }) {
  const tag = hub.tags.find((one) => one.tag === name);
  if (!tag) return <p>{hub.tags.length === 0 ? 'Waiting for the gateway …' : `There is no tag ${plain(name)}.`}</p>;
  return (
    <>
      <Panel title="Now" note={tag.description === undefined ? undefined : plain(tag.description)}>
        <Reading hub={hub} tag={tag} isLarge />
        <Bar hub={hub} tag={tag} />
        <Facts
          of={[
            ['read every', tag.everyMs === undefined ? 'when it changes' : spanText(tag.everyMs)],
            ['normal', tag.min === undefined && tag.max === undefined ? '–' : `${tag.min ?? '…'} to ${tag.max ?? '…'}`],
            ['readings', tag.readings],
          ]}
        />
      </Panel>
      <History hub={hub} tag={tag} />
      {tag.writable && <Write tag={tag} onRefused={onRefused} />}
    </>
  );
}

function History({ hub, tag }: { readonly hub: Hub; readonly tag: JsonTag }) {
  const [rangeMs, setRange] = useState(15 * MINUTE);
  const stepMs = Math.max(2000, rangeMs / 600);
  // The end moves in steps, so that the question stays the same in between.
  const toMs = Math.ceil(hub.nowMs / stepMs) * stepMs;
  const path = `/api/v1/tags/${tag.tag}/chart?from=${Math.round(toMs - rangeMs)}&to=${Math.round(toMs)}&columns=600`;
  const [last, keep] = useState<ChartAnswer>();
  const { data, failed } = usePolled<ChartAnswer>(hub.plant.status ? path : undefined, 3_600_000);
  if (data && data !== last) keep(data);
  const answer = data ?? (last?.tag === tag.tag ? last : undefined);
  const from = Math.floor((hub.nowMs - rangeMs) / 60_000) * 60_000;
  const { data: journal } = usePolled<EventsPage>(`/api/v1/events?from=${from}&limit=1000`, 60_000);
  const marks = (journal?.events ?? [])
    .filter((event) => event.kind === 'alarm' && event.change === 'raised' && event.tag === tag.tag)
    .map(({ t, message }) => ({ t, words: String(message) }));
  return (
    <Panel title="History">
      <fieldset class="choices" aria-label="How far back">
        {RANGES.map(([words, ms]) => (
          <button type="button" key={ms} aria-pressed={ms === rangeMs} onClick={() => setRange(ms)}>
            {words}
          </button>
        ))}
      </fieldset>
      <div class="chart-place">
        {answer && (
          <TagChart answer={answer} tag={tag} time={hub.time} marks={marks} zone={hub.plant.status?.timezone} />
        )}
      </div>
      <Failure>{failed}</Failure>
      {answer && <Remarks hub={hub} answer={answer} />}
      {answer && <Gaps hub={hub} answer={answer} />}
    </Panel>
  );
}

/** What is marked in the chart, in words, for who does not see it. */
function Remarks({ hub, answer: { marks } }: { readonly hub: Hub; readonly answer: ChartAnswer }) {
  if (marks.length === 0) return null;
  return (
    <ul class="plain">
      {marks.slice(-MOST_GAPS).map(({ from, to, mark, words }) => (
        <li key={`${mark} ${from}`}>
          {hub.time.full(from)} to {hub.time.full(to)}: {words}
        </li>
      ))}
    </ul>
  );
}

function Gaps({ hub, answer: { gaps } }: { readonly hub: Hub; readonly answer: ChartAnswer }) {
  if (gaps.length === 0) return <p class="note">No gaps in this time.</p>;
  return (
    <>
      <h3>
        {gaps.length} {gaps.length === 1 ? 'gap' : 'gaps'}
      </h3>
      <ul class="plain">
        {gaps
          .slice(-MOST_GAPS)
          .reverse()
          .map(({ from, to, why, words }) => (
            <li key={from}>
              {hub.time.full(from)} for {spanText(to - from)}: {words} ({why})
            </li>
          ))}
      </ul>
    </>
  );
}

/** What the API answers to a write. */
interface Written {
  readonly ok: boolean;
  readonly why?: string;
  readonly readBack?: unknown;
}

function Write({ tag, onRefused }: { readonly tag: JsonTag; readonly onRefused: () => void }) {
  const [text, setText] = useState('');
  const [said, say] = useState('');
  const { isBusy, failed, give } = useOrder(onRefused);
  const { min, max } = tag.writable ?? {};
  const isSwitch = typeof tag.last?.value === 'boolean';
  const write = (value: number | boolean): Promise<boolean> =>
    give(async () => {
      say('');
      const answer = await ask<Written>('/api/v1/write', { tag: tag.tag, value });
      if (!answer.ok) throw new Error(answer.why ?? 'The write was refused.');
      say(`Written; the device holds ${String(answer.readBack)}.`);
    });
  const submit = (event: Event): void => {
    event.preventDefault();
    if (text.trim() !== '' && Number.isFinite(Number(text))) void write(Number(text));
    else say('Write a number.');
  };
  return (
    <Panel title="Write" note={`Allowed: ${min ?? '…'} to ${max ?? '…'} ${tag.unit ?? ''}`}>
      {isSwitch ? (
        <p class="orders">
          <button type="button" disabled={isBusy} onClick={() => write(true)}>
            Switch on
          </button>
          <button type="button" disabled={isBusy} onClick={() => write(false)}>
            Switch off
          </button>
        </p>
      ) : (
        <form class="orders" onSubmit={submit}>
          <label>
            New value <input inputMode="decimal" value={text} onInput={(event) => setText(event.currentTarget.value)} />
          </label>
          <button type="submit" disabled={isBusy}>
            Write
          </button>
        </form>
      )}
      <p role="status">{said}</p>
      <Failure>{failed}</Failure>
    </Panel>
  );
}
