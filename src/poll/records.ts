import type { ReadResult, Tag } from '../../hal/driver.ts';
import type { TagConfig } from '../config/config.ts';
import type { DeviceRecord, Field, Instant } from '../core/reading.ts';
import { outcomeOf } from './outcome.ts';

interface Open {
  readonly device: string;
  readonly at: Instant;
  readonly fields: Field[];
}

/**
 * One record for each (device, instant) among the results, in the order of their first tags. Tags that one request
 * answered need not stand together.
 *
 * @param configs by tag id, at least of every tag here
 */
export function recordsOf(
  tags: readonly Tag[],
  results: readonly ReadResult[],
  configs: ReadonlyMap<string, TagConfig>,
  make: (device: string, at: Instant, fields: Field[]) => DeviceRecord,
): DeviceRecord[] {
  const open: Open[] = [];
  let last: Open | undefined;
  for (let index = 0; index < tags.length; index++) {
    const tag = tags[index]!;
    const result = results[index]!;
    if (last === undefined || last.at !== result.at || last.device !== tag.device) {
      last = open.find(({ device, at }) => at === result.at && device === tag.device);
      if (last === undefined) {
        last = { device: tag.device, at: result.at, fields: [] };
        open.push(last);
      }
    }
    last.fields.push({ name: tag.name, ...outcomeOf(configs.get(tag.id)!, result) });
  }
  return open.map(({ device, at, fields }) => make(device, at, fields));
}
