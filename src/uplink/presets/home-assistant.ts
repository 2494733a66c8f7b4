/** Home Assistant's MQTT discovery: one retained message a device says which entities it has. */
import type { TagConfig } from '../../config/config.ts';
import type { LastValue } from '../last-values.ts';

/** An entity is unavailable after so many of its periods without a value; and never sooner than this. */
const MISSED_PERIODS = 5;
const SOONEST_S = 60;

/** Who says it, and where. */
interface About {
  readonly gateway: string;
  /** Topic root of the values. */
  readonly root: string;
  /** Prefix of Home Assistant's discovery. */
  readonly discovery: string;
}

/**
 * The discovery messages of all devices. https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
 *
 * A tag that is no more but has a value at the broker is listed with its platform alone, which is how an entity is taken
 * away; once its topic is cleared it is left out.
 */
export function discoveryOf(tags: readonly TagConfig[], atBroker: ReadonlySet<string>, about: About): LastValue[] {
  const { gateway, root, discovery } = about;
  const devices = new Map<string, TagConfig[]>();
  for (const tag of tags) {
    const device = tag.tag.id.slice(0, tag.tag.id.indexOf('/'));
    devices.set(device, [...(devices.get(device) ?? []), tag]);
  }
  const known = new Set(tags.map(({ tag }) => `${root}/${tag.id}`));
  return [...devices].map(([device, own]) => {
    const gone = [...atBroker].filter((topic) => topic.startsWith(`${root}/${device}/`) && !known.has(topic));
    const parts = Object.fromEntries([
      ...own.map((tag) => [keyOf(tag.tag.id.slice(device.length + 1)), partOf(tag, about)]),
      ...gone.map((topic) => [keyOf(topic.slice(root.length + device.length + 2)), { p: 'sensor' }]),
    ]);
    const payload = {
      dev: { ids: [`${gateway}_${device}`], name: device, mf: 'Millgate' },
      o: { name: 'millgate' },
      avty: [{ t: `${root}/status`, val_tpl: '{{ value_json.state }}' }],
      cmps: parts,
    };
    return { topic: `${discovery}/device/${gateway}_${device}/config`, device, payload: JSON.stringify(payload) };
  });
}

/** What Home Assistant is told of one tag. */
function partOf(
  { tag, unit, counter, form, everyMs, heartbeatMs, decimals, deadband }: TagConfig,
  { gateway, root }: About,
): Readonly<Record<string, unknown>> {
  const isBool = form === 'bool';
  // A tag that only reports changes without a heartbeat may be silent for as long as it likes.
  const periodMs = deadband === undefined ? (everyMs ?? heartbeatMs) : heartbeatMs;
  return {
    p: isBool ? 'binary_sensor' : 'sensor',
    name: tag.id.slice(tag.id.indexOf('/') + 1),
    unique_id: `${gateway}_${tag.id.replace('/', '_')}`,
    state_topic: `${root}/${tag.id}`,
    // A bad reading has no value: the state is then unknown.
    value_template: isBool
      ? "{{ ('ON' if value_json.v else 'OFF') if 'v' in value_json else None }}"
      : "{{ value_json.v if 'v' in value_json else None }}",
    ...(!isBool && unit !== undefined && { unit_of_measurement: unit }),
    ...(!isBool && form !== 'text' && { state_class: counter ? 'total_increasing' : 'measurement' }),
    ...(!isBool && decimals !== undefined && { suggested_display_precision: decimals }),
    ...(periodMs !== undefined && {
      expire_after: Math.max(SOONEST_S, Math.ceil((periodMs * MISSED_PERIODS) / 1000)),
    }),
  };
}

/** A key of `cmps`. */
function keyOf(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_-]/g, '_');
}
