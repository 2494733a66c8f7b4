/** Runs all judgements and puts their findings in the order of what to do first. */
import { formatDuration, formatSize } from '../core/quantity.ts';
import { busDeviceFindings, deviceFindings, loadFindings, textDeviceFindings } from './device.ts';
import type { ChannelFacts, Facts } from './facts.ts';
import { causeAndRemedy, type Finding, type Found, inOrder, type Look, listed, percent, withTry } from './finding.ts';
import { lineFindings } from './line.ts';
import { apiFindings, configurationFindings, instanceFindings, machineFindings, serviceFindings } from './machine.ts';
import { portFindings } from './ports.ts';
import { lineCounts } from './statistics.ts';
import { sandboxFindings, storeFindings } from './store-checks.ts';
import { uplinkFindings } from './uplink-checks.ts';

/** What is wrong, by what to do first; what is well; and what could not be looked at. */
export interface Diagnosis {
  readonly findings: readonly Finding[];
  readonly well: readonly Look[];
  readonly unseen: readonly Look[];
}

/** Judges everything that was gathered. Pure: the same facts give the same findings. */
export function judge(facts: Facts): Diagnosis {
  const { configuration, running, devices, user, channels } = facts;
  const ports = portFindings(channels, devices, user);
  const findings = inOrder([
    ...configurationFindings(configuration, running),
    ...instanceFindings(facts),
    ...ports,
    ...channels.flatMap((channel) => channelFindings(channel, facts, ports)),
    ...sandboxFindings(facts),
    ...storeFindings(facts.disk, running, user, facts.nowMs),
    ...machineFindings(facts.machine, running, configuration),
    ...uplinkFindings(facts.brokers, running),
    ...apiFindings(running),
    ...serviceFindings(facts.service, running),
  ]);
  return { findings, well: wellLooks(facts, findings), unseen: unseenLooks(facts) };
}

function channelFindings(channel: ChannelFacts, { running }: Facts, ports: readonly Found[]): Found[] {
  if (!running) return [];
  const line = lineCounts(channel, running);
  if (!line) return [];
  const isExplained = ports.some(({ where, severity }) => where === channel.name && severity === 'broken');
  const down = isExplained ? [] : downFindings(channel);
  const kind = channel.driver.startsWith('modbus')
    ? lineFindings(line)
    : channel.driver === 'i2c'
      ? busDeviceFindings(line)
      : textDeviceFindings(line);
  return [...down, ...kind, ...deviceFindings(line, running), ...loadFindings(line)];
}

/** A channel that is not connected, in the words of its driver. */
function downFindings({ name, status, place }: ChannelFacts): Found[] {
  if (!status || status.state === 'connected' || status.reason === undefined) return [];
  const { cause, remedy } = causeAndRemedy(status.reason, 'See its log: journalctl -u millgate -n 50');
  const tried = withTry(remedy, place?.kind === 'tcp' ? place : undefined);
  return [{ severity: 'broken', step: 'port', where: name, cause, remedy: tried }];
}

/** One line for each thing that is well, with its numbers. */
function wellLooks(facts: Facts, findings: readonly Finding[]): Look[] {
  const { configuration, running, channels, disk, machine, brokers, service } = facts;
  const isIll = (where: string) =>
    findings.some(
      (finding) => finding.severity !== 'hint' && (finding.where === where || finding.where.startsWith(`${where}/`)),
    );
  const looks: Look[] = [];
  const see = (where: string, saw: string | undefined) => {
    if (saw !== undefined && !isIll(where)) looks.push({ where, saw });
  };
  if (configuration.isValid)
    see(configuration.file, `valid${configuration.hash === running?.status.config.hash ? ', and what runs' : ''}`);
  if (running) {
    const { status } = running;
    see(
      'gateway',
      `version ${status.version}, up ${formatDuration(Math.max(1000, status.nowMs - status.startedMs))}, ${formatSize(status.rssBytes)} memory`,
    );
  }
  for (const channel of channels) see(channel.name, channelText(channel, facts));
  if (disk) see('store', diskText(facts));
  see('clock', clockText(facts));
  see('power', machine.throttled === undefined ? undefined : 'never below 4.63 V since the board started');
  for (const { uplink, address, asked } of brokers)
    see(
      uplink,
      asked === 'nothing' ? undefined : `${address} ${asked === 'login' ? 'accepts this gateway' : 'answers'}`,
    );
  see('api', apiText(running));
  if (service?.isInstalled)
    see('millgate.service', `${service.isActive ? 'active' : 'not active'}, enabled, never restarted by systemd`);
  return looks;
}

function channelText(channel: ChannelFacts, { devices: there }: Facts): string | undefined {
  const { status, driver, place, file, devices } = channel;
  const which =
    place?.kind === 'tcp'
      ? `${place.host}:${place.port}`
      : (file?.path ?? (place?.kind === 'gpio' ? gpioText(place.backend, there) : driver));
  if (!status) {
    if (place?.kind === 'tcp') return channel.reach?.ok ? `${which} ${channel.reach.detail}` : undefined;
    return file?.access ? `${which} is there and may be used` : undefined;
  }
  const use = status.utilisation === undefined ? '' : `, line in use ${percent(status.utilisation)}`;
  return `${which} connected, ${devices.length} ${devices.length === 1 ? 'device' : 'devices'}${use}`;
}

/** The way to the GPIO lines, which follows from what there is and what the file asks for. */
function gpioText(backend: 'auto' | 'chardev' | 'sysfs', { gpioChips }: Facts['devices']): string {
  const isSysfs = backend === 'sysfs' || gpioChips.length === 0;
  return isSysfs ? 'GPIO by sysfs,' : `GPIO by the character device (${listed(gpioChips.map(({ path }) => path))}),`;
}

function diskText({ disk, running }: Facts): string | undefined {
  if (!disk) return undefined;
  const bytes = running?.status.store.bytes ?? disk.status?.bytes;
  const parts = [
    ...(bytes === undefined ? [] : [`${formatSize(bytes)} of ${formatSize(disk.maxBytes)} used`]),
    ...(disk.freeBytes === undefined ? [] : [`${formatSize(disk.freeBytes)} free on ${disk.mountPoint ?? '/'}`]),
    ...(disk.outageDays === undefined ? [] : [`about ${Number(disk.outageDays.toPrecision(2))} days of outage fit`]),
    `about ${formatSize(disk.writtenBytesPerDay)} written a day`,
  ];
  return parts.join(', ');
}

function clockText({ machine, running, configuration }: Facts): string | undefined {
  const zone = configuration.timezone ?? machine.timezone;
  const set = machine.isClockSynchronized ? 'synchronised' : running?.status.clockKnown ? 'known' : undefined;
  return set === undefined ? undefined : `${set}${zone === undefined ? '' : `, ${zone}`}`;
}

/** Where the page is, with what a browser that warns of its certificate shows. */
function apiText(running: Facts['running']): string | undefined {
  const { api } = running?.status ?? {};
  if (!api) return undefined;
  const { address, certificate } = api;
  if (!certificate) return address;
  const ends = new Date(certificate.endsMs).toISOString().slice(0, 10);
  return `${address}, ${certificate.isSelfSigned ? 'self-signed' : 'certificate'} until ${ends}, SHA-256 ${certificate.fingerprint}`;
}

/** What could not be looked at from here, and why. */
function unseenLooks({ machine, service, disk, running, silence, channels, user }: Facts): Look[] {
  const looks: Look[] = [];
  if (!running && silence && !silence.isForbidden)
    looks.push({ where: 'error statistics', saw: 'no gateway runs that could have counted' });
  if (machine.isClockSynchronized === undefined && !running?.status.clockKnown)
    looks.push({ where: 'clock', saw: 'timedatectl does not answer here' });
  if (!service) looks.push({ where: 'service', saw: 'systemd does not answer here' });
  if (disk?.unseen !== undefined) looks.push({ where: 'store', saw: disk.unseen });
  if (disk && disk.freeBytes === undefined)
    looks.push({ where: 'store', saw: `${disk.path}: its disk cannot be asked` });
  const ports = channels.filter(({ file, status }) => file?.access && status?.state !== 'connected');
  if (ports.length > 0 && user.as === 'caller' && user.uid !== 0)
    looks.push({
      where: 'who holds a port',
      saw: 'programs of other users can be seen by root only: sudo millgate doctor',
    });
  return looks;
}
