import type { RawAnswer, RawBlock } from '../driver.ts';
import { type Asking, askDevice, type DeviceState } from './device.ts';
import { failureOf } from './result.ts';

/**
 * Reads a block as it is, with one question (and its retries).
 *
 * @throws NotConnected when the line is lost
 */
export async function readRawBlock(
  asking: Asking,
  device: DeviceState,
  { unit, table, start, count }: RawBlock,
  signal: AbortSignal,
): Promise<RawAnswer> {
  const outcome = await askDevice(asking, device, { kind: 'read', unit, table, start, count }, signal);
  if (outcome.kind === 'lost') throw outcome.cause;
  if (outcome.kind !== 'answer') {
    const { why, detail } = failureOf(outcome);
    return { ok: false, why, detail };
  }
  const { data } = outcome;
  const isBits = table === 'coil' || table === 'discrete';
  const itemAt = isBits
    ? (index: number) => (data[index >> 3]! >> (index & 7)) & 1
    : (index: number) => (data[2 * index]! << 8) | data[2 * index + 1]!;
  return { ok: true, items: Array.from({ length: count }, (_, index) => itemAt(index)) };
}
