import { DRIVERS } from '../../../hal/registry.ts';
import { Applying } from '../../../src/config/apply/apply.ts';
import { noteStart, recoverTrial } from '../../../src/config/apply/apply-start.ts';
import { openArchive } from '../../../src/config/apply/archive.ts';
import { type FileSource, loadWithFiles } from '../../../src/config/apply/config-files.ts';
import type { DeviceStand } from '../../../src/config/apply/flow.ts';
import type { Config } from '../../../src/config/config.ts';
import { EXIT, Fault } from '../../../src/core/errors.ts';
import type { EventBody } from '../../../src/core/event.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { PowerDisk } from '../../double/power-disk.ts';
import { BUILT_IN } from './files.ts';

/** The main file. */
export const FILE = '/etc/millgate/millgate.yaml';
/** A file beside it that is merged into it. */
export const EXTRA = '/etc/millgate/conf.d/extra.yaml';
/** The folder of the store. */
export const STORE = '/var/lib/millgate';

/** A configuration with one device, and one alarm at a limit. */
export function text(limit: number, more = ''): string {
  return `channels: {sim: {driver: mock}}
devices:
  oven: {channel: sim, tags: {temp: {address: "sine(min=180,max=220,period=60s)"}}}
alarms: {hot: {tag: oven/temp, above: ${limit}}}
store: {path: ${STORE}}
${more}`;
}

/** What is in force at the start, and what comes after it. */
export const OLD = text(200);
export const NEW = text(210);

/** A daemon without a plant: its files on a disk that may lose power, its devices as the test says. */
export async function boot(disk: PowerDisk) {
  const clock = new SimulatedClock(undefined, 'promises');
  const events: EventBody[] = [];
  const files = {
    read: (path: string) => {
      const content = disk.text(path);
      if (content === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
      return new TextEncoder().encode(content);
    },
    list: (folder: string) => (folder === '/etc/millgate/conf.d' && disk.text(EXTRA) ? ['extra.yaml'] : []),
    exists: (path: string) => disk.text(path) !== undefined,
  };
  const options = { file: FILE, drivers: DRIVERS, hostname: 'gate-1', timezone: 'UTC', files, profiles: BUILT_IN };
  const load = (source: FileSource) => loadWithFiles(options, source);
  const parts = { archive: await openArchive(`${STORE}/configurations`, disk), clock, log: silentLogger };
  const place = { file: FILE, disk };
  const recovery = await recoverTrial({ ...parts, place });
  const loaded = load(recovery.files ? { from: 'files', files: recovery.files } : { from: 'disk' });
  if (!loaded.result.ok) throw new Error(`the file is not valid: ${JSON.stringify(loaded.result.problems)}`);
  let current: Config = loaded.result.config;
  events.push(...recovery.events, ...(await noteStart({ ...parts, place }, current.hash, loaded.files)));
  const world = {
    ...{ isGood: true, refuses: false, settled: 0, tried: false, failure: undefined as unknown },
    /** When the last good reading came, of a line that has died since. */
    silentSinceMs: undefined as number | undefined,
  };
  const applying = new Applying({
    ...parts,
    ...{ place, load: async (source: FileSource) => load(source), files: loaded.files },
    runtime: {
      config: () => current,
      async reconfigure(next) {
        if (world.refuses)
          throw new Fault('a channel does not let go of its line', 'See millgate status.', EXIT.unavailable);
        current = next;
        return clock.monoMs();
      },
      async settle() {
        world.settled++;
      },
      devices: (): DeviceStand[] => {
        const lastGoodMs = world.isGood ? (world.silentSinceMs ?? clock.monoMs()) : undefined;
        return [{ device: 'oven', channel: 'sim', isGood: true, isConnected: true, lastGoodMs }];
      },
      event: (body) => void events.push(body),
      onFailed: (cause) => {
        world.failure = cause;
      },
    },
  });
  const told = () => events.flatMap((body) => (body.kind === 'audit' ? [body.what] : []));
  const limit = () => (current.alarms[0]!.condition as { limit: number }).limit;
  return { applying, clock, disk, events, told, world, limit, config: () => current, archive: parts.archive };
}

/** A daemon that starts with the old file, and others. */
export const start = (files: Record<string, string> = {}) => boot(new PowerDisk({ [FILE]: OLD, ...files }));
