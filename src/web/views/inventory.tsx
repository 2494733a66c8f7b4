/** Parts and stocks: the newest records of parts with their verdict, and what is left of every article. */
import { useState } from 'preact/hooks';
import type { StockLevel, StockReport } from '../../core/rules/scanned.ts';
import { type Hub, usePolled } from '../hub.ts';
import { Dialog, Failure, Panel, Table, useOrder } from '../parts.tsx';
import { ask } from '../session.ts';
import { plain } from '../shown.ts';

/** Records of parts that are listed, and how far back they are asked for, ms. */
const MOST_PARTS = 20;
const PARTS_MS = 86_400_000;

/** A record of a part, as its station wrote it, with the corrections put in. */
interface Part {
  readonly t: number;
  readonly corrections: readonly unknown[];
  readonly corrected: Readonly<Record<string, unknown>>;
}

interface ViewProps {
  readonly hub: Hub;
  readonly onRefused: () => void;
}

/** Every stock, and the parts of the last day. */
export function Inventory({ hub, onRefused }: ViewProps) {
  const { data, failed, again } = usePolled<{ readonly inventory: readonly StockReport[] }>('/api/v1/inventory', 5000);
  if (!data) return failed === undefined ? <p>Waiting for the gateway …</p> : <Failure>{failed}</Failure>;
  return (
    <>
      {data.inventory.map((stock) => (
        <Stock key={stock.inventory} {...{ hub, stock, again, onRefused }} />
      ))}
      <Parts hub={hub} />
    </>
  );
}

function Stock({
  hub,
  stock,
  again,
  onRefused,
}: ViewProps & { readonly stock: StockReport; readonly again: () => void }) {
  const [counting, count] = useState<StockLevel>();
  const { inventory, items, unknown, unread } = stock;
  const odd = [
    ...(unknown > 0 ? [`${unknown} scans of codes that the file does not name`] : []),
    ...(unread > 0 ? [`${unread} scans in which nothing was read`] : []),
  ];
  return (
    <Panel title={inventory} note={odd.length === 0 ? undefined : odd.join('; ')}>
      <Table label={`Stock ${inventory}`} head={['Article', 'Level', 'Reorder below', 'In', 'Out', 'Last scan', '']}>
        {items.map((item) => (
          <tr key={item.code}>
            <th scope="row">{plain(item.name ?? item.code)}</th>
            <td>
              {item.reorder ? (
                <strong>
                  {item.level}, <span class="mark">reorder</span>
                </strong>
              ) : (
                item.level
              )}
            </td>
            <td>{item.minimum ?? '–'}</td>
            <td>{item.in}</td>
            <td>{item.out}</td>
            <td>{item.at === null ? 'none yet' : hub.time.full(item.at)}</td>
            <td>
              <button type="button" class="quiet" onClick={() => count(item)}>
                Counted …
              </button>
            </td>
          </tr>
        ))}
      </Table>
      {counting && <Count {...{ inventory, again, onRefused }} item={counting} onClose={() => count(undefined)} />}
    </Panel>
  );
}

interface CountProps {
  readonly inventory: string;
  readonly item: StockLevel;
  readonly again: () => void;
  readonly onRefused: () => void;
  readonly onClose: () => void;
}

/** The level that somebody counted, in place of the one that the scans say. */
function Count({ inventory, item: { code, name, level }, again, onRefused, onClose }: CountProps) {
  const [text, setText] = useState(String(level));
  const { isBusy, failed, give } = useOrder(onRefused);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const path = `/api/v1/inventory/${encodeURIComponent(inventory)}/set`;
    if (!(await give(() => ask(path, { code, level: Number(text) })))) return;
    again();
    onClose();
  };
  return (
    <Dialog title={`${plain(name ?? code)} was counted`} onClose={onClose}>
      <form onSubmit={submit}>
        <p>The journal says by whom, and what the level was before.</p>
        <label>
          Pieces{' '}
          <input
            inputMode="numeric"
            pattern="[0-9]{1,9}"
            required
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>{' '}
        <button type="submit" disabled={isBusy}>
          Set
        </button>
        <Failure>{failed}</Failure>
      </form>
    </Dialog>
  );
}

function Parts({ hub }: { readonly hub: Hub }) {
  const from = Math.floor((hub.nowMs - PARTS_MS) / 60_000) * 60_000;
  const { data, failed } = usePolled<{ readonly parts: readonly Part[] }>(`/api/v1/parts?from=${from}`, 15_000);
  if (!data) return <Failure>{failed}</Failure>;
  const newest = data.parts.slice(-MOST_PARTS).reverse();
  return (
    <Panel
      title="Parts"
      note={newest.length === 0 ? undefined : `The last ${newest.length} of the last day, the newest first.`}
    >
      {newest.length === 0 ? (
        <p>No part was recorded in the last day. Stations stand under parts: in the configuration.</p>
      ) : (
        <Table label="Parts" head={['When', 'Station', 'Serial number', 'Result', 'Job', 'Corrected']}>
          {newest.map(({ t, corrected, corrections }) => (
            <tr key={`${t} ${String(corrected.seq)}`}>
              <td>{hub.time.full(t)}</td>
              <td>{textOf(corrected.station)}</td>
              <th scope="row">{textOf(corrected.serial)}</th>
              <td>{corrected.result === 'fail' ? <strong>fail</strong> : textOf(corrected.result)}</td>
              <td>{textOf(corrected.job)}</td>
              <td>{corrections.length === 0 ? '' : `${corrections.length} times`}</td>
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  );
}

function textOf(value: unknown): string {
  return value === null || value === undefined ? '–' : plain(String(value));
}
