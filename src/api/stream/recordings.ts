/** Serves bus traffic as it happens to clients that record it. */
import type { ServerResponse } from 'node:http';
import { type Clock, every } from '../../core/clock.ts';
import type { Logger } from '../../core/log.ts';
import { SECURITY_HEADERS } from '../guard.ts';
import type { RecordingView } from '../view.ts';

/** How many recordings may be made at once. */
export const MAX_RECORDINGS = 4;

/** What may wait for one client before it counts as too slow and is broken off, bytes: about ten seconds of ten busy lines. */
const MAX_WAITING_BYTES = 4_000_000;

/** How often the client is shown that the gateway is there, by an empty line, ms. */
const KEEP_ALIVE_MS = 15_000;

/** The recordings that are being made. */
export interface Recordings {
  /**
   * Sends the bus traffic of the channels (none: all) as lines of text until the client goes away; false when there are
   * too many already. Throws `Fault` for a channel that cannot be recorded.
   */
  attach(response: ServerResponse, channels: readonly string[]): boolean;
}

interface Parts {
  readonly view: RecordingView;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Serves bus traffic as it happens. A client that does not take it is broken off rather than served with holes, so that
 * it holds up neither the gateway nor its memory, and no recording lacks anything but its end.
 */
export function createRecordings({ view, clock, log }: Parts): Recordings {
  let running = 0;
  return {
    attach(response, channels) {
      if (running >= MAX_RECORDINGS) return false;
      const early: string[] = [];
      let write = (line: string): void => void early.push(line);
      const end = view.record(channels, (line) => write(line));
      let endKeepAlive = (): void => {};
      running++;
      response.on('close', () => {
        running--;
        endKeepAlive();
        end();
      });
      response.on('error', () => response.destroy());
      response.writeHead(200, { ...SECURITY_HEADERS, 'Content-Type': 'application/jsonl; charset=utf-8' });
      response.flushHeaders();
      write = (line) => {
        if (response.writableLength + line.length > MAX_WAITING_BYTES) {
          log.warn('a recording was broken off because its disk is too slow; record fewer channels (--channel NAME)');
          response.destroy();
          return;
        }
        response.write(`${line}\n`);
      };
      for (const line of early) write(line);
      endKeepAlive = every(clock, KEEP_ALIVE_MS, () => write(''));
      return true;
    },
  };
}
