/** Words the events of maintenance: what was found, on what evidence, what else it can be, and what clears it. */
import type { EventBody } from '../../core/event.ts';
import { formatDuration } from '../../core/quantity.ts';
import { numberText } from '../../core/reading.ts';
import type { LimitMaintenance, MaintenanceReport, UsageMaintenance, Zone } from '../../core/rules/maintenance.ts';
import { EDITION } from './zones.ts';

type MaintenanceEvent = Extract<EventBody, { kind: 'maintenance' }>;
type Change = MaintenanceEvent['change'];

/** Who says that the work was done. */
interface Asked {
  readonly by: string;
  readonly comment?: string | undefined;
}

/** An event with the figures of the report; the kind of the item is `what`, as `kind` is that of the event. */
function eventOf(
  change: Change,
  { id, kind, ...figures }: MaintenanceReport,
  message: string,
  details: Readonly<Record<string, unknown>>,
): MaintenanceEvent {
  return { kind: 'maintenance', id, change, what: kind, ...figures, message: `${id}: ${message}`, ...details };
}

/** An interval of use that ends, or has ended. */
export function usageEvent(
  { id, kind, tag, isSwitch, everyMs }: UsageMaintenance,
  change: 'due' | 'overdue',
  report: MaintenanceReport,
): MaintenanceEvent {
  const used = useText(kind, isSwitch, report.used!);
  const every = useText(kind, isSwitch, report.every!);
  const missed =
    kind === 'runtime' && everyMs !== undefined
      ? 'time without readings was not counted, so that it may have run longer'
      : 'a counter that was reset or changed by hand counts from there';
  return eventOf(change, report, `${change}, after ${used} of ${every}`, {
    evidence: `${used} counted from ${report.samples} readings of ${tag} since the work was done last`,
    otherCauses: `${tag} is on without the machine working; ${missed}`,
    clears: `millgate maintenance done ${id}, once the work is done`,
  });
}

/** A condition whose limit is near, or reached. */
export function limitEvent(
  config: LimitMaintenance,
  change: 'due' | 'overdue' | 'trend',
  report: MaintenanceReport,
  nowMs: number,
): MaintenanceEvent {
  const unit = config.unit === undefined ? '' : ` ${config.unit}`;
  const { value, limit } = report;
  const reached = `the limit of ${numberText(limit!)}${unit} is reached: ${numberText(value!)}${unit}`;
  const ahead = report.reachesAt === null ? goneText(report) : aheadText(report, unit, nowMs);
  return eventOf(change, report, change === 'overdue' ? reached : ahead, {
    evidence: evidenceText(config, report, unit),
    otherCauses: `load, speed or temperature of the machine changed${config.while ? '' : ' (while: compares at equal load only)'}, or the sensor came loose, was cleaned or replaced`,
    clears: `millgate maintenance done ${config.id}, once the work is done: the trend then begins anew; before that, means that no longer go towards the limit`,
  });
}

/** A step from one zone of ISO 10816-3 to another. */
export function zoneEvent(
  config: LimitMaintenance,
  before: Zone | null,
  report: MaintenanceReport,
  boundaries: readonly number[],
): MaintenanceEvent {
  const { group, mount } = config.zones!;
  const from = before === null ? '' : ` from zone ${before}`;
  const zone = `zone ${report.zone}${from}, at ${numberText(report.value!)} ${config.unit ?? 'mm/s'}`;
  return eventOf('zone', report, `${zone} (${EDITION}, group ${group}, ${mount})`, {
    before,
    edition: EDITION,
    boundaries,
    evidence: `the mean of ${formatDuration(config.perMs)}; boundaries A/B ${boundaries[0]}, B/C ${boundaries[1]}, C/D ${boundaries[2]} mm/s RMS`,
    otherCauses:
      'another speed or load, a loose mount, resonance; the zones hold for velocity in mm/s RMS, 10 Hz to 1 kHz',
    clears: 'means a tenth below the boundary',
  });
}

/** Work that was done: the figures are those from before it. */
export function doneEvent(
  { id }: { readonly id: string },
  report: MaintenanceReport,
  { by, comment }: Asked,
  details: Readonly<Record<string, unknown>> = {},
): MaintenanceEvent {
  const note = comment === undefined ? '' : `: ${comment}`;
  const given = comment === undefined ? {} : { comment };
  return eventOf('done', { ...report, id }, `done, says ${by}${note}; it begins anew`, { by, ...given, ...details });
}

function aheadText({ limit, reachesAt, earliest, latest }: MaintenanceReport, unit: string, nowMs: number): string {
  const [likely, soonest, last] = [reachesAt!, earliest!, latest!].map((ms) => formatDuration(Math.max(0, ms - nowMs)));
  return `it reaches its limit of ${numberText(limit!)}${unit} in ${likely} (${soonest} to ${last}) if it goes on so`;
}

function goneText({ why }: MaintenanceReport): string {
  return `it no longer goes towards its limit: ${why ?? 'the slope has changed'}`;
}

function evidenceText({ perMs, trendMs }: LimitMaintenance, report: MaintenanceReport, unit: string): string {
  const { samples, slopePerDay, slopeLow, slopeHigh } = report;
  const means = `${samples} means of ${formatDuration(perMs)} within ${formatDuration(trendMs)}`;
  if (slopePerDay === null) return means;
  const [slope, low, high] = [slopePerDay, slopeLow!, slopeHigh!].map((each) => Number(each.toPrecision(3)));
  return `${means}: slope ${slope}${unit} a day (95 %: ${low} to ${high}; Theil–Sen)`;
}

/** What was used, for a person. */
function useText(kind: UsageMaintenance['kind'], isSwitch: boolean, used: number): string {
  if (kind === 'runtime')
    return used < 3_600_000 ? formatDuration(used) : `${numberText(Math.round(used / 360_000) / 10)} h`;
  return `${numberText(used)} ${isSwitch ? 'starts' : 'cycles'}`;
}
