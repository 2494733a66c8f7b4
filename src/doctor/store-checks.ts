/** Judges the disk, what was lost, and how long an outage may last. */
import { LOSSES } from '../core/quality.ts';
import { formatDuration, formatSize } from '../core/quantity.ts';
import type { LedgerEntry, LossCause } from '../store/store.ts';
import type { DiskFacts, Facts, RunningFacts, ServiceFacts, User } from './facts.ts';
import { causeAndRemedy, type Found, listed } from './finding.ts';
import { mayUse } from './ports.ts';

const DAY_MS = 86_400_000;

/** Fewer free inodes than this and the store cannot make its files. */
const FEW_INODES = 200;

/** Less free than this and the store begins to give readings up, bytes. */
const LITTLE_SPACE = 50_000_000;

/** An outage shorter than this is what a weekend is. */
const SHORT_OUTAGE_DAYS = 3;

/** Flash of an SD card is worn by more than this a day, bytes: a card of 32 GB for ten years at a write amplification of 3. */
const MUCH_WRITTEN = 2_000_000_000;

/** What to do about each loss. */
const LOSS_REMEDIES: Record<LossCause, string> = {
  evicted: 'Mend the uplink, or raise store.maxSize; millgate status shows both',
  quarantined:
    "See what it refuses: journalctl -u millgate -g quarantine; check the broker's access list and its largest message",
  corrupt: 'Check the disk: sudo dmesg | grep -iE "error|mmc|ata" | tail -20; replace a worn card',
  'memory-full': 'Find out what slows the disk: iostat -x 5, or a worn card',
  unsealed: 'Bring an uplink back that takes events, or raise store.maxSize; docs/traceability.md says what stays',
  skipped:
    'Nothing is to be done for these; check the disk that lost them: sudo dmesg | grep -iE "error|mmc|ata" | tail -20',
};

/** Where the unit lets the service write its store by itself. */
const SERVICE_STORE = '/var/lib/millgate';

/** The drop-in that opens another folder to the service. */
export const STORE_DROP_IN = '/etc/systemd/system/millgate.service.d/store.conf';

/** The folders that the unit closes; a folder in one of them is opened only by taking it off this list. */
const CLOSED = ['/boot', '/media', '/mnt', '/srv'];

/** Whether the sandbox of the service keeps it from a store in this folder. */
export function isClosedToService(path: string, service: ServiceFacts | undefined): boolean {
  if (!service?.isInstalled) return false;
  return ![SERVICE_STORE, ...service.writable].some((folder) => path === folder || path.startsWith(`${folder}/`));
}

/** The text of {@link STORE_DROP_IN} for a store in this folder. */
export function storeDropIn(path: string): string {
  const closed = CLOSED.filter((folder) => path !== folder && !path.startsWith(`${folder}/`));
  return [
    `# ${STORE_DROP_IN}`,
    `# The store is in ${path}, where the unit lets nothing write. After a change: systemctl daemon-reload; systemctl restart millgate`,
    '[Unit]',
    `RequiresMountsFor=${path}`,
    '[Service]',
    `ReadWritePaths=${path}`,
    ...(/^\/(home|root)\//.test(path) ? ['ProtectHome=no'] : []),
    ...(closed.length === CLOSED.length
      ? []
      : [
          '# The list of the unit without the folder that the store is in.',
          'InaccessiblePaths=',
          `InaccessiblePaths=${[...closed, '/sys/kernel/debug', '/sys/kernel/tracing'].map((folder) => `-${folder}`).join(' ')}`,
        ]),
    '',
  ].join('\n');
}

/** A store that the sandbox of the service keeps it from. Pure. */
export function sandboxFindings({ disk, service }: Facts): Found[] {
  if (!disk || !isClosedToService(disk.path, service)) return [];
  return [
    found(
      'broken',
      'store',
      `the service may not write to ${disk.path}: its unit opens ${SERVICE_STORE} only`,
      `sudo millgate doctor --fix (it writes ${STORE_DROP_IN}); then: sudo systemctl daemon-reload; sudo systemctl restart millgate`,
    ),
  ];
}

/** The disk under the store, what is lost, and what an outage may last. Pure. */
export function storeFindings(
  disk: DiskFacts | undefined,
  running: RunningFacts | undefined,
  user: User,
  nowMs: number,
): Found[] {
  const ledger = running?.ledger ?? disk?.ledger ?? [];
  return [
    ...(disk ? diskFindings(disk, running, user) : []),
    ...troubleFindings(disk, running),
    ...lossFindings(ledger, nowMs),
    ...accountFindings(disk, running),
  ];
}

function found(severity: Found['severity'], where: string, cause: string, remedy: string): Found {
  return { severity, step: 'disk', where, cause, remedy };
}

function diskFindings(disk: DiskFacts, running: RunningFacts | undefined, user: User): Found[] {
  const { path, mountPoint = '/', freeBytes, freeInodes, totalInodes } = disk;
  const findings: Found[] = [];
  if (disk.isReadOnly)
    findings.push(
      found(
        'broken',
        'store',
        `${mountPoint}, where ${path} is, is mounted read-only`,
        `sudo mount -o remount,rw ${mountPoint}; if that fails the disk is damaged: sudo dmesg | tail -20`,
      ),
    );
  else if (disk.isThere && disk.access && !mayUse(user, disk.access))
    findings.push(
      found(
        'broken',
        'store',
        `${path} may not be written by user ${user.name}`,
        `sudo chown -R ${user.name}: ${path}`,
      ),
    );
  if (totalInodes !== undefined && totalInodes > 0 && freeInodes !== undefined && freeInodes < FEW_INODES)
    findings.push(
      found(
        'broken',
        'store',
        `${mountPoint} has ${freeInodes} of ${totalInodes} inodes left`,
        `Find the folders with most files and empty them: sudo du --inodes -x ${mountPoint} | sort -n | tail`,
      ),
    );
  if (freeBytes !== undefined) findings.push(...spaceFindings(disk, freeBytes, running));
  return [...findings, ...wearFindings(disk)];
}

function spaceFindings(disk: DiskFacts, freeBytes: number, running: RunningFacts | undefined): Found[] {
  const { path, maxBytes, mountPoint = '/' } = disk;
  const empty = `Make room: sudo du -xh ${mountPoint} | sort -h | tail -20`;
  if (freeBytes < LITTLE_SPACE)
    return [found('broken', 'store', `${formatSize(freeBytes)} are free on ${mountPoint}, where ${path} is`, empty)];
  const bytes = running?.status.store.bytes ?? disk.status?.bytes ?? 0;
  const missing = maxBytes - bytes - freeBytes;
  if (missing <= 0) return [];
  const fits = Math.floor((bytes + freeBytes * 0.8) / 10_000_000) * 10_000_000;
  return [
    found(
      'warning',
      'store',
      `the store may grow to ${formatSize(maxBytes)}, but has ${formatSize(bytes)} and ${formatSize(freeBytes)} are free`,
      fits > 0 ? `Write store: {maxSize: ${formatSize(fits).replace(' ', '')}}, or make room on ${mountPoint}` : empty,
    ),
  ];
}

function wearFindings({ device, writtenBytesPerDay, outageDays, maxBytes, commitEveryMs }: DiskFacts): Found[] {
  const findings: Found[] = [];
  if (outageDays !== undefined && outageDays < SHORT_OUTAGE_DAYS)
    findings.push(
      found(
        'hint',
        'store',
        `an outage of the uplink may last about ${Number((outageDays * 24).toPrecision(2))} hours before the oldest readings go`,
        `Write store: {maxSize: ${formatSize(maxBytes * Math.ceil(SHORT_OUTAGE_DAYS / outageDays)).replace(' ', '')}}, or give tags a deadband or a longer period`,
      ),
    );
  if (/mmcblk/.test(device ?? '') && writtenBytesPerDay > MUCH_WRITTEN && commitEveryMs < 10_000)
    findings.push(
      found(
        'hint',
        'store',
        `about ${formatSize(writtenBytesPerDay)} a day are written to the card ${device}, with a commit each ${formatDuration(commitEveryMs)}`,
        'Write store: {commitEvery: 10s}; a power cut then costs up to 10 s of readings; or put the store on an SSD',
      ),
    );
  return findings;
}

function troubleFindings(disk: DiskFacts | undefined, running: RunningFacts | undefined): Found[] {
  const trouble = running?.status.store.trouble;
  if (trouble !== undefined)
    return [
      found(
        'broken',
        'store',
        `commits fail: ${trouble}`,
        'Readings are held in memory meanwhile: see to the disk now; sudo dmesg | tail -20',
      ),
    ];
  if (disk?.trouble === undefined) return [];
  const { cause, remedy } = causeAndRemedy(disk.trouble, `See who holds it: sudo fuser -v ${disk.path}/*`);
  return [found('broken', 'store', cause, remedy)];
}

/** Losses of the last day, by cause; older ones are history, which the ledger keeps. */
function lossFindings(ledger: readonly LedgerEntry[], nowMs: number): Found[] {
  const sums = new Map<string, { entry: LedgerEntry; count: number }>();
  for (const entry of ledger) {
    if (nowMs - entry.enteredWallMs > DAY_MS) continue;
    const key = `${entry.stream} ${entry.cause} ${entry.uplink ?? ''}`;
    sums.set(key, { entry, count: entry.count + (sums.get(key)?.count ?? 0) });
  }
  return [...sums.values()].map(({ entry: { stream, cause, uplink }, count }) => {
    const [what, remedy] = [LOSSES[cause], LOSS_REMEDIES[cause]];
    const by = uplink === undefined ? '' : ` (uplink ${uplink})`;
    const noun = stream === 'readings' ? 'records' : 'events';
    return found('warning', 'store', `${count} ${noun} of the last 24 hours are lost: ${what}${by}`, remedy);
  });
}

function accountFindings(disk: DiskFacts | undefined, running: RunningFacts | undefined): Found[] {
  const accounts = running?.status.store.accounts ?? disk?.status?.accounts ?? [];
  const wrong = accounts.filter(({ unexplained }) => unexplained.length > 0);
  if (wrong.length === 0) return [];
  const ranges = wrong.flatMap(({ stream, unexplained }) =>
    unexplained.map(({ from, to }) => `${stream} ${from}–${to - 1}`),
  );
  return [
    running
      ? found(
          'broken',
          'store',
          `numbers cannot be accounted for: ${listed(ranges)}`,
          'Report this with the output of: millgate support',
        )
      : found(
          'warning',
          'store',
          `numbers cannot be read: ${listed(ranges)}`,
          'Start the gateway: it saves what can be saved and enters the rest in the ledger',
        ),
  ];
}
