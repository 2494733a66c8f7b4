/** Judges what devices answer and how much is asked of their lines. */
import type { JsonTag } from '../api/json.ts';
import { FAILURES } from '../core/quality.ts';
import type { RunningFacts } from './facts.ts';
import { type Found, listed, percent } from './finding.ts';
import { type DeviceCounts, ENOUGH_REQUESTS, type LineCounts } from './statistics.ts';

/** What to do about a tag whose readings are bad for this reason, when its device answers. */
const REMEDIES: Record<string, string> = {
  'illegal-address':
    'The map is not that of this device or firmware: compare the addresses with its manual; try them one lower (many manuals count from 1)',
  'illegal-value': 'The device refuses the length: set maxRegisters lower (such as 32), or correct the address',
  'illegal-function': 'The device does not know this table: try holding instead of input, or the other way round',
  'device-failure':
    'The device reports a fault of its own: read its display or its error log, then switch it off and on',
  'device-busy':
    'The device is busy with something else: another master, a download, or a kernel driver that has the chip',
  'sensor-failure': 'Check the sensor and its cable: its checksum is wrong, or it sends what means "no value"',
  'decode-error': "Correct the tag's type or its pattern: its manual says what the device sends",
  overflow: "Correct the tag's type, order or scale: the value is beyond what a number can hold",
  'gateway-path': 'The Modbus gateway in between has no path to this unit: check its routing or its serial port',
  'gateway-target':
    'The Modbus gateway in between gets no answer from this unit: check power, wires and unit id behind it',
};

/** Above this share of failed transfers something is wrong with a chip or its wires. */
const MANY_FAILURES = 0.02;

/** What devices answer, and is no good. Reasons that the line explains are left to its findings. Pure. */
export function deviceFindings(line: LineCounts, running: RunningFacts): Found[] {
  return line.devices.flatMap((device) => badTagFindings(line, device, running));
}

function badTagFindings({ channel }: LineCounts, device: DeviceCounts, running: RunningFacts): Found[] {
  const reasons = new Map<string, JsonTag[]>();
  for (const tag of running.tags) {
    const why = tag.last?.quality === 'bad' ? tag.last.why : undefined;
    if (why === undefined || !(why in REMEDIES) || !tag.tag.startsWith(`${device.name}/`)) continue;
    reasons.set(why, [...(reasons.get(why) ?? []), tag]);
  }
  return [...reasons].map(([why, tags]) => {
    const names = tags.map(({ tag }) => {
      const address = running.addresses.get(tag);
      return address === undefined ? tag : `${tag} (${address})`;
    });
    const means = FAILURES[why as keyof typeof FAILURES].means;
    return {
      severity: 'broken',
      step: 'device',
      where: `${channel.name}/${device.name}`,
      cause: `${tags.length} ${tags.length === 1 ? 'tag is' : 'tags are'} bad, ${means}: ${listed(names)}`,
      remedy: REMEDIES[why]!,
    };
  });
}

/** Chips on an I²C bus that do not acknowledge, and transfers that went wrong. Pure. */
export function busDeviceFindings(line: LineCounts): Found[] {
  return line.devices.flatMap((device): Found[] => {
    const { requests, timeouts, garbled, state, text } = device;
    const where = `${line.channel.name}/${device.name}`;
    const address = /\((.+)\)$/.exec(text)?.[1];
    const share = requests > 0 ? timeouts / requests : 0;
    if (state === 'offline' || (requests >= ENOUGH_REQUESTS && share > MANY_FAILURES))
      return [
        {
          severity: state === 'offline' ? 'broken' : 'warning',
          step: 'device',
          where,
          cause: `${text} did not acknowledge ${timeouts} of ${requests} transfers${requests > 0 ? ` (${percent(share)})` : ''}`,
          remedy: `Check its wires, its 3.3 V and its address pins; is ${address ?? 'its address'} in the list of: sudo i2cdetect -y ${busOf(line)}`,
        },
      ];
    if (requests < ENOUGH_REQUESTS || garbled / requests <= MANY_FAILURES) return [];
    return [
      {
        severity: 'warning',
        step: 'device',
        where,
        cause: `${percent(garbled / requests)} of the transfers of ${text} went wrong`,
        remedy:
          'Shorten the cable, use one pair of pull-ups of 2.2 to 10 kΩ, or lower the speed: dtparam=i2c_arm_baudrate=50000',
      },
    ];
  });
}

function busOf({ channel }: LineCounts): string {
  return channel.place?.kind === 'i2c' ? (/\d+$/.exec(channel.place.path)?.[0] ?? '1') : '1';
}

/** Lines that are asked for more than they can do, and scans that were skipped. Pure. */
export function loadFindings({ channel, status, scans, skipped }: LineCounts): Found[] {
  const where = channel.name;
  const due = scans + skipped;
  const skippedText = `${skipped} of ${due} scans were skipped (${percent(due > 0 ? skipped / due : 0)})`;
  const slowest = channel.slowest
    .slice(0, 2)
    .map(({ text, lineMs, tags }) => `${text}, ${Math.round(lineMs)} ms for ${listed(tags)}`);
  const slow = slowest.length > 0 ? `; slowest: ${slowest.join('; ')}` : '';
  if (status.plannedUtilisation > 1)
    return [
      {
        severity: 'broken',
        step: 'load',
        where,
        cause: `the periods ask for ${percent(status.plannedUtilisation)} of the line's time, ${skippedText}${slow}`,
        remedy: channel.advice === undefined ? 'Make the periods longer: millgate check' : capital(channel.advice),
      },
    ];
  if (due < ENOUGH_REQUESTS || skipped / due < 0.01) return [];
  const used =
    status.utilisation === undefined
      ? ''
      : `; the line is in use ${percent(status.utilisation)} of the time, planned were ${percent(status.plannedUtilisation)}`;
  return [
    {
      severity: 'warning',
      step: 'load',
      where,
      cause: `${skippedText}${used}${slow}`,
      remedy:
        'Mend timeouts and garbled answers first: each costs the time of several reads. Then make the longest period longer',
    },
  ];
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** Damaged lines of a device that speaks text: fewer than this are those of a plug being moved. */
const MANY_DAMAGED = 5;

/** Lines of text that came damaged. Pure. */
export function textDeviceFindings({ channel, devices }: LineCounts): Found[] {
  return devices
    .filter(({ garbled }) => garbled >= MANY_DAMAGED)
    .map(({ name, garbled }) => ({
      severity: 'warning',
      step: 'device',
      where: `${channel.name}/${name}`,
      cause: `${garbled} lines came damaged: half, with a wrong checksum, or with bytes that are no text`,
      remedy: "Compare baud, parity and delimiter with the device's menu; check the cable and its shield",
    }));
}
