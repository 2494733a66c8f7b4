import type { GatewayView } from '../api/view.ts';
import { EXIT, Fault } from '../core/errors.ts';
import type { Line } from './channel-status.ts';

/**
 * Reads memory that no tag names through the channel that polls the line.
 *
 * @param stopping ends what still waits when the gateway stops
 */
export function createProber(lines: readonly Line[], stopping: AbortSignal): GatewayView['probe'] {
  return async (channel, block, signal) => {
    const line = lines.find(({ poller }) => poller.channel.name === channel);
    if (!line) {
      const names = lines.map(({ poller }) => poller.channel.name).join(', ');
      throw new Fault(`there is no channel ${JSON.stringify(channel.slice(0, 80))}. There is: ${names}.`, EXIT.usage);
    }
    return line.poller.readRaw(block, AbortSignal.any([signal, stopping]));
  };
}
