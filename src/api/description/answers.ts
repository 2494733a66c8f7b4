/**
 * What each route answers, as types. `scripts/api-answers.mjs` makes the schemas of the OpenAPI description of them, with the
 * comments that stand here and where the types are.
 */
import type {
  AlarmTrial,
  ApplyAnswer,
  BundleAnswer,
  CheckedText,
  ConfigurationStatus,
  RunningFiles,
} from '../../core/configuration.ts';
import type { SignedCheckpoint } from '../../core/event.ts';
import type { SeqRange } from '../../core/intervals.ts';
import type { ProductionComparison, ProductionReport } from '../../core/production/production.ts';
import type { MaintenanceReport } from '../../core/rules/maintenance.ts';
import type { StockReport } from '../../core/rules/scanned.ts';
import type { LedgerEntry } from '../../store/store.ts';
import type { PartRecord } from '../../trace/corrections.ts';
import type { LotRun } from '../../trace/genealogy.ts';
import type { ChartAnswer } from '../chart/chart.ts';
import type { JsonHistory, JsonReading, JsonReadings, JsonRollups, JsonTag, JsonValue } from '../json.ts';
import type { CodedReason } from '../production-view.ts';
import type { AlarmsView, AlarmView, ChartView, EventsPage } from '../rules-view.ts';
import type { NewToken, TokenView } from '../tokens/tokens-view.ts';
import type { GatewayStatus, ProbeAnswer } from '../view.ts';

/** Every answer that is not a success: problem details (RFC 9457) with the remedy. */
export interface Problem {
  readonly type: 'about:blank';
  /** The words of the status, as RFC 9457 wants them beside `about:blank`. */
  readonly title: string;
  readonly status: number;
  /** What is wrong and why. */
  readonly detail: string;
  /** What to do about it. */
  readonly remedy: string;
  /** The exit code of a command that ends with it. */
  readonly code: number;
}

/** What became of a write. `refused`: nothing was sent. `unknown`: it is not known whether the device took it. */
type Written =
  /** `readBack` is null where the device gave nothing back. */
  | { readonly ok: true; readonly tag: string; readonly readBack: JsonValue | null }
  | {
      readonly ok: false;
      readonly tag: string;
      readonly kind: 'refused' | 'unknown' | 'mismatch';
      readonly why: string;
    };

/** The answers by the names that routes give them. */
export interface Answers {
  readonly fine: { readonly ok: true };
  readonly status: GatewayStatus;
  readonly tags: readonly JsonTag[];
  readonly history: JsonHistory | JsonRollups;
  readonly chart: ChartAnswer;
  readonly readings: JsonReadings;
  readonly channels: GatewayStatus['channels'];
  readonly uplinks: GatewayStatus['uplinks'];
  readonly replay: { readonly count: number; readonly stored: readonly SeqRange[] };
  readonly store: GatewayStatus['store'];
  readonly ledger: readonly LedgerEntry[];
  readonly read: readonly JsonReading[];
  readonly write: Written;
  readonly probe: ProbeAnswer;
  readonly alarms: AlarmsView;
  readonly alarm: AlarmView;
  readonly events: EventsPage;
  readonly charts: { readonly charts: readonly ChartView[] };
  readonly controlChart: ChartView;
  readonly maintenance: { readonly maintenance: readonly MaintenanceReport[] };
  readonly maintenanceItem: MaintenanceReport;
  readonly checkpoint: SignedCheckpoint;
  readonly parts: { readonly parts: readonly PartRecord[] };
  readonly lots: { readonly lots: readonly LotRun[] };
  /** The number of the record that was put right. */
  readonly correction: { readonly record: number };
  readonly inventory: { readonly inventory: readonly StockReport[] };
  readonly stock: StockReport;
  readonly production: {
    readonly machines: readonly ProductionReport[];
    readonly reasons: Readonly<Record<string, readonly CodedReason[]>>;
  };
  readonly productionReport: ProductionReport;
  readonly shifts: { readonly shifts: readonly ProductionReport[] };
  readonly comparison: ProductionComparison;
  readonly configuration: ConfigurationStatus;
  readonly files: RunningFiles;
  readonly applied: ApplyAnswer;
  readonly bundle: BundleAnswer;
  readonly checked: CheckedText;
  readonly alarmTrial: AlarmTrial;
  /** A JSON schema of draft 2020-12. */
  readonly schema: Readonly<Record<string, unknown>>;
  readonly profiles: { readonly profiles: readonly string[] };
  readonly tokens: { readonly tokens: readonly TokenView[] };
  readonly newToken: NewToken;
  readonly token: TokenView;
  readonly problem: Problem;
}
