/** What the API needs of the gateway, as types: channels, devices, store, uplinks and status. */

import type {
  AlarmTrial,
  ApplyAnswer,
  ApplyOrder,
  BundleAnswer,
  BundleOrder,
  CheckedText,
  ConfigurationEdit,
  ConfigurationStatus,
  RunningFiles,
} from '../core/configuration.ts';
import type { SignedCheckpoint } from '../core/event.ts';
import type { SeqRange } from '../core/intervals.ts';
import type { Reading, Shown, TagId, Value } from '../core/reading.ts';
import type { ServingStatus } from '../serve/serving.ts';
import type {
  HistoryPage,
  HistoryQuery,
  LedgerEntry,
  RecordPage,
  RecordQuery,
  RollupPage,
  RollupQuery,
  StoreStatus,
  Stream,
} from '../store/store.ts';
import type { NotifierStatus } from '../uplink/notify/notifier.ts';
import type { UplinkStatus } from '../uplink/uplink.ts';
import type { ProductionView } from './production-view.ts';
import type { RulesView } from './rules-view.ts';
import type { TokenOrders } from './tokens/tokens-view.ts';
import type { TraceView } from './trace-view.ts';

/** How many alarms stand how. */
export interface AlarmCounts {
  readonly configured: number;
  /** Those that want somebody: neither normal nor silenced. */
  readonly standing: number;
  readonly unacked: number;
  readonly silenced: number;
  readonly flood: boolean;
}

/** Writes since the start, by how they ended: a mismatch was read back as another value, unknown was not answered. */
export type WriteCounts = Record<'written' | 'refused' | 'unknown' | 'mismatch', number>;

/** A channel at a glance. */
export interface ChannelStatus {
  readonly name: string;
  readonly driver: string;
  readonly simulated: boolean;
  readonly state: 'connected' | 'connecting' | 'waiting' | 'stopped';
  /** Why it is not connected, with the remedy. */
  readonly reason: string | undefined;
  /** UTC ms: since when it is connected, or not. */
  readonly sinceMs: number;
  /** Scans that were due and were made, and those skipped because the line was late; none without a connection. */
  readonly scans: number;
  readonly skipped: number;
  /** Share of time the line was in use, 0…1; undefined where the driver does not measure it. */
  readonly utilisation: number | undefined;
  /** Share of time that the periods of the configuration ask for; above 1 they cannot be kept. */
  readonly plannedUtilisation: number;
  /** Counters of the driver since the start, where it has them. */
  readonly busyMs: number | undefined;
  readonly reconnects: number | undefined;
  /** Bytes that came when none were asked for: another master, noise, late replies. */
  readonly unsolicitedBytes: number | undefined;
  /** Questions that the adapter gave back as if they were answers. */
  readonly echoes: number | undefined;
  readonly devices: readonly DeviceStatus[];
}

/** A device at a glance. */
export interface DeviceStatus {
  readonly name: string;
  readonly state: 'online' | 'degraded' | 'offline' | 'waiting';
  readonly reason: string | undefined;
  /** Since when it does not answer as it should, UTC ms; undefined while it does. */
  readonly sinceMs: number | undefined;
  readonly tags: number;
  readonly good: number;
  readonly uncertain: number;
  readonly bad: number;
  /** Counters of the driver, where it has them. */
  readonly requests: number | undefined;
  readonly timeouts: number | undefined;
  readonly garbled: number | undefined;
  readonly lateReplies: number | undefined;
  readonly exceptions: number | undefined;
  /** Exceptions by Modbus code. */
  readonly exceptionCodes: Readonly<Record<number, number>> | undefined;
  readonly responseMsP50: number | undefined;
  readonly responseMsP95: number | undefined;
  readonly responseMsMax: number | undefined;
  /** The deadline that its answers have now. */
  readonly timeoutMs: number | undefined;
  /** The widest gap of unasked registers that it refused, and the most registers it answered of a request too long for it. */
  readonly refusedGap?: number | undefined;
  readonly mostRegisters?: number | undefined;
  /** Time the line spent on it, answered or not. */
  readonly busyMs: number | undefined;
}

/** Everything `status` tells. Times are UTC ms. */
export interface GatewayStatus {
  readonly gateway: string;
  /** The IANA time zone of the plant. */
  readonly timezone?: string | undefined;
  readonly version: string;
  readonly pid: number;
  readonly config: {
    readonly file: string;
    readonly hash: string;
    /** Whether the files on the disk are those in force; undefined where nobody looks. */
    readonly onDisk?: ConfigurationStatus['onDisk'] | undefined;
    /** Set while the configuration in force is on trial. */
    readonly pending?: ConfigurationStatus['pending'];
  };
  readonly startedMs: number;
  readonly nowMs: number;
  readonly clockKnown: boolean;
  readonly simulated: boolean;
  readonly rssBytes: number;
  /** Readings a second over the last minute. */
  readonly readingsPerSecond: number;
  readonly channels: readonly ChannelStatus[];
  readonly alarms: AlarmCounts;
  readonly writes: Readonly<WriteCounts>;
  /** `trouble` is also set while commits are not answered. */
  readonly store: StoreStatus & { readonly held: HeldStatus };
  readonly uplinks: readonly UplinkStatus[];
  /** Who is told of alarms; absent where nobody is. */
  readonly notifiers?: readonly NotifierStatus[];
  /** Where the API answers beside its socket; the API itself adds it. */
  readonly api?: ApiStatus | undefined;
  /** What is served to other systems; absent where nobody keeps it. */
  readonly serving?: ServingStatus | undefined;
}

/** Where the API answers over TCP; there is none where the configuration wants it nowhere. */
export interface ApiStatus {
  readonly address: string;
  /** Why it does not answer there; it is tried again and again. */
  readonly trouble?: string | undefined;
  /** Undefined: without TLS. */
  readonly certificate: CertificateView | undefined;
}

/** The certificate that the API is served with. */
export interface CertificateView {
  /** Made by this gateway, which also renews it. */
  readonly isSelfSigned: boolean;
  /** SHA-256 of the certificate, as browsers show it: `AB:CD:…`. */
  readonly fingerprint: string;
  /** UTC ms. */
  readonly endsMs: number;
  /** Host names and addresses that it is good for. */
  readonly names: readonly string[];
  /** Where it is on the disk; undefined: nowhere. */
  readonly file: string | undefined;
}

/** What is in memory and not on the disk yet. */
interface HeldStatus {
  readonly records: number;
  readonly events: number;
  /** Dropped since the start because the memory was full. */
  readonly droppedRecords: number;
  readonly droppedEvents: number;
  /** Set while nothing can be written: since when, UTC ms, and how much longer what comes can be held, ms. */
  readonly standstill: { readonly sinceMs: number; readonly lastsMs: number | undefined } | undefined;
}

/** A tag with its last reading. */
export interface TagView extends Shown {
  readonly tag: TagId;
  readonly unit: string | undefined;
  readonly everyMs: number | undefined;
  readonly description: string | undefined;
  /** It is reported at least this often, ms; undefined for one that reports only when it changes. */
  readonly reportMs?: number | undefined;
  /** What counts as normal, and what may be written. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly writable?: { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
  /** Undefined before the first read. */
  readonly last: Reading | undefined;
  /** Readings so far, changes among them. */
  readonly readings: number;
}

/** What became of a write. `refused`: nothing was sent. `unknown`: it is not known whether the device took it. */
export type WriteAnswer =
  | { readonly ok: true; readonly tag: TagId; readonly readBack: Value | undefined }
  | {
      readonly ok: false;
      readonly tag: TagId;
      readonly kind: 'refused' | 'unknown' | 'mismatch';
      readonly why: string;
    };

/** The configuration, and how it is changed while the gateway runs. Orders throw `Fault` when they cannot be carried out. */
export interface ConfigurationView {
  status(): Promise<ConfigurationStatus>;
  running(): RunningFiles;
  /** What a text would change, and what is wrong with it; does nothing. */
  check(text: string, edit?: ConfigurationEdit): Promise<CheckedText>;
  /** What an alarm of a text would have done over the readings that are stored. */
  tryAlarm(text: string, alarm: string, hours: number, signal: AbortSignal): Promise<AlarmTrial>;
  /** Names of the profiles of devices that there are. */
  profiles(): Promise<readonly string[]>;
  /** Answers once the text is in force; whether it is kept shows in the status. */
  apply(order: ApplyOrder): Promise<ApplyAnswer>;
  confirm(by: string): Promise<void>;
  rollback(by: string): Promise<void>;
}

/** What of recording the API serves. */
export interface RecordingView {
  /**
   * Hands the lines of a recording of these channels (none named: all that can be recorded) to `onLine`, the header at
   * once and then each event as it happens; the returned function ends it. Throws `Fault` for a channel that is not
   * there, or that carries no bytes.
   */
  record(channels: readonly string[], onLine: (line: string) => void): () => void;
}

/** A part of a device's memory: registers or bits that one request can read. */
export interface ProbedBlock {
  readonly unit: number;
  readonly table: 'coil' | 'discrete' | 'input' | 'holding';
  /** Zero-based protocol address of the first. */
  readonly start: number;
  readonly count: number;
}

/** What it holds: registers 0…65535, or bits 0 and 1; or why it was not read. */
export type ProbeAnswer =
  | { readonly ok: true; readonly items: readonly number[] }
  | { readonly ok: false; readonly why: string; readonly detail: string };

/** What the API is handed to serve. It knows nothing of how the gateway is made. */
export interface GatewayView extends RulesView, RecordingView, TraceView {
  status(): Promise<GatewayStatus>;
  tags(): readonly TagView[];
  /** Reads tags now, through the channel that is polling them. Throws `Fault` for an unknown tag. */
  readNow(tags: readonly TagId[], signal: AbortSignal): Promise<readonly Reading[]>;
  /**
   * Reads a part of a device's memory that no tag needs to name, through the channel that polls it, between its own
   * requests. Throws `Fault` for an unknown channel, and when the line is not there.
   */
  probe(channel: string, block: ProbedBlock, signal: AbortSignal): Promise<ProbeAnswer>;
  /**
   * Writes a tag, reads it back, and keeps an audit event of it, which names `by`. What the configuration forbids is refused in the
   * result. Throws `Fault` for an unknown tag, and when the line is lost before it is known what became of the write.
   *
   * @param by who writes, for the journal
   */
  write(tag: TagId, value: Value, signal: AbortSignal, by?: string): Promise<WriteAnswer>;
  history(query: HistoryQuery): Promise<HistoryPage>;
  /** Minimum, maximum, mean and counts; see the store. */
  rollups(query: RollupQuery): Promise<RollupPage>;
  /** Whole records, of all devices. */
  records(query: RecordQuery): Promise<RecordPage>;
  /** Ledger entries after `sinceId`, one page of them. */
  ledger(sinceId: number): Promise<readonly LedgerEntry[]>;
  /**
   * Sends a range of numbers (`to` excluded) to an uplink again, as far as it is stored, and keeps an audit event of it.
   * Gives how many were settled and go again, and which of the range are stored (both ends included). Throws `Fault` for
   * an unknown uplink, and for one that has not begun.
   */
  replay(
    uplink: string,
    range: SeqRange & { readonly stream: Stream },
    by: string,
  ): Promise<{ readonly count: number; readonly stored: readonly SeqRange[] }>;
  /** Calls back with every reading as it is made; the returned function ends it. */
  onReadings(listener: (readings: readonly Reading[]) => void): () => void;
  /** Absent where nobody counts production. */
  readonly production?: ProductionView;
  /** Signs the chain of quality records as it is now. Throws `Fault` where there is no key. */
  checkpoint(): Promise<SignedCheckpoint>;
  /** Absent where the configuration cannot be changed. */
  readonly configuration?: ConfigurationView;
  /** Takes signed configurations; absent where the configuration cannot be changed. */
  readonly bundles?: { take(order: BundleOrder): Promise<BundleAnswer> };
  /** The tokens of the API, which the API itself adds. */
  readonly tokens?: TokenOrders;
}
