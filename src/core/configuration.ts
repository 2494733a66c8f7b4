/** Parts of a configuration that a change can be in. */
export type ConfigurationPart =
  | 'gateway'
  | 'channel'
  | 'device'
  | 'tag'
  | 'computed tag'
  | 'alarm'
  | 'chart'
  | 'machine'
  | 'maintenance'
  | 'station'
  | 'stock'
  | 'uplink'
  | 'notifier'
  | 'store'
  | 'api'
  | 'commands'
  | 'serve'
  | 'fleet';

/** One difference between two configurations. */
export interface ConfigurationChange {
  readonly part: ConfigurationPart;
  /** `line-a`, `press-1/oil-temp`; empty for a section that is there once. */
  readonly name: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** What of it changed: `baud 9600 → 19200`; of what was added or removed how much it is, or nothing. */
  readonly details: readonly string[];
  /** What is interrupted by it, in words; undefined: nothing. */
  readonly effect: string | undefined;
  /** Set when it cannot be done while the gateway runs: why, and what to do. */
  readonly needsRestart: string | undefined;
}

/** The files of a configuration, texts by path from the folder of the main file. */
export type ConfigurationFiles = Readonly<Record<string, string>>;

/** How a configuration came into force. */
type ConfigurationCause = 'start' | 'apply' | 'reload' | 'rollback' | 'install';

/** One configuration that was in force, or that was tried. Times are UTC ms. */
export interface ConfigurationEntry {
  readonly hash: string;
  readonly how: ConfigurationCause;
  /** Who, as told by the command line; nobody checked it. */
  readonly by: string;
  readonly atMs: number;
  /** `installed`: put in place while the gateway was stopped. */
  readonly outcome: 'kept' | 'rolled-back' | 'failed' | 'installed';
  /** Why it was not kept. */
  readonly why?: string | undefined;
  /** How many changes it made, or their words when they are few. */
  readonly changes: readonly string[];
}

/** A device whose readings decide whether a configuration is kept. */
export interface DeviceFlow {
  readonly device: string;
  readonly channel: string;
  /** Whether the configuration is rolled back without it; else it is only told of. */
  readonly required: boolean;
  readonly state: 'waiting' | 'flows' | 'late';
  /** When it is late, ms from the beginning of the apply. */
  readonly deadlineMs: number;
}

/** A configuration that is in force for now, and not kept yet. Times are UTC ms. */
export interface PendingConfiguration {
  readonly hash: string;
  readonly how: ConfigurationCause;
  readonly by: string;
  readonly sinceMs: number;
  /** `data`: good readings are awaited. `confirmation`: they came, and a technician has to confirm. */
  readonly awaits: 'data' | 'confirmation';
  /** Until when it has to be confirmed; undefined: it need not be. */
  readonly confirmByMs?: number | undefined;
  readonly confirmedBy?: string | undefined;
  readonly devices: readonly DeviceFlow[];
  readonly changes: readonly ConfigurationChange[];
}

/** What the gateway says of its configuration. */
export interface ConfigurationStatus {
  readonly file: string;
  readonly hash: string;
  /** Whether the files on the disk are those in force. */
  readonly onDisk: 'same' | 'different' | 'unreadable';
  readonly pending?: PendingConfiguration | undefined;
  /** Newest first. */
  readonly history: readonly ConfigurationEntry[];
}

/** One problem of a file. Lines and columns count from 1. */
export interface ConfigurationProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Dotted path, `devices.press-1.tags.oil-temp.type`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
  readonly severity: 'error' | 'warning';
}

/** What became of an order to apply a text. */
export type ApplyAnswer =
  /** It is in force; whether it is kept shows in the status. */
  | {
      readonly ok: true;
      readonly hash: string;
      readonly changes: readonly ConfigurationChange[];
      readonly warnings: readonly ConfigurationProblem[];
      /** False when nothing had to be changed. */
      readonly pending: boolean;
    }
  /** It is not valid; nothing was changed. */
  | { readonly ok: false; readonly problems: readonly ConfigurationProblem[] };

/** The files of the configuration in force, whole. */
export interface RunningFiles {
  readonly file: string;
  readonly hash: string;
  readonly files: ConfigurationFiles;
}

/**
 * How long a request that checks a file and puts it in force may take, ms: the check alone takes a minute on a slow board at
 * most. Whoever gave up before would not know what is in force.
 */
export const CHANGE_DEADLINE_MS = 120_000;

/** Bounds of the time in which a technician has to confirm, ms. */
export const CONFIRM_MS = { least: 10_000, most: 24 * 3_600_000 } as const;

/** One entry that is put into a file, the rest of which stays as it is, comments too. */
export interface ConfigurationEdit {
  /** Its section, what leads to it there, and its name: `['alarms', 'oil-hot']`, `['devices', 'press-1', 'tags', 'oil']`. */
  readonly path: readonly string[];
  /** What stands there from then on, as JSON. */
  readonly value: unknown;
}

/** What a text would change, and the text itself where an entry was put into it. */
export type CheckedText = ApplyAnswer & { readonly text: string };

/** What an alarm would have done over what is stored. Times are UTC ms. */
export interface AlarmTrial {
  /** Of the first reading that was judged; the beginning of the time asked for where there was none. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Readings that were judged. */
  readonly readings: number;
  /** How often it would have called somebody, and the most within one minute: three are chattering (ISA-18.2). */
  readonly raised: number;
  readonly mostInMinute: number;
  /** How long its condition held, together and at the longest, ms. */
  readonly activeMs: number;
  readonly longestMs: number;
  /** The last times it would have been raised, the newest last. */
  readonly last: readonly number[];
}

/** An order to put a configuration in force. */
export interface ApplyOrder {
  /** The main file, whole. */
  readonly text: string;
  /** A technician has to confirm it within this; undefined: it is kept when data flows. */
  readonly confirmMs?: number | undefined;
  readonly by: string;
}

/** An order to put a signed bundle in force. */
export interface BundleOrder {
  /** The bundle, whole. */
  readonly bundle: string;
  /** The public key that it has to be signed by, 64 hex digits; undefined: the one of the file in force. */
  readonly key?: string | undefined;
  readonly by: string;
}

/** What became of an order to put a signed bundle in force. */
export type BundleAnswer =
  | {
      readonly ok: true;
      readonly number: number;
      readonly hash: string;
      /** `on-trial`: whether it is kept shows in the status. `unchanged`: it is what runs. `known`: it was taken before. */
      readonly outcome: 'on-trial' | 'unchanged' | 'known';
      readonly changes: readonly ConfigurationChange[];
      readonly warnings: readonly ConfigurationProblem[];
    }
  /** It was not put in force, and nothing was changed. */
  | {
      readonly ok: false;
      readonly number: number | undefined;
      readonly why: string;
      readonly remedy: string;
      readonly problems: readonly ConfigurationProblem[];
    };

/** What may be ordered over an uplink, in the words of the wire. */
export const COMMAND_KINDS = ['write', 'ack', 'shelve', 'replay', 'reason'] as const;

/** A kind of command. */
export type CommandKind = (typeof COMMAND_KINDS)[number];

/**
 * What a template of an uplink may name in braces: `all` in every message, `value` in messages of one value, `record` in
 * messages of a whole record.
 */
export const TEMPLATE_WORDS = {
  all: ['gateway', 'location', 'device', 't', 'time', 'seq', 'epoch', 'lane'],
  value: ['tag', 'value', 'unit', 'quality', 'why'],
  record: ['values', 'uncertain', 'bad'],
} as const;

/** A word that stands in braces. */
export const TEMPLATE_WORD = /\{([^{}]*)\}/g;
