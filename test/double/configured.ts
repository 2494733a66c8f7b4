import type { Driver, Tag } from '../../hal/driver.ts';
import { simulatedDriver } from '../../hal/mock/simulate.ts';
import { DRIVERS } from '../../hal/registry.ts';
import type { ChannelConfig } from '../../src/config/config.ts';
import { formatProblem } from '../../src/config/file/problems.ts';
import { loadConfig } from '../../src/config/load.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { BUILT_IN, memoryFiles } from '../config/double/files.ts';

function loaded(text: string) {
  return loadConfig({
    file: 'millgate.yaml',
    drivers: DRIVERS,
    hostname: 'gate-1',
    timezone: 'Europe/London',
    files: memoryFiles({ 'millgate.yaml': text }),
    profiles: BUILT_IN,
  });
}

/** The channels of a file, with the real drivers; throws its problems. */
export function configured(text: string): readonly ChannelConfig[] {
  const result = loaded(text);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.config.channels;
}

/** The errors that `check` prints of a file. */
export function problemsWith(text: string): string[] {
  const result = loaded(text);
  const problems = result.ok ? result.warnings : result.problems;
  return problems.filter(({ severity }) => severity === 'error').map(formatProblem);
}

/** What `run --simulate` makes of a channel that is no Modbus channel, and its tags. */
export function simulated(channel: ChannelConfig): { driver: Driver; tags: readonly Tag[] } {
  const tags = channel.devices.flatMap((device) => device.tags.map((tag) => ({ ...tag.tag, ...tag })));
  const deps = { clock: new SimulatedClock(), log: silentLogger, random: seededRandom(1) };
  const noModbus = (): Driver => {
    throw new Error('this is no Modbus channel');
  };
  const all = tags.map((tag) => ({ ...tag, address: tag.tag.address }));
  return { driver: simulatedDriver(channel, all, deps, noModbus), tags: all };
}
