/** Says who owns the lines of a configuration, so that nobody becomes a second master on one of them. */
import { realpathSync } from 'node:fs';
import type { ChannelPlace } from '../../hal/driver-type.ts';
import type { GatewayStatus } from '../api/view.ts';
import { EXIT, Fault } from '../core/errors.ts';
import { type GatewayClient, runningGateway } from './client.ts';
import { load } from './configuration.ts';
import { type CliContext, type CommonOptions, configFile } from './terminal/context.ts';

/**
 * The running gateway, through which its lines are used, or undefined when nobody owns them. The store's lock decides,
 * not the socket: a gateway that holds it and does not answer owns the lines all the same.
 *
 * @throws Fault 69 with the process that holds the store when it does not answer, 77 when this user may not look
 */
export async function ownerOf(options: CommonOptions, context: CliContext): Promise<GatewayClient | undefined> {
  const gateway = await runningGateway(options, context);
  if (gateway) return gateway;
  const loaded = await load(configFile(options, context).file, context);
  const folder = loaded.ok ? loaded.config.store.path : loaded.storePath;
  if (folder !== undefined) await refuseIfLocked(folder);
  return undefined;
}

/**
 * Passes when no process holds the store.
 *
 * @throws Fault 69 with the process that holds it and does not answer
 */
export async function refuseIfLocked(folder: string): Promise<void> {
  const [{ existsSync }, { refuseIfHeld }] = await Promise.all([import('node:fs'), import('../store/format/lock.ts')]);
  if (!existsSync(folder)) return;
  try {
    refuseIfHeld(folder);
  } catch (error) {
    if (!(error instanceof Fault && error.code === EXIT.unavailable)) throw error;
    const remedy = 'That process owns the lines, but its API does not answer. See its log, or stop it.';
    throw new Fault(error.what, remedy, error.code, { cause: error });
  }
}

/**
 * Passes when no running gateway uses one of these serial ports, hosts or buses.
 *
 * @throws Fault 69 with the channel and the process that use it
 */
export async function refuseOwned(
  places: readonly ChannelPlace[],
  options: CommonOptions,
  context: CliContext,
): Promise<void> {
  const gateway = await ownerOf(options, context);
  if (!gateway) return;
  const { config, pid } = await gateway.get<GatewayStatus>('/api/v1/status');
  const loaded = await load(config.file, context);
  if (!loaded.ok) return;
  const wanted = new Set(places.map(nameOf));
  const channel = loaded.config.channels.find(({ driver, options: own }) => {
    const theirs = driver.placeOf?.(own);
    return theirs !== undefined && wanted.has(nameOf(theirs));
  });
  const place = channel?.driver.placeOf?.(channel.options);
  if (!channel || !place) return;
  throw new Fault(
    `${nameOf(place)}: the running gateway uses it (channel ${channel.name}, process ${pid})`,
    `What is read through it needs no stop: millgate probe ${channel.name} UNIT RANGE. For anything else stop it (sudo systemctl stop millgate, or Ctrl-C where it runs), and start it again afterwards.`,
    EXIT.unavailable,
  );
}

/** One name for one line, however it is written. */
function nameOf(place: ChannelPlace): string {
  if (place.kind === 'tcp') return `${place.host.toLowerCase().replace(/^localhost$/, '127.0.0.1')}:${place.port}`;
  if (place.kind === 'gpio') return place.chip;
  try {
    return realpathSync(place.path);
  } catch {
    return place.path;
  }
}
