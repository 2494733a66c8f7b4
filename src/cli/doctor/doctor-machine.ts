/** Looks at the clock, the power, the memory, the disk and the service of this machine. */
import { statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DiskFacts, MachineFacts, ServiceFacts } from '../../doctor/facts.ts';
import { groupName } from './doctor-processes.ts';
import { type Machine, propertiesOf } from './read-machine.ts';

/** Bits that the firmware of a Raspberry Pi gives, in hexadecimal. */
const THROTTLED = '/sys/devices/platform/soc/soc:firmware/get_throttled';

/** Clock, power and memory of this machine. */
export async function gatherMachine(machine: Machine): Promise<MachineFacts> {
  const [clock, throttled] = await Promise.all([clockOf(machine), throttledOf(machine)]);
  const memory = machine.text('/proc/meminfo') ?? '';
  const bytesOf = (label: string): number | undefined => {
    const kilobytes = new RegExp(`^${label}:\\s+(\\d+) kB$`, 'm').exec(memory)?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  };
  return { ...clock, throttled, memoryBytes: bytesOf('MemTotal'), availableMemoryBytes: bytesOf('MemAvailable') };
}

type ClockFacts = Pick<MachineFacts, 'isClockSynchronized' | 'isTimeServiceOn' | 'timezone'>;

async function clockOf(machine: Machine): Promise<ClockFacts> {
  const answer = await machine.ask('timedatectl', ['show', '--property=NTP,NTPSynchronized,Timezone']);
  const told = propertiesOf(answer ?? '');
  const yes = (key: string): boolean | undefined => (told.has(key) ? told.get(key) === 'yes' : undefined);
  const isSet = machine.stat('/run/systemd/timesync/synchronized') !== undefined;
  return {
    isClockSynchronized: yes('NTPSynchronized') ?? (isSet ? true : undefined),
    isTimeServiceOn: yes('NTP'),
    timezone: told.get('Timezone') || /\/zoneinfo\/(.+)$/.exec(machine.real('/etc/localtime') ?? '')?.[1],
  };
}

async function throttledOf(machine: Machine): Promise<number | undefined> {
  const text =
    machine.text(THROTTLED) ??
    (machine.stat('/usr/bin/vcgencmd') && (await machine.ask('vcgencmd', ['get_throttled'])));
  const digits = /([0-9a-fA-F]+)\s*$/.exec(text ?? '')?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

const SERVICE_PROPERTIES = [
  'LoadState',
  'ActiveState',
  'UnitFileState',
  'NRestarts',
  'Result',
  'Type',
  'WatchdogUSec',
  'User',
  'SupplementaryGroups',
  'ReadWritePaths',
];

/** What systemd says of the service, with its user and the groups its unit adds; undefined where there is no systemd. */
export async function gatherService(
  machine: Machine,
): Promise<(ServiceFacts & { readonly user: string; readonly addedGroups: readonly string[] }) | undefined> {
  const answer = await machine.ask('systemctl', [
    'show',
    'millgate.service',
    `--property=${SERVICE_PROPERTIES.join(',')}`,
  ]);
  if (answer === undefined) return undefined;
  const told = propertiesOf(answer);
  const watchdog = told.get('WatchdogUSec') ?? '0';
  return {
    isInstalled: told.get('LoadState') === 'loaded',
    isActive: told.get('ActiveState') === 'active',
    isEnabled: /^(enabled|static|generated|linked)/.test(told.get('UnitFileState') ?? ''),
    type: told.get('Type'),
    restarts: Number(told.get('NRestarts') ?? 0) || 0,
    result: told.get('Result'),
    hasWatchdog: watchdog !== '0' && watchdog !== 'infinity',
    // A dash before a path: it need not be there.
    writable: (told.get('ReadWritePaths') ?? '').split(' ').flatMap((path) => path.replace(/^[-+]+/, '') || []),
    user: told.get('User') || 'root',
    addedGroups: (told.get('SupplementaryGroups') ?? '').split(' '),
  };
}

/** The part of {@link DiskFacts} that the file system gives. */
type FileSystemFacts = Pick<
  DiskFacts,
  | 'isThere'
  | 'freeBytes'
  | 'totalBytes'
  | 'freeInodes'
  | 'totalInodes'
  | 'isReadOnly'
  | 'mountPoint'
  | 'device'
  | 'access'
>;

/** The file system that a folder is on, or will be on once it is made. */
export async function gatherDisk(machine: Machine, folder: string): Promise<FileSystemFacts> {
  let present = folder;
  while (machine.stat(present) === undefined && present !== dirname(present)) present = dirname(present);
  const mount = mountOf(machine, machine.real(present) ?? present);
  const stat = machine.stat(folder);
  const free = await statfs(join(machine.root, present)).catch(() => undefined);
  return {
    isThere: stat !== undefined,
    freeBytes: free && free.bavail * free.bsize,
    totalBytes: free && free.blocks * free.bsize,
    freeInodes: free?.ffree,
    totalInodes: free?.files,
    isReadOnly: mount?.options.split(',').includes('ro') ?? false,
    mountPoint: mount?.point,
    device: mount?.device,
    access: stat && { uid: stat.uid, gid: stat.gid, group: groupName(machine, stat.gid), mode: stat.mode },
  };
}

/** The last mount of the longest path that the folder is below. */
function mountOf(machine: Machine, folder: string): { device: string; point: string; options: string } | undefined {
  return (machine.text('/proc/self/mounts') ?? '')
    .split('\n')
    .map((line) => line.split(' '))
    .filter((fields) => fields.length >= 4)
    .map(([device, point, , options]) => ({
      device: device!,
      point: point!.replaceAll('\\040', ' '),
      options: options!,
    }))
    .filter(({ point }) => point === '/' || folder === point || folder.startsWith(`${point}/`))
    .reduce<ReturnType<typeof mountOf>>(
      (best, each) => (each.point.length >= (best?.point.length ?? 0) ? each : best),
      undefined,
    );
}
