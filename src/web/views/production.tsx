/** Production: the shift as a bar of time, OEE with its unknown share, the losses in minutes and parts, the stops. */
import type { ProductionReport, ReportedStop } from '../../core/production.ts';
import { type Hub, usePolled } from '../hub.ts';
import { Facts, Failure, Panel, Table } from '../parts.tsx';
import { listIn, lossesOf, stopsByReason } from '../report-sums.ts';
import { percentText, plain, spanText } from '../shown.ts';

/** Stops that are listed, the newest first. */
const MOST_STOPS = 12;

/** Every machine whose production is counted. */
export function Production({ hub }: { readonly hub: Hub }) {
  const { data, failed } = usePolled<unknown>('/api/v1/production', 5000);
  const reports = listIn<ProductionReport>(data, 'machines');
  if (!reports) return <Failure>{failed ?? 'Waiting for the gateway …'}</Failure>;
  return (
    <>
      {reports.map((report) => (
        <Machine key={report.machine} hub={hub} report={report} />
      ))}
    </>
  );
}

function Machine({ hub, report }: { readonly hub: Hub; readonly report: ProductionReport }) {
  const { machine, shift, job, count, good, reject, oee, unknownShare } = report;
  const note = [
    shift ? `shift ${shift}` : undefined,
    job == null ? undefined : `job ${job}`,
    `since ${hub.time.full(report.from)}`,
  ];
  return (
    <Panel title={machine} note={plain(note.filter((part) => part !== undefined).join(', '))}>
      <p class="figures">
        <span>
          <strong>{percentText(oee)}</strong> OEE
        </span>
        <span>
          <strong>{percentText(unknownShare)}</strong> of the stop time has no reason
        </span>
        <span>
          <strong>{good}</strong> good of {count}, {reject} rejected
        </span>
      </p>
      <TimeBar report={report} />
      <Facts
        of={[
          ['availability', percentText(report.availability)],
          ['performance', percentText(report.performance)],
          ['quality', percentText(report.quality)],
          ['mean time to repair', report.mttrMs === null ? '–' : spanText(report.mttrMs)],
          ['mean time between failures', report.mtbfMs === null ? '–' : spanText(report.mtbfMs)],
          ['energy', report.energyKwh == null ? '–' : `${report.energyKwh.toFixed(1)} kWh`],
        ]}
      />
      {report.uncertain.length > 0 && <p class="reason">Uncertain: {plain(report.uncertain.join('; '))}</p>}
      <Losses report={report} />
      <Stops hub={hub} report={report} />
    </Panel>
  );
}

/** Stops on the bar of the shift; the kinds differ by height, not by colour alone. */
const HEIGHTS: Record<ReportedStop['kind'], number> = { micro: 8, unplanned: 24, setup: 16, planned: 4 };

function TimeBar({ report: { from, to, stops } }: { readonly report: ProductionReport }) {
  const x = (ms: number): number => ((ms - from) / Math.max(1, to - from)) * 600;
  return (
    <svg
      class="timebar"
      viewBox="0 0 600 24"
      preserveAspectRatio="none"
      role="img"
      aria-label={`${stops.length} stops`}
    >
      <rect class="run" x="0" y="0" width="600" height="24" />
      {stops.map(({ n, from: start, to: end, kind }) => (
        <rect
          key={n}
          class={`stop-${kind}`}
          x={x(start)}
          y={24 - HEIGHTS[kind]}
          width={Math.max(1, x(end) - x(start))}
          height={HEIGHTS[kind]}
        />
      ))}
    </svg>
  );
}

function Losses({ report }: { readonly report: ProductionReport }) {
  const losses = lossesOf(report);
  if (losses.length === 0) return null;
  const most = losses[0]!.ms;
  return (
    <Table label="Losses" head={['Loss', 'Time', 'Parts', 'Share of busy time']}>
      {losses.map(({ name, ms, parts }) => (
        <tr key={name}>
          <th scope="row">{name}</th>
          <td>{spanText(ms)}</td>
          <td>{parts ?? '–'}</td>
          <td>
            <meter min={0} max={most} value={ms}>
              {percentText(ms / report.busyMs)}
            </meter>{' '}
            {percentText(report.busyMs > 0 ? ms / report.busyMs : null)}
          </td>
        </tr>
      ))}
    </Table>
  );
}

function Stops({ hub, report: { stops } }: { readonly hub: Hub; readonly report: ProductionReport }) {
  const sums = stopsByReason(stops).slice(0, 3);
  const listed = stops.filter(({ kind }) => kind !== 'micro').slice(-MOST_STOPS);
  return (
    <>
      {sums.length > 0 && (
        <p class="note">
          Most time lost:{' '}
          {plain(sums.map(({ reason, ms, times }) => `${reason} ${spanText(ms)} in ${times}`).join('; '))}
        </p>
      )}
      {listed.length > 0 && (
        <Table label="Stops" head={['No.', 'From', 'For', 'Kind', 'Reason']}>
          {listed.reverse().map(({ n, from, ms, kind, reason }) => (
            <tr key={n}>
              <td>{n}</td>
              <td>{hub.time.clock(from)}</td>
              <td>{spanText(ms)}</td>
              <td>{kind}</td>
              <td>{reason === null ? 'not coded' : plain(String(reason))}</td>
            </tr>
          ))}
        </Table>
      )}
    </>
  );
}
