/** Production: the shift as a bar of time, OEE with its unknown share, the losses in minutes and parts, the stops. */
import { useState } from 'preact/hooks';
import type { CodedReason } from '../../api/production-view.ts';
import type { ProductionReport, ReportedStop } from '../../core/production/production.ts';
import { type Hub, usePolled } from '../hub.ts';
import { Dialog, Facts, Failure, Panel, Table, useOrder } from '../parts.tsx';
import { listIn, lossesOf, stopsByReason } from '../report-sums.ts';
import { ask } from '../session.ts';
import { percentText, plain, spanText } from '../shown.ts';

/** Stops that are listed, the newest first. */
const MOST_STOPS = 12;

/** What the route answers. */
interface Answer {
  readonly machines: readonly ProductionReport[];
  readonly reasons?: Readonly<Record<string, readonly CodedReason[]>>;
}

interface MachineProps {
  readonly hub: Hub;
  readonly report: ProductionReport;
  readonly reasons: readonly CodedReason[];
  readonly onRefused: () => void;
  readonly again: () => void;
}

/** Every machine whose production is counted. */
export function Production({ hub, onRefused }: { readonly hub: Hub; readonly onRefused: () => void }) {
  const { data, failed, again } = usePolled<Answer>('/api/v1/production', 5000);
  const reports = listIn<ProductionReport>(data, 'machines');
  if (!reports) return <Failure>{failed ?? 'Waiting for the gateway …'}</Failure>;
  return (
    <>
      {reports.map((report) => (
        <Machine
          key={report.machine}
          hub={hub}
          report={report}
          reasons={data?.reasons?.[report.machine] ?? []}
          onRefused={onRefused}
          again={again}
        />
      ))}
    </>
  );
}

function Machine(props: MachineProps) {
  const { hub, report } = props;
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
      <TimeBar hub={hub} report={report} />
      <Facts
        of={[
          ['availability', percentText(report.availability)],
          ['performance', percentText(report.performance)],
          ['quality', percentText(report.quality)],
          ['mean time to repair', report.mttrMs === null ? '–' : spanText(report.mttrMs)],
          ['mean time between failures', report.mtbfMs === null ? '–' : spanText(report.mtbfMs)],
          ['energy', report.energyKwh == null ? '–' : `${report.energyKwh.toFixed(1)} kWh`],
          [
            'cost of energy',
            report.energyCost == null ? '–' : `${report.energyCost.toFixed(2)} ${report.energyCurrency}`,
          ],
        ]}
      />
      {report.uncertain.length > 0 && <p class="reason">Uncertain: {plain(report.uncertain.join('; '))}</p>}
      <Hours hub={hub} report={report} />
      <Losses report={report} />
      <Stops {...props} />
    </Panel>
  );
}

/** Stops on the bar of the shift; the kinds differ by height, not by colour alone. */
const HEIGHTS: Record<ReportedStop['kind'], number> = { micro: 8, unplanned: 24, setup: 16, planned: 4 };

/** The stops of the shift. What lies between them is filled only where all of it is known to have been running. */
function TimeBar({ hub, report: { from, to, stops, noDataMs } }: Pick<MachineProps, 'hub' | 'report'>) {
  const x = (ms: number): number => ((ms - from) / Math.max(1, to - from)) * 600;
  const rest = noDataMs > 0 ? `not drawn: ${spanText(noDataMs)} without data` : 'grey: running';
  return (
    <>
      <svg
        class="timebar"
        viewBox="0 0 600 24"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${stops.length} stops`}
      >
        <rect class={noDataMs > 0 ? 'partly' : 'run'} x="0" y="0" width="600" height="24" />
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
      <p class="note ends">
        <span>{minuteOf(hub, from)}</span>
        <span>Stops: high unplanned, middle setup, low short or planned; {rest}</span>
        <span>{minuteOf(hub, to)}</span>
      </p>
    </>
  );
}

/** `06:00`. */
function minuteOf({ time }: Hub, ms: number): string {
  return time.clock(ms).slice(0, 5);
}

/** Hour by hour against the target; the hour that runs is the last. */
function Hours({ hub, report: { hours = [] } }: Pick<MachineProps, 'hub' | 'report'>) {
  if (hours.length === 0) return null;
  return (
    <Table label="Hour by hour" head={['Hour from', 'Target', 'Good', 'Behind', 'Rejects']}>
      {hours.map(({ from, target, count, good }) => (
        <tr key={from}>
          <th scope="row">{minuteOf(hub, from)}</th>
          <td>{target ?? '–'}</td>
          <td>{good}</td>
          <td>{target === null ? '–' : Math.max(0, target - good)}</td>
          <td>{count - good}</td>
        </tr>
      ))}
    </Table>
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
            <svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
              <rect width={(ms / most) * 100} height="10" />
            </svg>{' '}
            {percentText(report.busyMs > 0 ? ms / report.busyMs : null)}
          </td>
        </tr>
      ))}
    </Table>
  );
}

function Stops({ hub, report: { machine, stops }, reasons, onRefused, again }: MachineProps) {
  const [coding, code] = useState<number>();
  const sums = stopsByReason(stops).slice(0, 3);
  const stop = stops.find(({ n }) => n === coding);
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
              <td>
                {reason === null ? 'not coded' : plain(reason)}{' '}
                <button type="button" class={`touch ${reason === null ? '' : 'quiet'}`} onClick={() => code(n)}>
                  {reason === null ? 'Give a reason' : 'Change'}
                </button>
              </td>
            </tr>
          ))}
        </Table>
      )}
      {stop && (
        <Coding
          key={stop.n}
          hub={hub}
          machine={machine}
          stop={stop}
          next={stops[stops.indexOf(stop) + 1]}
          reasons={reasons}
          onRefused={onRefused}
          again={again}
          onClose={() => code(undefined)}
        />
      )}
    </>
  );
}

interface CodingProps extends Pick<MachineProps, 'hub' | 'reasons' | 'onRefused' | 'again'> {
  readonly machine: string;
  readonly stop: ReportedStop;
  /** The stop after it, which it can be joined with. */
  readonly next: ReportedStop | undefined;
  readonly onClose: () => void;
}

/** What of a stop a reason is for. */
type Part = 'whole' | 'later' | 'both';

/** The second touch: a reason. A scanner of barcodes types its code into the field and sends it. */
function Coding({ hub, machine, stop, next, reasons, onRefused, again, onClose }: CodingProps) {
  const [text, setText] = useState('');
  const [part, choose] = useState<Part>('whole');
  const [fromMs, begin] = useState(Math.round((stop.from + stop.to) / 2));
  const { isBusy, failed, give } = useOrder(onRefused);
  const send = async (code: string): Promise<void> => {
    const path = `/api/v1/production/${encodeURIComponent(machine)}/reason`;
    const of = part === 'later' ? { from: fromMs } : part === 'both' && next ? { join: next.n } : {};
    if (!(await give(() => ask(path, { code, stop: stop.n, ...of })))) return;
    again();
    onClose();
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    if (text.trim() !== '') void send(text.trim());
  };
  const { clock } = hub.time;
  const parts: readonly (readonly [Part, string])[] = [
    ['whole', 'All of it'],
    ...(stop.to - stop.from >= 2000 ? [['later', 'Only its end …'] as const] : []),
    ...(next ? [['both', `With no. ${next.n}, of ${clock(next.from)}`] as const] : []),
  ];
  return (
    <Dialog title={`Why did ${machine} stop? (no. ${stop.n})`} onClose={onClose}>
      <p class="note">
        {clock(stop.from)} to {clock(stop.to)}, {spanText(stop.ms)}
      </p>
      <fieldset class="choices" aria-label="What the reason is for">
        {parts.map(([which, words]) => (
          <button type="button" key={which} aria-pressed={part === which} onClick={() => choose(which)}>
            {words}
          </button>
        ))}
      </fieldset>
      {part === 'later' && (
        <label class="split">
          From {clock(fromMs)} on; what was before keeps its reason
          <input
            type="range"
            min={stop.from + 1000}
            max={stop.to - 1000}
            step={1000}
            value={fromMs}
            onInput={(event) => begin(Number(event.currentTarget.value))}
          />
        </label>
      )}
      <p class="orders">
        {reasons.map(({ code, name }) => (
          <button type="button" class="touch" key={code} disabled={isBusy} onClick={() => void send(code)}>
            {plain(name)}
          </button>
        ))}
      </p>
      <form onSubmit={submit}>
        <label>
          Code, typed or scanned{' '}
          <input value={text} maxLength={64} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
      </form>
      <Failure>{failed}</Failure>
    </Dialog>
  );
}
