/** What `doctor` judges, as types: everything that was gathered of machine, gateway and broker. */
import type { ChannelPlace, Station } from '../../hal/driver-type.ts';
import type { JsonTag } from '../api/json.ts';
import type { ChannelStatus, GatewayStatus } from '../api/view.ts';
import type { LedgerEntry, StoreStatus } from '../store/store.ts';
import type { CertificateFinding } from '../uplink/mqtt-tls.ts';

/** Somebody who opens files. */
export interface User {
  readonly name: string;
  readonly uid: number;
  /** Numbers of all groups, the first one included. */
  readonly groups: readonly number[];
  /** Whose rights these are: of the running gateway, of the service that would run, or of who asks. */
  readonly as: 'gateway' | 'service' | 'caller';
}

/** A process by its number and command line. */
export interface Process {
  readonly pid: number;
  readonly command: string;
}

/** A device file, as far as it could be seen. */
export interface DeviceFile {
  /** As the configuration names it. */
  readonly path: string;
  /** The file behind the links; undefined when there is none. */
  readonly real: string | undefined;
  /** Owner, group and permission bits; undefined when the file is not there. */
  readonly access:
    | { readonly uid: number; readonly gid: number; readonly group: string | undefined; readonly mode: number }
    | undefined;
  /** Who has it open, among the processes that may be seen. */
  readonly holders: readonly Process[];
  /** Its lasting name under /dev/serial/by-id. */
  readonly byId: string | undefined;
  /** Whether udev tells ModemManager to leave it alone; undefined where that cannot be read. */
  readonly isIgnoredByModemManager: boolean | undefined;
}

/** The device files there are to choose from. */
export interface Devices {
  readonly serialPorts: readonly string[];
  readonly i2cBuses: readonly string[];
  readonly gpioChips: readonly DeviceFile[];
  readonly hasGpioSysfs: boolean;
  /** Programs that open serial ports by themselves and run now: `ModemManager`, `brltty`. */
  readonly grabbers: readonly Process[];
}

/** A device of the configuration. */
interface DeviceFacts {
  readonly name: string;
  readonly station: Station | undefined;
}

/** One channel: what the file says, what the machine shows, and what the gateway counted. */
export interface ChannelFacts {
  readonly name: string;
  readonly driver: string;
  readonly place: ChannelPlace | undefined;
  /** The file of a serial port or an I²C bus. */
  readonly file: DeviceFile | undefined;
  /** Of a TCP endpoint, asked only while no gateway uses it: what connecting said; undefined: not asked. */
  readonly reach: { readonly ok: boolean; readonly detail: string } | undefined;
  readonly devices: readonly DeviceFacts[];
  readonly status: ChannelStatus | undefined;
  /** The requests of a scan that take longest, for a line that is asked for too much. */
  readonly slowest: readonly { readonly text: string; readonly lineMs: number; readonly tags: readonly string[] }[];
  readonly advice: string | undefined;
}

/** What the gateway said, twice: counters between the two are those of the present. */
export interface RunningFacts {
  readonly status: GatewayStatus;
  /** An earlier answer; undefined when it was asked once. */
  readonly before: GatewayStatus | undefined;
  /** Counters are judged from the start of the gateway, or over the watched time. */
  readonly isWatched: boolean;
  readonly tags: readonly JsonTag[];
  /** Address of each tag in words, by the file. */
  readonly addresses: ReadonlyMap<string, string>;
  readonly ledger: readonly LedgerEntry[];
}

/** The configuration and whether it is the one that runs. */
export interface ConfigurationFacts {
  readonly file: string;
  readonly isThere: boolean;
  readonly isValid: boolean;
  readonly errors: number;
  readonly firstError: string | undefined;
  readonly warnings: readonly string[];
  readonly hash: string | undefined;
  readonly timezone: string | undefined;
  /** Files of secrets that any user may read. */
  readonly openSecrets: readonly string[];
}

/** The store's folder and its file system. */
export interface DiskFacts {
  readonly path: string;
  readonly maxBytes: number;
  readonly isThere: boolean;
  /** Free for users that are not root, bytes; undefined when it cannot be asked. */
  readonly freeBytes: number | undefined;
  readonly totalBytes: number | undefined;
  readonly freeInodes: number | undefined;
  readonly totalInodes: number | undefined;
  readonly isReadOnly: boolean;
  readonly mountPoint: string | undefined;
  /** Device the file system is on, such as /dev/mmcblk0p2. */
  readonly device: string | undefined;
  readonly access: DeviceFile['access'];
  /** Forecast: bytes handed to the disk a day, and days of outage that fit. */
  readonly writtenBytesPerDay: number;
  readonly outageDays: number | undefined;
  readonly commitEveryMs: number;
  /** The store of a stopped gateway. */
  readonly status: Pick<StoreStatus, 'bytes' | 'accounts' | 'losses'> | undefined;
  readonly ledger: readonly LedgerEntry[];
  /** What is wrong with the store of a stopped gateway, as `cause. Remedy.` */
  readonly trouble: string | undefined;
  /** Why it could not be looked at, which is no fault of its own. */
  readonly unseen: string | undefined;
}

/** The machine. Undefined: cannot be told here. */
export interface MachineFacts {
  readonly isClockSynchronized: boolean | undefined;
  /** Whether a time service is switched on. */
  readonly isTimeServiceOn: boolean | undefined;
  readonly timezone: string | undefined;
  /** Bits of the Raspberry Pi's `get_throttled`. */
  readonly throttled: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly availableMemoryBytes: number | undefined;
}

/** What systemd says of the service. */
export interface ServiceFacts {
  readonly isInstalled: boolean;
  readonly isActive: boolean;
  readonly isEnabled: boolean;
  readonly type: string | undefined;
  readonly restarts: number;
  readonly result: string | undefined;
  readonly hasWatchdog: boolean;
  /** Folders below which the service may write beside /var/lib/millgate, by its unit and all drop-ins. */
  readonly writable: readonly string[];
}

/** What asking a broker gave. */
export interface BrokerFacts {
  readonly uplink: string;
  readonly address: string;
  /** How far it was asked: only whether it answers, or by signing in. */
  readonly asked: 'connection' | 'login' | 'nothing';
  /** `cause. Remedy.` of what went wrong; undefined when all went well. */
  readonly trouble: string | undefined;
  /** Of certificate files and of the broker's own certificate. */
  readonly certificates: readonly CertificateFinding[];
}

/** Everything that was gathered. */
export interface Facts {
  readonly nowMs: number;
  /** How this program is called. */
  readonly invocation: string;
  readonly version: string;
  readonly user: User;
  readonly configuration: ConfigurationFacts;
  readonly running: RunningFacts | undefined;
  /** Why no gateway answers; undefined when one does. */
  readonly silence: { readonly cause: string; readonly isForbidden: boolean } | undefined;
  /** Other processes that run a gateway. */
  readonly otherGateways: readonly Process[];
  readonly channels: readonly ChannelFacts[];
  readonly devices: Devices;
  readonly disk: DiskFacts | undefined;
  readonly machine: MachineFacts;
  readonly service: ServiceFacts | undefined;
  readonly brokers: readonly BrokerFacts[];
}
