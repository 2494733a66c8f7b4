import { z } from 'zod';
import { NotConnected, type ReadResult, type Tag } from '../../hal/driver.ts';
import { SerialLineDriver } from '../../hal/serial/driver.ts';
import { type SerialLineAddress, type SerialLineChannel, serialLineChannelShape } from '../../hal/serial/options.ts';
import { serialLine } from '../../hal/serial/types.ts';
import type { Transport, TransportEvents } from '../../hal/transport.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';

/** A channel by the words of a configuration file. */
export function lineChannel(options: Record<string, unknown> = {}): SerialLineChannel {
  const parsed = z.strictObject(serialLineChannelShape()).parse({ port: '/dev/ttyACM0', ...options });
  const checked = serialLine.checkChannel(parsed);
  if (!checked.ok) throw new Error(checked.problems[0]!.message);
  return checked.value as SerialLineChannel;
}

/** A tag by the words of a configuration file. */
export function lineTag(
  id: string,
  options: Record<string, unknown>,
  request?: string,
  more: Record<string, unknown> = {},
): Tag<SerialLineAddress> {
  const [device, name] = id.split('/') as [string, string];
  const checked = serialLine.checkTag(
    { id, device, name, options, deviceOptions: { request, ...more } },
    lineChannel(),
  );
  if (!checked.ok) throw new Error(checked.problems.map(({ message }) => message).join('; '));
  return { id, device, name, address: checked.value };
}

/** The other end of a serial line. */
export interface OtherEnd {
  readonly transport: Transport;
  readonly sent: string[];
  /** Says something, as bytes of code 0…255. */
  say(text: string): void;
  /** Is told each request. */
  onRequest: (request: string) => void;
  unplug(): void;
}

/** A serial line in memory, and its other end. */
export function otherEnd(): OtherEnd {
  let events: TransportEvents | undefined;
  const end: OtherEnd = {
    sent: [],
    onRequest: () => {},
    say: (text) => events?.onBytes(Buffer.from(text, 'latin1')),
    unplug() {
      const told = events;
      events = undefined;
      told?.onLost(new NotConnected('/dev/ttyACM0: the port is gone. Is the adapter plugged in?'));
    },
    transport: {
      async connect(told) {
        events = told;
      },
      write(bytes) {
        const text = Buffer.from(bytes).toString('latin1');
        end.sent.push(text);
        end.onRequest(text);
      },
      verify() {},
      async close() {
        events = undefined;
      },
    },
  };
  return end;
}

/** A bench: a driver on a line in memory with a simulated clock, connected a second ago. */
export async function lineBench(options: Record<string, unknown> = {}) {
  const clock = new SimulatedClock();
  const end = otherEnd();
  const driver = new SerialLineDriver(lineChannel(options), end.transport, {
    clock,
    log: silentLogger,
    random: seededRandom(1),
  });
  const { signal } = new AbortController();
  await driver.connect(signal);
  const watch = (tags: readonly Tag<SerialLineAddress>[]) => {
    const heard: { tag: string; result: ReadResult }[] = [];
    const lost: NotConnected[] = [];
    driver.subscribe(
      tags,
      (tag, result) => heard.push({ tag: tag.id, result }),
      (gone) => lost.push(gone),
    );
    return { heard, lost, values: () => heard.map(({ result }) => (result.ok ? result.value : result.why)) };
  };
  await clock.advance(1000);
  return { clock, end, driver, signal, watch };
}
