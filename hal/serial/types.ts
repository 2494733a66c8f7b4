/** The driver type `serial-line`. */
import type { Tag } from '../driver.ts';
import type { DriverType, PlanEstimate } from '../driver-type.ts';
import type { RecordedWire } from '../recording/recording.ts';
import { tapped } from '../transport.ts';
import { SerialLineDriver } from './driver.ts';
import {
  BY_PAUSE,
  checkSerialLineChannel,
  checkSerialLineTag,
  describeSerialLineAddress,
  type SerialLineAddress,
  type SerialLineChannel,
  serialLineChannelShape,
  serialLineDeviceShape,
  serialLineTagShape,
} from './options.ts';
import { SerialTransport } from './port.ts';
import { characterMsOn, serialKeys } from './settings.ts';

/** A typical answer, characters, and the time a device takes to begin it, ms. */
const TYPICAL_ANSWER = 24;
const TYPICAL_TURNAROUND_MS = 20;

/** Devices that speak lines of text: barcode readers, weigh scales, NMEA receivers. */
export const serialLine: DriverType<SerialLineChannel, SerialLineAddress> = {
  type: 'serial-line',
  simulated: false,
  channelShape: serialLineChannelShape,
  deviceShape: serialLineDeviceShape,
  tagShape: serialLineTagShape,
  checkChannel: checkSerialLineChannel,
  checkTag: checkSerialLineTag,
  describeAddress: describeSerialLineAddress,
  whyReadOnly: ({ command }) =>
    command
      ? undefined
      : 'the tag does not say what to send: write send: with the text of the command, or remove writable',
  isEventful: ({ request }) => request === undefined,
  placeOf: ({ serial }) => ({ kind: 'serial', path: serial.port }),
  estimate: estimateSerialLine,
  wire: wireOf,
  create: (channel, deps) => new SerialLineDriver(channel, tapped(new SerialTransport(channel.serial), deps.tap), deps),
};

/** What a recording keeps of a channel. */
function wireOf({ serial, line, timeoutMs, retries }: SerialLineChannel): RecordedWire {
  const { delimiters, maxLine, encoding, checksum, idleMs } = line;
  const [delimiter] = delimiters;
  return {
    framing: 'text',
    characterMs: characterMsOn(serial),
    settings: {
      ...serialKeys(serial),
      ...(delimiter && delimiters.length === 1 && { delimiter: Buffer.from(delimiter).toString('latin1') }),
      ...(line.endsByPause && { delimiter: BY_PAUSE }),
      ...(line.start !== undefined && { start: String.fromCharCode(line.start) }),
      ...(line.length !== undefined && { length: line.length - (line.start === undefined ? 0 : 1) }),
      maxLine,
      encoding,
      checksum,
      idle: `${idleMs}ms`,
      timeout: `${timeoutMs}ms`,
      retries,
    },
  };
}

/** One request for each text that is sent to a device; lines that come by themselves cost nothing that could be planned. */
function estimateSerialLine(channel: SerialLineChannel, tags: readonly Tag<SerialLineAddress>[]): PlanEstimate {
  const characterMs = characterMsOn(channel.serial);
  const groups = new Map<string, Tag<SerialLineAddress>[]>();
  for (const tag of tags) {
    const { request } = tag.address;
    const key = JSON.stringify([tag.device, request]);
    if (request !== undefined) groups.set(key, [...(groups.get(key) ?? []), tag]);
  }
  return {
    requests: [...groups.values()].map((group) => {
      const { device } = group[0]!;
      const request = group[0]!.address.request!;
      const lineMs = (request.length + TYPICAL_ANSWER) * characterMs + TYPICAL_TURNAROUND_MS;
      return { device, text: `send ${JSON.stringify(request)}`, tags: group.map(({ id }) => id), lineMs };
    }),
  };
}
