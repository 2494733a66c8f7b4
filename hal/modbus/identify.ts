import type { Identification } from '../driver.ts';
import { type Asking, askDevice, type DeviceState } from './device.ts';
import { type IdentificationObject, parseIdentification } from './line/frame.ts';
import type { Outcome } from './line/line.ts';

/** Objects of the basic and regular categories (Modbus Application Protocol V1.1b3, 6.21). */
const OBJECT_NAMES: Record<number, keyof Identification['names']> = {
  0: 'vendor',
  1: 'productCode',
  2: 'revision',
  3: 'vendorUrl',
  4: 'productName',
  5: 'modelName',
  6: 'applicationName',
};

/** An identification that needs more requests than this goes round in circles. */
const MAX_REQUESTS = 16;

/** Printable ASCII in a row that is taken for a word of a server id, characters. */
const LEAST_WORD = 3;

/**
 * Asks a unit who it is: device identification (function 43/14), the regular objects and where those are refused the
 * basic ones, and the server id (function 17). Neither changes anything in a device.
 *
 * @returns `isThere` false when nothing answered; a device that knows neither function is there without names
 * @throws NotConnected when the line is lost
 */
export async function identifyUnit(
  asking: Asking,
  device: DeviceState,
  unit: number,
  signal: AbortSignal,
): Promise<Identification> {
  const ask = async (request: Parameters<typeof askDevice>[2]): Promise<Outcome> => {
    const outcome = await askDevice(asking, device, request, signal);
    if (outcome.kind === 'lost') throw outcome.cause;
    return outcome;
  };
  let heard = false;
  const objects = new Map<number, string>();
  for (const category of [2, 1] as const) {
    const answer = await readObjects(ask, unit, category);
    heard ||= answer.heard;
    for (const { id, text } of answer.objects) objects.set(id, text);
    if (objects.size > 0 || !answer.heard) break;
  }
  const server = await ask({ kind: 'report-server-id', unit });
  heard ||= server.kind === 'answer' || server.kind === 'exception';
  const serverId = server.kind === 'answer' ? server.data : undefined;
  const names: Identification['names'] = {};
  for (const [id, text] of objects) {
    const name = OBJECT_NAMES[id];
    if (name && text !== '') names[name] = text;
  }
  return { isThere: heard, names, serverId, serverText: serverId && textIn(serverId) };
}

async function readObjects(
  ask: (request: Parameters<typeof askDevice>[2]) => Promise<Outcome>,
  unit: number,
  category: 1 | 2,
): Promise<{ heard: boolean; objects: readonly IdentificationObject[] }> {
  const objects: IdentificationObject[] = [];
  let firstObject = 0;
  for (let requests = 0; requests < MAX_REQUESTS; requests++) {
    const outcome = await ask({ kind: 'read-identification', unit, category, firstObject });
    if (outcome.kind !== 'answer') return { heard: requests > 0 || outcome.kind === 'exception', objects };
    const { objects: found, next } = parseIdentification(outcome.data);
    objects.push(...found);
    if (next === undefined || next <= firstObject) break;
    firstObject = next;
  }
  return { heard: true, objects };
}

/** The words in a server id, which is device specific: most put their name into it. */
function textIn(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder('latin1').decode(bytes);
  const words = text.match(new RegExp(`[\\x20-\\x7e]{${LEAST_WORD},}`, 'g'))?.map((word) => word.trim());
  return words?.filter((word) => word.length >= LEAST_WORD).join(' ') || undefined;
}
