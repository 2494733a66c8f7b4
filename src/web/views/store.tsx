/** Uplinks with what they still owe, and the store with what was given up. */
import { LOSSES } from '../../core/quality.ts';
import type { Hub } from '../hub.ts';
import { Facts, Panel, Table } from '../parts.tsx';
import { bytesText, percentText, plain, spanText } from '../shown.ts';

/** Every uplink: what waits, and how long it will take; then what tells people of alarms. */
export function Uplinks({ hub }: { readonly hub: Hub }) {
  const { status } = hub.plant;
  if (!status) return <p>Waiting for the gateway …</p>;
  const { notifiers = [] } = status;
  if (status.uplinks.length + notifiers.length === 0)
    return (
      <p>This gateway has no uplink: readings stay in its store. Uplinks stand under uplinks: in the configuration.</p>
    );
  return (
    <>
      {status.uplinks.map((uplink) => {
        const { name, state, reason, note, sinceMs, pendingRecords, pendingEvents, catchUpSeconds } = uplink;
        const remaining = catchUpSeconds === undefined ? '–' : `about ${spanText(catchUpSeconds * 1000)}`;
        return (
          <Panel key={name} title={name} note={`${state} for ${spanText(hub.nowMs - sinceMs)}`}>
            {reason !== undefined && <p class="reason">{plain(reason)}</p>}
            {note !== undefined && <p class="note">{plain(note)}</p>}
            <Facts
              of={[
                ['records waiting', pendingRecords],
                ['events waiting', pendingEvents],
                ['backlog gone in', remaining],
                ['records delivered', uplink.deliveredRecords],
                ['events delivered', uplink.deliveredEvents],
                ['records set aside', uplink.quarantinedRecords],
                ['sessions', uplink.sessions],
              ]}
            />
          </Panel>
        );
      })}
      {notifiers.map(({ name, waiting, sent, reason }) => (
        <Panel key={name} title={name} note="tells people of alarms">
          {reason !== undefined && <p class="reason">{plain(reason)}</p>}
          <Facts
            of={[
              ['alarms that wait to be told', waiting],
              ['messages sent since the start', sent],
            ]}
          />
        </Panel>
      ))}
    </>
  );
}

/** The store and the newest entries of its ledger. */
export function Store({ hub }: { readonly hub: Hub }) {
  const { status } = hub.plant;
  if (!status) return <p>Waiting for the gateway …</p>;
  const { store } = status;
  const spanMs = (store.newestWallMs ?? 0) - (store.oldestWallMs ?? 0);
  return (
    <>
      <Panel title="How full it is">
        {store.trouble !== undefined && <p class="reason">{plain(store.trouble)}</p>}
        <Facts
          of={[
            [
              'size',
              `${bytesText(store.bytes)} of ${bytesText(store.maxBytes)} (${percentText(store.bytes / store.maxBytes)})`,
            ],
            ['holds', spanMs > 0 ? spanText(spanMs) : '–'],
            ['oldest', store.oldestWallMs === undefined ? '–' : hub.time.full(store.oldestWallMs)],
            ['last commit', store.lastCommitMs === undefined ? '–' : `${spanText(hub.nowMs - store.lastCommitMs)} ago`],
            ['next record number', store.next.readings],
            ['next event number', store.next.events],
            ['held in memory', `${store.held.records} records, ${store.held.events} events`],
            ['epoch', store.epoch],
          ]}
        />
      </Panel>
      <Panel title="Was anything lost?">
        {store.losses.length === 0 ? (
          <p>No. Every record that got a number is stored or was delivered.</p>
        ) : (
          <Table label="Losses by cause" head={['Stream', 'Cause', 'Uplink', 'Count']}>
            {store.losses.map(({ stream, cause, uplink, count }) => (
              <tr key={`${stream} ${cause} ${uplink}`}>
                <td>{stream}</td>
                <td>
                  {cause}: {LOSSES[cause]}
                </td>
                <td>{uplink ?? '–'}</td>
                <td>{count}</td>
              </tr>
            ))}
          </Table>
        )}
      </Panel>
      {store.ledger.length > 0 && (
        <Panel title="Ledger" note="The newest entries; GET /api/v1/store/ledger has all of it.">
          <Table label="Ledger" head={['Entered', 'Stream', 'Numbers', 'Taken', 'Count', 'Cause', 'Uplink']}>
            {store.ledger.map(({ id, enteredWallMs, stream, from, to, count, cause, uplink, ...taken }) => (
              <tr key={id}>
                <td>{hub.time.full(enteredWallMs)}</td>
                <td>{stream}</td>
                <td>
                  {from} to {to - 1}
                </td>
                <td>{takenText(hub, taken)}</td>
                <td>{count}</td>
                <td>
                  {cause}: {LOSSES[cause]}
                </td>
                <td>{uplink ?? '–'}</td>
              </tr>
            ))}
          </Table>
        </Panel>
      )}
    </>
  );
}

/** When the records of a range were taken, where that is known. */
function takenText(hub: Hub, { firstWallMs, lastWallMs }: { firstWallMs?: number; lastWallMs?: number }): string {
  if (firstWallMs === undefined) return '–';
  return lastWallMs === undefined || lastWallMs === firstWallMs
    ? hub.time.full(firstWallMs)
    : `${hub.time.full(firstWallMs)} to ${hub.time.full(lastWallMs)}`;
}
