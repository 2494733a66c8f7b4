/** Maintenance: what is due first, with its trend as a range of time, or the words "no trend". */
import { useState } from 'preact/hooks';
import type { MaintenanceReport } from '../../core/rules/maintenance.ts';
import { type Hub, usePolled } from '../hub.ts';
import { Dialog, Failure, Panel, Table, useOrder } from '../parts.tsx';
import { listIn } from '../report-sums.ts';
import { ask } from '../session.ts';
import { numberText, plain, spanText } from '../shown.ts';

/** Every item of maintenance, the most urgent first. */
export function Maintenance({ hub, onRefused }: { readonly hub: Hub; readonly onRefused: () => void }) {
  const { data, failed, again } = usePolled<unknown>('/api/v1/maintenance', 10_000);
  const [done, ask] = useState<string>();
  const items = listIn<MaintenanceReport>(data, 'maintenance');
  if (!items) return <Failure>{failed ?? 'Waiting for the gateway …'}</Failure>;
  const rank = { overdue: 0, due: 1, ok: 2 };
  const sorted = [...items].sort(
    (one, other) => rank[one.state] - rank[other.state] || (one.dueAt ?? Infinity) - (other.dueAt ?? Infinity),
  );
  return (
    <Panel title="The most urgent first">
      <Table label="Maintenance" head={['What', 'State', 'Now', 'Limit or interval', 'Due', '']}>
        {sorted.map((item) => (
          <tr key={item.id}>
            <th scope="row">{item.id}</th>
            <td>{item.state === 'ok' ? 'ok' : <strong>{item.state}</strong>}</td>
            <td>
              {amount(item, item.value ?? item.used)}
              {item.zone ? `, zone ${item.zone}` : ''}
            </td>
            <td>{amount(item, item.limit ?? item.every)}</td>
            <td class="wide">{dueText(hub, item)}</td>
            <td>
              <button type="button" class="quiet" onClick={() => ask(item.id)}>
                Done …
              </button>
            </td>
          </tr>
        ))}
      </Table>
      {done !== undefined && <Done id={done} onRefused={onRefused} onClose={() => ask(undefined)} again={again} />}
    </Panel>
  );
}

/** A figure of an item: of running time as a span, else as a number. */
function amount({ kind }: MaintenanceReport, value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  return kind === 'runtime' ? spanText(value) : numberText(value);
}

function dueText({ time, nowMs }: Hub, { kind, dueAt, earliest, latest, why }: MaintenanceReport): string {
  const day = (ms: number): string => time.full(ms).slice(0, 10);
  if (earliest != null && latest != null) return `between ${day(earliest)} and ${day(latest)}`;
  if (earliest != null) return `not before ${day(earliest)}`;
  if (dueAt != null) return dueAt > nowMs ? `${day(dueAt)}, in ${spanText(dueAt - nowMs)}` : `since ${day(dueAt)}`;
  return kind === 'limit' ? `no trend${why ? `: ${plain(why)}` : ''}` : plain(why ?? '–');
}

interface DoneProps {
  readonly id: string;
  readonly onRefused: () => void;
  readonly onClose: () => void;
  readonly again: () => void;
}

function Done({ id, onRefused, onClose, again }: DoneProps) {
  const [comment, setComment] = useState('');
  const { isBusy, failed, give } = useOrder(onRefused);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const said = comment === '' ? {} : { comment };
    if (!(await give(() => ask(`/api/v1/maintenance/${encodeURIComponent(id)}/done`, said)))) return;
    again();
    onClose();
  };
  return (
    <Dialog title={`${id} was done`} onClose={onClose}>
      <form onSubmit={submit}>
        <p>Its interval or trend begins anew, and the journal says by whom.</p>
        <label>
          Remark <input maxLength={500} value={comment} onInput={(event) => setComment(event.currentTarget.value)} />
        </label>{' '}
        <button type="submit" disabled={isBusy}>
          Done
        </button>
        <Failure>{failed}</Failure>
      </form>
    </Dialog>
  );
}
