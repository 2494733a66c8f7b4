/** The small parts that every view is made of: values with age and quality, marks of alarms, tables, dialogs. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JsonTag } from '../api/json.ts';
import type { AlarmView } from '../api/rules-view.ts';
import { sparkPieces } from './chart-data.ts';
import type { Hub } from './hub.ts';
import { isUnacked, stands, worthOf } from './plant-state.ts';
import { RefusedRequest } from './session.ts';
import { ageText, plain, valueText } from './shown.ts';

/** Shape and number of each priority, so that colour is never the only sign (ISA-18.2, ISA-101). */
const MARKS: Record<AlarmView['priority'], string> = { critical: '▲1', high: '◆2', medium: '■3', low: '●4' };

/** The mark of an alarm. It has a colour while the alarm stands, and flashes while nobody has acknowledged it. */
export function Mark({ alarm }: { readonly alarm: AlarmView }) {
  const color = stands(alarm) ? ` mark-${alarm.priority}` : '';
  return (
    <span class={`mark${color}${isUnacked(alarm) ? ' is-new' : ''}`}>
      <span aria-hidden="true">{MARKS[alarm.priority]}</span> {alarm.priority}
    </span>
  );
}

/** The last reading of a tag: its value, or why there is none; never without its age. */
export function Reading({
  hub,
  tag,
  isLarge,
}: {
  readonly hub: Hub;
  readonly tag: JsonTag;
  readonly isLarge?: boolean;
}) {
  const reading = hub.plant.readings.get(tag.tag);
  const ageMs = reading ? hub.nowMs - reading.t : 0;
  const worth = worthOf(reading, ageMs, tag.reportMs);
  const value = reading?.value;
  const why = reading?.why ?? (worth === 'old' ? 'old' : undefined);
  return (
    <span class={`reading is-${worth}${isLarge ? ' is-large' : ''}`} data-t={reading?.t}>
      <span class="value">{value === undefined ? '—' : valueText(value, tag)}</span>
      {value !== undefined && tag.unit !== undefined && <span class="unit"> {plain(tag.unit)}</span>}
      <span class="age">{reading ? ageText(ageMs) : 'not read yet'}</span>
      {why !== undefined && (
        <span class="why">
          {worth === 'bad' ? 'bad' : worth === 'old' ? 'not renewed' : 'uncertain'}
          {worth === 'old' ? '' : `: ${why}`}
        </span>
      )}
    </span>
  );
}

/** An analogue value as a bar with its normal band; nothing for a tag without `min` and `max`. */
export function Bar({ hub, tag }: { readonly hub: Hub; readonly tag: JsonTag }) {
  const { min, max } = tag;
  const value = hub.plant.readings.get(tag.tag)?.value;
  if (min === undefined || max === undefined || max <= min || typeof value !== 'number') return null;
  const place = (number: number): number => Math.min(100, Math.max(0, ((number - min) / (max - min)) * 80 + 10));
  return (
    <svg class="bar" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">
      <rect class="bar-all" x="0" y="3" width="100" height="6" />
      <rect class="bar-normal" x="10" y="3" width="80" height="6" />
      <rect class="bar-value" x={place(value) - 1} y="0" width="2" height="12" />
    </svg>
  );
}

/** The last minute or so of a value, with its gaps. */
export function Spark({ hub, tag }: { readonly hub: Hub; readonly tag: string }) {
  const pieces = sparkPieces(hub.plant.recent.get(tag) ?? []);
  return (
    <svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">
      {pieces.map((points) => (
        <polyline points={points} />
      ))}
    </svg>
  );
}

/** A titled part of a view. */
export function Panel({
  title,
  children,
  note,
}: {
  title: string;
  children: ComponentChildren;
  note?: string | undefined;
}) {
  return (
    <section class="panel">
      <h2>{title}</h2>
      {note !== undefined && <p class="note">{note}</p>}
      {children}
    </section>
  );
}

interface TableProps {
  readonly label: string;
  readonly head: readonly string[];
  readonly children: ComponentChildren;
  /** A class of its own, where the look depends on it. */
  readonly kind?: string;
}

/** A table. Where the window is narrow each row is a block, and each cell stands behind the title of its column. */
export function Table({ label, head, children, kind = 'stacked' }: TableProps) {
  const ref = useRef<HTMLElement>(null);
  useEffect(() => {
    for (const row of ref.current!.querySelectorAll('tbody tr'))
      for (const [at, cell] of [...row.children].entries()) cell.setAttribute('data-title', head[at] ?? '');
  });
  return (
    <section ref={ref} class={`scroll ${kind}`} aria-label={label}>
      <table>
        <thead>
          <tr>
            {head.map((title) => (
              <th scope="col">{title}</th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}

/** Names and values, one a line. */
export function Facts({ of }: { readonly of: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {of.map(([name, value]) => (
        <div>
          <dt>{name}</dt>
          <dd>{value ?? '–'}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A window over the page that Escape closes. */
export function Dialog({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => ref.current?.showModal(), []);
  return (
    <dialog ref={ref} onClose={onClose} aria-label={title}>
      <h2>{title}</h2>
      {children}
      <button type="button" class="quiet" onClick={() => ref.current?.close()}>
        Cancel
      </button>
    </dialog>
  );
}

/** An order that is being given: what failed of it, and whether it is under way. */
export function useOrder(onRefused: () => void): {
  readonly isBusy: boolean;
  readonly failed: string | undefined;
  readonly give: (order: () => Promise<unknown>) => Promise<boolean>;
} {
  const [isBusy, busy] = useState(false);
  const [failed, fail] = useState<string>();
  const give = async (order: () => Promise<unknown>): Promise<boolean> => {
    busy(true);
    fail(undefined);
    try {
      await order();
      return true;
    } catch (error) {
      fail((error as Error).message);
      if (error instanceof RefusedRequest && error.status === 401) onRefused();
      return false;
    } finally {
      busy(false);
    }
  };
  return { isBusy, failed, give };
}

/** What was refused, read out by a screen reader as it appears. */
export function Failure({ children }: { readonly children: string | undefined }) {
  return (
    <p class="failure" role="alert" hidden={children === undefined}>
      {children}
    </p>
  );
}
