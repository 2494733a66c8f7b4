/** Lines: what each channel carries, how full it is, and which device fails how. */
import type { ChannelStatus, DeviceStatus } from '../../api/view.ts';
import type { Hub } from '../hub.ts';
import { Facts, Panel, Table } from '../parts.tsx';
import { percentText, plain, spanText } from '../shown.ts';

function requestsText({ requests, timeouts, garbled, exceptions }: DeviceStatus): string {
  if (requests === undefined) return '–';
  const failed = (timeouts ?? 0) + (garbled ?? 0) + (exceptions ?? 0);
  return `${requests}, ${failed} failed (${percentText(requests === 0 ? 0 : failed / requests)})`;
}

function Line({ hub, channel }: { readonly hub: Hub; readonly channel: ChannelStatus }) {
  const { name, driver, state, reason, sinceMs, devices } = channel;
  return (
    <Panel
      title={name}
      note={`${driver}${channel.simulated ? ', simulated' : ''}: ${state} for ${spanText(hub.nowMs - sinceMs)}`}
    >
      {reason !== undefined && <p class="reason">{plain(reason)}</p>}
      <Facts
        of={[
          ['line in use', percentText(channel.utilisation)],
          ['needed by the periods', percentText(channel.plannedUtilisation)],
          ['scans made', channel.scans],
          ['scans skipped', channel.skipped],
          ['reconnects', channel.reconnects],
          ['bytes nobody asked for', channel.unsolicitedBytes],
        ]}
      />
      <Table
        label={`Devices of ${name}`}
        head={['Device', 'State', 'Tags good', 'Requests', 'Timeouts', 'Garbled', 'Late', 'Answer p95', 'Reason']}
      >
        {devices.map((device) => (
          <tr key={device.name}>
            <th scope="row">
              <a href={`#/tags/${device.name}`}>{device.name}</a>
            </th>
            <td>{device.state}</td>
            <td>
              {device.good} of {Math.max(device.tags, device.good + device.uncertain + device.bad)}
            </td>
            <td>{requestsText(device)}</td>
            <td>{device.timeouts ?? '–'}</td>
            <td>{device.garbled ?? '–'}</td>
            <td>{device.lateReplies ?? '–'}</td>
            <td>{device.responseMsP95 === undefined ? '–' : `${device.responseMsP95.toFixed(0)} ms`}</td>
            <td class="wide">{device.reason === undefined ? '' : plain(device.reason)}</td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
}

/** Every line. */
export function Lines({ hub }: { readonly hub: Hub }) {
  if (!hub.plant.status) return <p>Waiting for the gateway …</p>;
  return (
    <>
      {hub.plant.status.channels.map((channel) => (
        <Line key={channel.name} hub={hub} channel={channel} />
      ))}
    </>
  );
}
