/** Production as the words of the whole program: what is counted of a machine, its shifts, its stops and its report. */
import type { TagId } from '../reading.ts';

/** What a stop is: short ones stay run time (ISO 22400 calls them a loss of speed), the others leave it. */
export type StopKind = 'micro' | 'unplanned' | 'setup' | 'planned';

/** Who gave a stop its reason: a person outranks the tag, and the tag outranks a rule. */
export type CodedBy = 'alarm' | 'tag' | 'person';

/** A reason as the file has it. */
export interface StopReason {
  readonly name: string;
  readonly kind: Exclude<StopKind, 'micro'>;
}

/** A span of local time, minutes from the midnight on which the day begins; beyond 1440 on the next day. */
export interface LocalSpan {
  readonly fromMin: number;
  readonly toMin: number;
}

/** A shift as the file has it. */
export interface ShiftPlan extends LocalSpan {
  readonly name: string;
  /** Days of the week on which it begins: 0 is Sunday. */
  readonly days: readonly number[];
  readonly breaks: readonly LocalSpan[];
}

/** How long the best cycle of a piece takes. */
export type IdealCycle =
  | { readonly by: 'fixed'; readonly ms: number }
  /** A tag says it, in this many ms a unit. */
  | { readonly by: 'tag'; readonly tag: TagId; readonly unitMs: number }
  | { readonly by: 'job'; readonly ms: Readonly<Record<string, number>> }
  /** Nobody said; then there is no performance. */
  | { readonly by: 'nobody' };

/** A counter, and where it starts again from 0; undefined: it does not. */
export interface CounterTag {
  readonly tag: TagId;
  readonly modulus: number | undefined;
}

/** A price of energy and when it holds. */
export interface TariffBand extends LocalSpan {
  /** For a kWh, in the currency of the tariff. */
  readonly price: number;
  /** Days of the week on which it begins: 0 is Sunday. */
  readonly days: readonly number[];
}

/** A meter of energy, with what it costs. */
interface EnergyMeter {
  /** Counts kWh. */
  readonly tag: TagId;
  /** The first that holds is taken, and the last one holds always; empty: the price is not known. */
  readonly tariff: readonly TariffBand[];
  readonly currency: string;
}

/** A machine whose production is counted, checked and complete. */
export interface ProductionConfig {
  readonly id: string;
  readonly count: CounterTag;
  /** Counts the good parts or the rejects; undefined: every part counts as good. */
  readonly second: (CounterTag & { readonly counts: 'good' | 'reject' }) | undefined;
  /** Undefined: the machine runs while it counts. */
  readonly running: TagId | undefined;
  readonly reason: TagId | undefined;
  readonly job: TagId | undefined;
  readonly idealCycle: IdealCycle;
  /** A stop shorter than this is a micro-stop. */
  readonly microStopMs: number;
  /** Most pieces a second that are believed; undefined: two an ideal cycle. */
  readonly maxPerSecond: number | undefined;
  readonly energy: EnergyMeter | undefined;
  /** Parts that are to be made in a second of planned time; undefined: what the ideal cycle makes. */
  readonly targetPerSecond: number | undefined;
  /** IANA time zone of the shifts. */
  readonly timezone: string;
  readonly shifts: readonly ShiftPlan[];
  /** By code. */
  readonly reasons: Readonly<Record<string, StopReason>>;
  /** Codes that alarms give; the first that fits is taken. */
  readonly reasonOf: readonly { readonly alarm: string; readonly code: string }[];
  /** Readings further apart than this leave the time between them without data; undefined: they come by themselves. */
  readonly silenceMs: number | undefined;
}

/** One stop of a report. `ms` is what was counted of it: without breaks, without time that has no data. */
export interface ReportedStop {
  readonly n: number;
  readonly from: number;
  /** Its end, or that of the report where it goes on. */
  readonly to: number;
  readonly ms: number;
  readonly kind: StopKind;
  /** Null: not coded. */
  readonly reason: string | null;
}

/** An hour of a shift, from its beginning on; the last may be shorter, or go on. */
export interface ReportedHour {
  readonly from: number;
  readonly to: number;
  /** Parts that were to be made without its breaks, whole; null: there is neither a target nor an ideal cycle. */
  readonly target: number | null;
  readonly count: number;
  readonly good: number;
}

/**
 * A production report, the same in the API, the commands, events and the page. Times are UTC ms; ratios are 0…1, or null where
 * their divisor is 0; performance is not clamped. ISO 22400-2: availability is APT/PBT, performance PRI·PQ/APT, quality GQ/PQ.
 */
export interface ProductionReport {
  readonly machine: string;
  readonly from: number;
  readonly to: number;
  /** Null of a span that is not one shift. */
  readonly shift: string | null;
  readonly job: string | null;
  readonly plannedMs: number;
  readonly breakMs: number;
  /** Planned − breaks − planned stops. */
  readonly busyMs: number;
  /** Busy − setup − unplanned − without data; micro-stops are part of it. */
  readonly runMs: number;
  readonly setupMs: number;
  readonly unplannedMs: number;
  readonly microStopMs: number;
  readonly microStops: number;
  /** Unplanned time that nobody gave a reason for, and its share of the unplanned time. */
  readonly unknownMs: number;
  readonly unknownShare: number | null;
  readonly noDataMs: number;
  readonly count: number;
  readonly good: number;
  readonly reject: number;
  /** Of several ideal cycles their mean by parts. */
  readonly idealCycleMs: number | null;
  readonly availability: number | null;
  readonly performance: number | null;
  readonly quality: number | null;
  readonly oee: number | null;
  /** Unplanned stops. */
  readonly failures: number;
  readonly mttrMs: number | null;
  readonly mtbfMs: number | null;
  readonly energyKwh: number | null;
  /** Why its figures are to be doubted. */
  readonly uncertain: readonly ProductionDoubt[];
  readonly stops: readonly ReportedStop[];
  /** What the energy cost, in its currency, and how many kWh a good part took; null: not known. */
  readonly energyCost: number | null;
  readonly energyCurrency: string | null;
  readonly kwhPerGood: number | null;
  /** Hour by hour; empty of several shifts. */
  readonly hours: readonly ReportedHour[];
}

/** The closed list of reasons why a report is to be doubted. */
export const PRODUCTION_DOUBTS = {
  'counter-reset': 'a counter went back; what it showed after it was counted',
  'counter-spike':
    'a counter jumped further than the machine can count; the jump was not counted. Was it right, set maxRate, or mend idealCycle',
  'counter-ambiguous': 'a counter may have gone round more than once; the count is a lower bound',
  'counted-while-stopped': 'parts were counted while the machine was said to be stopped',
  'counted-in-break': 'parts were counted during a break',
  'good-above-count': 'more good parts, or more rejects, were counted than parts',
  'performance-above-1': 'the machine is faster than its ideal cycle: idealCycle in the file is too long',
  'ideal-cycle-unknown': 'parts were counted while the ideal cycle was not known; performance leaves them out',
  'energy-over-gap':
    'the energy meter was not read over the beginning of the shift; what it counted before is in the shift',
  'energy-reset': 'the energy meter went back; what it counted meanwhile is missing',
  'clock-stepped': 'the clock was set while the shift ran',
  'stops-left-out': 'the list of stops has the last ones only; the sums have all of them',
} as const;
export type ProductionDoubt = keyof typeof PRODUCTION_DOUBTS;

/** What happened in production. */
export type ProductionChange = 'stopped' | 'started' | 'coded' | 'shift' | 'job';

/** Two spans of production by their rates; `low` and `high` bound the difference with 95 % confidence, null: too few shifts. */
export interface ProductionComparison {
  readonly shifts: number;
  readonly againstShifts: number;
  readonly rates: readonly {
    /** Downtime is the unplanned share of the busy time, rejects the share of all parts. */
    readonly name: 'oee' | 'availability' | 'downtime' | 'rejects';
    readonly value: number | null;
    readonly against: number | null;
    readonly low: number | null;
    readonly high: number | null;
    /** `same`: the difference is no more than chance. */
    readonly verdict: 'better' | 'worse' | 'same' | 'unknown';
  }[];
}
