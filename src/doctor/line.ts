/** Judges what the counters of a Modbus line say of its wiring, its timing and who is on it. */
import { formatDuration } from '../core/quantity.ts';
import { type Found, listed, percent } from './finding.ts';
import { type DeviceCounts, ENOUGH_REQUESTS, type LineCounts } from './statistics.ts';

/** Above this share of garbled answers something is wrong with the line; below the other, a device counts as clean. */
const MANY = 0.02;
const FEW = 0.005;

/** A device that loses more of its requests than this is not merely slow. */
const MANY_TIMEOUTS = 0.05;

/** Bytes that came uncalled: fewer are the stray ones of any line. */
const MANY_BYTES = 256;

/** An answer that was too late was about as long as this, bytes; no more of them explain what came uncalled. */
const LATE_ANSWER_BYTES = 64;

/** A timeout is near the answers when they take more than this share of it. */
const NEAR = 0.7;

/** Connections lost more often than this an hour, and at least so often, point to the adapter, cable or device. */
const RECONNECTS_AN_HOUR = 2;
const FEW_RECONNECTS = 3;

/** What the counters of a Modbus line say of its wiring, its timing and who is on it. Pure. */
export function lineFindings(line: LineCounts): Found[] {
  return [
    ...echoFindings(line),
    ...strangerFindings(line),
    ...garbledFindings(line),
    ...silenceFindings(line),
    ...slowFindings(line),
    ...reconnectFindings(line),
  ];
}

function isSerial({ channel }: LineCounts): boolean {
  return channel.place?.kind === 'serial';
}

function echoFindings({ channel, echoes }: LineCounts): Found[] {
  if (echoes === 0) return [];
  return [
    {
      severity: 'hint',
      step: 'line',
      where: channel.name,
      cause: `the adapter gives back what is sent (${echoes} times); the gateway takes it out again`,
      remedy: "Switch the adapter's echo off, or have its receiver disabled while it sends (RE tied to DE)",
    },
  ];
}

function strangerFindings({ channel, unsolicitedBytes, devices }: LineCounts): Found[] {
  const late = devices.reduce((sum, { lateReplies }) => sum + lateReplies, 0);
  if (unsolicitedBytes - late * LATE_ANSWER_BYTES <= MANY_BYTES) return [];
  return [
    {
      severity: 'warning',
      step: 'line',
      where: channel.name,
      cause: `${unsolicitedBytes} bytes came uncalled, more than ${late} late answers explain: another master, or noise`,
      remedy:
        'Look for a second master (a panel, a PLC, another gateway) and switch it off or make it a slave; else check shield and termination',
    },
  ];
}

/** Wrong checksums of one unit point to its stub; of all, to what they share. */
function garbledFindings(line: LineCounts): Found[] {
  const heard = line.devices.filter(({ requests }) => requests >= ENOUGH_REQUESTS);
  const ill = heard.filter(({ garbled, requests }) => garbled / requests > MANY).sort(byGarbled);
  if (ill.length === 0) return [];
  const clean = heard.filter(({ garbled, requests }) => garbled / requests < FEW);
  const shares = [...ill, ...clean.slice(0, 2)].map(
    ({ text, garbled, requests }) => `${text}: ${percent(garbled / requests)}`,
  );
  const cause = `garbled answers (wrong checksum or form): ${listed(shares, 5)}`;
  const severity = ill.some(({ garbled, requests }) => garbled / requests > 0.2) ? 'broken' : 'warning';
  const common = { severity, step: 'line', cause } as const;
  if (!isSerial(line))
    return [
      {
        ...common,
        where: line.channel.name,
        remedy: 'Check framing (tcp or rtu); behind a converter, its serial settings and the wires of its line',
      },
    ];
  if (clean.length > 0)
    return [
      {
        ...common,
        where: ill.length === 1 ? `${line.channel.name}/${ill[0]!.name}` : line.channel.name,
        remedy: `Look at the stub to ${listed(ill.map(stationOf))} and its termination: short stub, tight screws, 120 Ω only at the two ends of the line`,
      },
    ];
  return [
    {
      ...common,
      where: line.channel.name,
      remedy:
        heard.length > 1
          ? 'All units are hit, so look at what they share: 120 Ω at both ends and nowhere else, bias at one place, the common wire, the adapter, baud and parity'
          : 'Check termination (120 Ω at both ends), bias, the common wire, and that baud and parity are those of the unit',
    },
  ];
}

function byGarbled(a: DeviceCounts, b: DeviceCounts): number {
  return b.garbled / b.requests - a.garbled / a.requests;
}

/** `unit 7`, or the name where a device has no station. */
function stationOf({ text, name }: DeviceCounts): string {
  return /\((.+)\)$/.exec(text)?.[1] ?? name;
}

/** Who does not answer: all of them, or some while their neighbours do. */
function silenceFindings(line: LineCounts): Found[] {
  if (line.status.state !== 'connected') return [];
  const silent = line.devices.filter(isSilent);
  if (silent.length === 0) return [];
  if (silent.length === line.devices.length && silent.length > 1)
    return [
      {
        severity: 'broken',
        step: 'line',
        where: line.channel.name,
        cause: `none of the ${silent.length} devices answers: ${listed(silent.map(({ text }) => text))}`,
        remedy: isSerial(line)
          ? `Swap A and B, check the adapter, the power of the units, baud and parity: millgate scan ${line.channel.name}`
          : 'Check the units behind this address: their power, their unit ids, the serial side of the converter',
      },
    ];
  return silent.map((device) => ({
    severity: 'broken',
    step: 'device',
    where: `${line.channel.name}/${device.name}`,
    cause: `${device.text} does not answer (${lostText(device)})${neighboursText(line, silent)}`,
    remedy: `Check its power, ${isSerial(line) ? 'its two wires, its baud and parity, ' : ''}and that it is ${stationOf(device)}${silenceEnd(line)}`,
  }));
}

function silenceEnd(line: LineCounts): string {
  return isSerial(line) ? `: millgate scan ${line.channel.name}` : '; with a device that has no unit id, try 1 and 255';
}

function neighboursText({ devices }: LineCounts, silent: readonly DeviceCounts[]): string {
  const others = devices.filter((device) => !silent.includes(device));
  return others.length === 0
    ? ''
    : `, while ${listed(others.map(({ text }) => text))} ${others.length === 1 ? 'does' : 'do'}`;
}

function lostText({ timeouts, requests }: DeviceCounts): string {
  return requests > 0 ? `${timeouts} of ${requests} requests timed out` : 'it is offline';
}

function isSilent({ state, requests, timeouts }: DeviceCounts): boolean {
  return state === 'offline' || (requests >= ENOUGH_REQUESTS && timeouts === requests);
}

/** Devices that answer, but not in the time they are given. The number to write is twice the slowest answer known. */
function slowFindings(line: LineCounts): Found[] {
  return line.devices.flatMap((device): Found[] => {
    const { requests, timeouts, lateReplies, p95Ms, maxMs = 0, timeoutMs } = device;
    if (isSilent(device) || requests < ENOUGH_REQUESTS || timeoutMs === undefined) return [];
    const where = `${line.channel.name}/${device.name}`;
    const write = formatDuration(niceMs(2 * Math.max(timeoutMs, maxMs)));
    if (lateReplies >= 3 && lateReplies / requests > FEW)
      return [
        {
          severity: 'warning',
          step: 'device',
          where,
          cause: `${lateReplies} answers of ${device.text} came after their deadline, which is ${formatDuration(timeoutMs)} at most, and were dropped`,
          remedy: `Write at the device: timeout: ${write}`,
        },
      ];
    if (timeouts / requests <= MANY_TIMEOUTS) return [];
    if (p95Ms !== undefined && p95Ms > NEAR * timeoutMs)
      return [
        {
          severity: 'warning',
          step: 'device',
          where,
          cause: `${device.text} loses ${percent(timeouts / requests)} of its requests, and its answers take up to ${formatDuration(p95Ms)} of the ${formatDuration(timeoutMs)} they have`,
          remedy: `Write at the device: timeout: ${write}`,
        },
      ];
    const all = line.devices.every(
      (other) => other.requests < ENOUGH_REQUESTS || other.timeouts / other.requests > MANY_TIMEOUTS,
    );
    return [
      {
        severity: 'warning',
        step: 'device',
        where,
        cause: `${device.text} left ${percent(timeouts / requests)} of its requests unanswered, though it mostly answers${p95Ms === undefined ? '' : ` within ${formatDuration(p95Ms)}`}`,
        remedy:
          all && line.devices.length > 1
            ? 'All devices of this line do so: check what they share, the common wire, termination, bias and the adapter'
            : `Check the wires and the power of ${stationOf(device)}; an overloaded device may need pause: 50ms at the channel`,
      },
    ];
  });
}

function reconnectFindings({ channel, reconnects, overMs }: LineCounts): Found[] {
  const hours = Math.max(1, overMs / 3_600_000);
  if (reconnects < FEW_RECONNECTS || reconnects / hours < RECONNECTS_AN_HOUR) return [];
  const isTcp = channel.place?.kind === 'tcp';
  return [
    {
      severity: 'warning',
      step: 'line',
      where: channel.name,
      cause: `the connection was lost ${reconnects} times in ${formatDuration(overMs)}`,
      remedy: isTcp
        ? 'Check the cable and switch; a PLC that takes few connections may drop this one for another client'
        : 'See what the kernel says of the adapter: sudo dmesg | grep -iE "usb|tty" | tail -20; try another cable, port or hub with its own power',
    },
  ];
}

/** The next 1, 1.5, 2, 3, 5 or 7.5 times a power of ten. */
function niceMs(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, atLeast)));
  return [1, 1.5, 2, 3, 5, 7.5, 10].map((step) => step * power).find((value) => value >= atLeast)!;
}
