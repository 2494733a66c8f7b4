/** Judges the file, the running gateway and the machine. */
import { formatSize } from '../core/quantity.ts';
import type { ConfigurationFacts, Facts, MachineFacts, RunningFacts, ServiceFacts } from './facts.ts';
import { type Found, listed } from './finding.ts';

/** More memory than a gateway of 1,000 tags is to need, bytes. */
const MUCH_MEMORY = 150_000_000;

/** A machine with less than this left starts to kill processes, bytes. */
const LITTLE_MEMORY = 50_000_000;

/** Bits of the Raspberry Pi firmware's `get_throttled`: now, and since the start. */
const UNDER_VOLTAGE_NOW = 1 << 0;
const UNDER_VOLTAGE_BEFORE = 1 << 16;
const THROTTLED_NOW = 1 << 2;
const HOT_NOW = 1 << 3;

/** The file: whether it can be used, and whether it is what runs. Pure. */
export function configurationFindings(configuration: ConfigurationFacts, running: RunningFacts | undefined): Found[] {
  const { file, isThere, isValid, errors, firstError, warnings, hash, openSecrets } = configuration;
  const common = { step: 'configuration', where: file } as const;
  if (!isThere)
    return [
      {
        ...common,
        severity: running ? 'warning' : 'broken',
        ...(running
          ? {
              cause: `the file is gone; the gateway runs on with configuration ${running.status.config.hash}, but would not start again`,
              remedy: 'Put the file back. What runs is also kept in the folder configurations of the store',
            }
          : {
              cause: 'there is no such file',
              remedy: 'Check the path; another file is named by --config FILE. To write a new one: millgate init',
            }),
      },
    ];
  if (!isValid)
    return [
      {
        ...common,
        severity: 'broken',
        cause: `${errors} ${errors === 1 ? 'problem' : 'problems'}: ${firstError ?? ''}`,
        remedy: `millgate check ${file}`,
      },
    ];
  const open = openSecrets.map(
    (path): Found => ({
      ...common,
      severity: 'warning',
      where: path,
      cause: 'any user of this machine may read this secret',
      remedy: `sudo chmod o-rwx ${path}`,
    }),
  );
  const hints = [
    ...open,
    ...warnings.map((cause): Found => ({ ...common, severity: 'hint', cause, remedy: `millgate check ${file}` })),
  ];
  if (!running || running.status.config.hash === hash) return hints;
  const { pending } = running.status.config;
  if (pending) return [...trialFindings(running, pending, common), ...hints];
  const isSameFile = running.status.config.file === file;
  return [
    {
      ...common,
      severity: 'warning',
      cause: isSameFile
        ? `the file is ${hash}, but what runs is ${running.status.config.hash}: it was changed and not applied`
        : `the gateway runs another file, ${running.status.config.file}`,
      remedy: isSameFile
        ? `See what changed, and take it over: millgate diff ${file}; millgate apply ${file}`
        : `Name that one: millgate doctor --config ${running.status.config.file}`,
    },
    ...hints,
  ];
}

function trialFindings(
  { status }: RunningFacts,
  { confirmByMs, confirmedBy }: NonNullable<RunningFacts['status']['config']['pending']>,
  common: Pick<Found, 'step' | 'where'>,
): Found[] {
  const waitsForPerson = confirmByMs !== undefined && confirmedBy === undefined;
  const until = confirmByMs === undefined ? '' : ` until ${new Date(confirmByMs).toISOString()}`;
  return [
    {
      ...common,
      severity: 'hint',
      cause: waitsForPerson
        ? `configuration ${status.config.hash} is on trial${until}, and is taken back then unless it is confirmed`
        : `configuration ${status.config.hash} is on trial${until}`,
      remedy: `${waitsForPerson ? 'To keep it: millgate confirm. ' : ''}To end the trial now: millgate rollback`,
    },
  ];
}

/** Whether a gateway answers, whether another one is in its way, and whether both programs are of one version. Pure. */
export function instanceFindings({ running, silence, otherGateways, version, service, channels }: Facts): Found[] {
  const findings: Found[] = [];
  const common = { step: 'instance', where: 'gateway' } as const;
  if (silence?.isForbidden)
    findings.push({
      ...common,
      severity: 'broken',
      cause: silence.cause,
      remedy: 'sudo usermod -aG millgate $USER, then log in again',
    });
  if (service?.isInstalled && service.isActive && !running && silence && !silence.isForbidden)
    findings.push({
      ...common,
      severity: 'broken',
      cause: 'the service runs, but no gateway answers on its socket',
      remedy: 'See its log: journalctl -u millgate -n 50; then: sudo systemctl restart millgate',
    });
  if (running && running.status.version !== version)
    findings.push({
      ...common,
      severity: 'warning',
      cause: `the gateway is version ${running.status.version}, this program ${version}`,
      remedy: 'sudo systemctl restart millgate',
    });
  if (running?.status.simulated && channels.some(({ driver }) => driver !== 'mock'))
    findings.push({
      ...common,
      severity: 'warning',
      cause: 'the gateway runs with --simulate: every value is made up',
      remedy: 'End it, and start it without --simulate: sudo systemctl restart millgate',
    });
  if (otherGateways.length > 0 && (running || channels.length > 0))
    findings.push({
      ...common,
      severity: 'hint',
      cause: `${running ? 'another gateway runs, too' : 'a gateway runs that does not answer here'}: ${listed(otherGateways.map(({ pid, command }) => `process ${pid}, ${command}`))}`,
      remedy: running
        ? 'Two gateways must share no port, store and client id; end one that is not meant'
        : 'Ask it with the --config it was started with, or end it',
    });
  return findings;
}

/** The clock, the power, the memory. Pure. */
export function machineFindings(
  machine: MachineFacts,
  running: RunningFacts | undefined,
  configuration: ConfigurationFacts,
): Found[] {
  return [
    ...powerFindings(machine),
    ...clockFindings(machine, running, configuration),
    ...memoryFindings(machine, running),
  ];
}

function powerFindings({ throttled }: MachineFacts): Found[] {
  if (throttled === undefined) return [];
  const common = { step: 'power', where: 'power' } as const;
  const findings: Found[] = [];
  if (throttled & UNDER_VOLTAGE_NOW)
    findings.push({
      ...common,
      severity: 'broken',
      cause: 'the supply is below 4.63 V now: cards are damaged and adapters vanish at that',
      remedy: "Use the board's own power supply and a short, thick cable; give USB devices a hub with its own power",
    });
  else if (throttled & UNDER_VOLTAGE_BEFORE)
    findings.push({
      ...common,
      severity: 'warning',
      cause: 'the supply was below 4.63 V at some time since the board started',
      remedy:
        "Use the board's own power supply and a short, thick cable; see when it was: sudo dmesg | grep -i voltage",
    });
  // Too little voltage throttles, too, and is told of already.
  if (throttled & HOT_NOW || (throttled & THROTTLED_NOW && !(throttled & UNDER_VOLTAGE_NOW)))
    findings.push({
      ...common,
      severity: 'warning',
      cause: 'the processor is slowed down now, most likely because of heat',
      remedy: 'Give it air or a heat sink: vcgencmd measure_temp should stay below 80',
    });
  return findings;
}

function clockFindings(
  { isClockSynchronized, isTimeServiceOn, timezone }: MachineFacts,
  running: RunningFacts | undefined,
  configuration: ConfigurationFacts,
): Found[] {
  const common = { step: 'clock', where: 'clock' } as const;
  const findings: Found[] = [];
  if (running && !running.status.clockKnown)
    findings.push({
      ...common,
      severity: 'broken',
      cause: 'the clock is not set; readings are marked unsynced, and publishing waits for it up to a minute',
      remedy:
        'Name a time server that can be reached: NTP= in /etc/systemd/timesyncd.conf, then: sudo timedatectl set-ntp true',
    });
  else if (isTimeServiceOn === false)
    findings.push({
      ...common,
      severity: 'warning',
      cause: 'no time service is on, so the clock drifts',
      remedy: 'sudo timedatectl set-ntp true (or install chrony: sudo apt install chrony)',
    });
  else if (isClockSynchronized === false)
    findings.push({
      ...common,
      severity: 'warning',
      cause: 'the time service has not set the clock yet: no time server answered',
      remedy:
        'See whom it asks: timedatectl timesync-status; name a server that can be reached: NTP= in /etc/systemd/timesyncd.conf',
    });
  if (timezone !== undefined && configuration.timezone !== undefined && timezone !== configuration.timezone)
    findings.push({
      ...common,
      severity: 'hint',
      cause: `the file says ${configuration.timezone}, the machine ${timezone}: its logs show other hours than reports`,
      remedy: `sudo timedatectl set-timezone ${configuration.timezone}`,
    });
  return findings;
}

function memoryFindings(
  { availableMemoryBytes, memoryBytes }: MachineFacts,
  running: RunningFacts | undefined,
): Found[] {
  const findings: Found[] = [];
  const rssBytes = running?.status.rssBytes ?? 0;
  if (rssBytes > MUCH_MEMORY)
    findings.push({
      severity: 'warning',
      step: 'service',
      where: 'gateway',
      cause: `the gateway uses ${formatSize(rssBytes)} of memory; up to ${formatSize(MUCH_MEMORY)} are usual with 1,000 tags`,
      remedy: 'Watch whether it grows (millgate status); if it does, report it with the output of: millgate support',
    });
  if (availableMemoryBytes !== undefined && memoryBytes !== undefined && availableMemoryBytes < LITTLE_MEMORY)
    findings.push({
      severity: 'warning',
      step: 'service',
      where: 'machine',
      cause: `${formatSize(availableMemoryBytes)} of ${formatSize(memoryBytes)} memory are left`,
      remedy: 'See who has it: ps -eo rss,pid,comm --sort=-rss | head',
    });
  return findings;
}

/** What systemd says of the service. Pure. */
export function serviceFindings(service: ServiceFacts | undefined, running: RunningFacts | undefined): Found[] {
  if (!service?.isInstalled) return [];
  const common = { step: 'service', where: 'millgate.service' } as const;
  const findings: Found[] = [];
  if (!service.isActive && !running)
    findings.push({
      ...common,
      severity: 'broken',
      cause: `the service does not run${service.result && service.result !== 'success' ? ` (${service.result})` : ''}`,
      remedy: 'sudo systemctl start millgate; if it ends again: journalctl -u millgate -n 50',
    });
  if (!service.isEnabled)
    findings.push({
      ...common,
      severity: 'warning',
      cause: 'the service is not enabled: after the next boot nothing is recorded',
      remedy: 'sudo systemctl enable millgate',
    });
  if (service.restarts > 0)
    findings.push({
      ...common,
      severity: 'warning',
      cause: `systemd had to start it again ${service.restarts} times`,
      remedy: 'See why: journalctl -u millgate -p warning -n 50',
    });
  if (service.isActive && service.type === 'notify' && !service.hasWatchdog)
    findings.push({
      ...common,
      severity: 'hint',
      cause: 'the service has no watchdog: a gateway that stands still would not be started again',
      remedy: 'sudo systemctl edit millgate, and write: [Service] WatchdogSec=30',
    });
  return findings;
}

/** A certificate of the file that ends within this is worth a word, and within that other time a warning, ms. */
const CERTIFICATE_SOON_MS = 30 * 86_400_000;
const CERTIFICATE_VERY_SOON_MS = 7 * 86_400_000;

/** Whether browsers will go on to accept the page. A pair of the gateway's own renews itself. Pure. */
export function apiFindings(running: RunningFacts | undefined): Found[] {
  const { nowMs, api } = running?.status ?? {};
  if (nowMs === undefined || !api?.certificate || api.certificate.isSelfSigned) return [];
  const { endsMs, file } = api.certificate;
  const leftMs = endsMs - nowMs;
  if (leftMs > CERTIFICATE_SOON_MS) return [];
  const day = new Date(endsMs).toISOString().slice(0, 10);
  return [
    {
      severity: leftMs < 0 ? 'broken' : leftMs < CERTIFICATE_VERY_SOON_MS ? 'warning' : 'hint',
      step: 'service',
      where: 'api',
      cause: `the certificate ${file} ${leftMs < 0 ? 'ended' : 'ends'} on ${day}`,
      remedy: `Put a new one and its key in place: the gateway takes it within 12 hours, or at once after: sudo systemctl restart millgate`,
    },
  ];
}
