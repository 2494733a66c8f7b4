/** Makes an uplink of its configuration, with what it needs of the gateway. */
import { readFile } from 'node:fs/promises';
import type { GatewayView } from '../api/view.ts';
import { type Config, type SecretRef, type TagConfig, tagsOf, type UplinkConfig } from '../config/config.ts';
import { readSecret } from '../config/file/secrets.ts';
import type { Clock } from '../core/clock.ts';
import type { Alarms, EventBody } from '../core/event.ts';
import type { Logger } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import { selects } from '../core/reading.ts';
import type { Store } from '../store/store.ts';
import type { UplinkCommands } from '../uplink/commands/command-desk.ts';
import { createHttpUplink } from '../uplink/http/http-uplink.ts';
import { createMqttUplink, type MqttDeps } from '../uplink/mqtt.ts';
import type { Dial } from '../uplink/mqtt-dial.ts';
import type { CommittedValues } from '../uplink/sparkplug/committed-values.ts';
import { createEdgeNode, type EdgeNodeDeps } from '../uplink/sparkplug/edge-node.ts';
import type { Uplink } from '../uplink/uplink.ts';
import { bdSeqKey, commandKey, parsed, textList, topicsKey } from './memory.ts';
import type { Current } from './reconfigure.ts';
import { createRemoteOrders } from './remote-orders.ts';
import type { Writer } from './writer.ts';

/** What uplinks need of the gateway. */
interface UplinkMakerDeps {
  /** The configuration at the start. */
  readonly config: Config;
  readonly current: Current;
  readonly store: Store;
  /** What the store kept of the run before. */
  readonly states: ReadonlyMap<string, string>;
  readonly setState: (key: string, json: string | null) => void;
  /** Resolves when what was set is on the disk. */
  readonly flush: () => Promise<void>;
  readonly committed: CommittedValues;
  readonly alarms: Alarms;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  readonly version: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly mayLoad: Promise<void>;
  readonly write: Writer;
  readonly stopping: AbortSignal;
  /** What of the gateway orders are given to; not asked before one comes. */
  readonly view: () => Pick<GatewayView, 'orderAlarm' | 'replay' | 'production'>;
  readonly event: (body: EventBody) => void;
  readonly dial?: (uplink: string) => Dial;
  readonly createUplink?: (uplink: UplinkConfig, store: Store) => Uplink;
}

/** Whether an uplink is an edge node of Sparkplug. */
export function isEdgeNode(uplink: UplinkConfig): boolean {
  return uplink.type === 'mqtt' && uplink.sparkplug !== undefined;
}

/** What makes each uplink of a gateway, now and after a change of the configuration. */
export function createUplinkMaker(deps: UplinkMakerDeps): (uplink: UplinkConfig) => Uplink {
  const { config, states, setState, current, store, environment, log } = deps;
  const topics = topicsIn(config, states, setState);
  const births = birthsIn(states, (key, bdSeq) => {
    setState(key, bdSeq);
    return deps.flush();
  });
  return (uplink) => {
    if (deps.createUplink) return deps.createUplink(uplink, store);
    const { clock, random, version, alarms, mayLoad, committed } = deps;
    const tagConfigs = () => selectedTags(uplink, current);
    const shared = {
      clock,
      log,
      random,
      version,
      alarms,
      mayLoad,
      committed,
      epoch: store.epoch,
      gateway: current.config.gateway.id,
      location: current.config.gateway.location,
      get configHash() {
        return current.config.hash;
      },
      secrets: (ref: SecretRef) => readSecret(ref, { env: environment, warn: (message) => log.warn(message) }),
      readFile: (path: string) => readFile(path),
      ...(deps.dial && { dial: deps.dial(uplink.name) }),
      tags: () => tagConfigs().map(({ tag }) => tag.id),
      tagConfigs,
      topics: topics(uplink.name),
      births: births(uplink.name),
      commands: commandsOf(uplink, deps),
      orders: ordersOf(uplink, deps),
    };
    if (uplink.type === 'http') return createHttpUplink(uplink, shared);
    const { sparkplug } = uplink;
    return sparkplug ? createEdgeNode(uplink, sparkplug, shared) : createMqttUplink(uplink, shared);
  };
}

/** The topics that each uplink has published retained values to, kept over restarts so that they can be cleared. */
function topicsIn(config: Config, states: ReadonlyMap<string, string>, save: (key: string, list: string) => void) {
  const topics = new Map(config.uplinks.map(({ name }) => [name, textList(states.get(topicsKey(name)))]));
  return (name: string): MqttDeps['topics'] => ({
    known: topics.get(name) ?? [],
    save(list) {
      topics.set(name, list);
      save(topicsKey(name), JSON.stringify(list));
    },
  });
}

/** The numbers of the connections of edge nodes, kept over restarts. */
function birthsIn(states: ReadonlyMap<string, string>, save: (key: string, bdSeq: string | null) => Promise<void>) {
  const known = new Map<string, number | undefined>();
  return (name: string): EdgeNodeDeps['births'] => {
    const stored = parsed(states.get(bdSeqKey(name)));
    if (!known.has(name)) known.set(name, typeof stored === 'number' ? stored : undefined);
    return {
      get used() {
        return known.get(name);
      },
      save(bdSeq) {
        known.set(name, bdSeq);
        return save(bdSeqKey(name), bdSeq === undefined ? null : String(bdSeq));
      },
    };
  };
}

/** The tags of the configuration in force that an uplink sends. */
function selectedTags(uplink: UplinkConfig, { config }: Current): readonly TagConfig[] {
  const isSelected = selects(uplink);
  return tagsOf(config).filter(({ tag }) => isSelected(tag.id));
}

/** What may be ordered over an uplink; undefined: nothing, whatever else the file says. */
function ordersOf(uplink: UplinkConfig, deps: UplinkMakerDeps): UplinkCommands | undefined {
  if (!uplink.commands?.length) return undefined;
  const { states, setState, flush, event, current, write, stopping, view } = deps;
  const prefix = commandKey(uplink.name, '');
  const own = [...states].filter(([key]) => key.startsWith(prefix));
  return {
    ...createRemoteOrders(uplink, { config: () => current.config, write, view, stopping }),
    event,
    memory: {
      known: new Map(own.map(([key, json]) => [key.slice(prefix.length), json])),
      save(id, json) {
        setState(commandKey(uplink.name, id), json);
        return flush();
      },
    },
  };
}

/** What a host may do by an uplink: write what the file lets it, by the one way there is. */
function commandsOf(
  uplink: UplinkConfig,
  { current, write, stopping, event }: Pick<UplinkMakerDeps, 'current' | 'write' | 'stopping' | 'event'>,
): EdgeNodeDeps['commands'] {
  return {
    event,
    writable: () => {
      const { commands } = current.config;
      const isAllowed = commands.enabled && uplink.commands?.includes('write');
      const tags = isAllowed ? selectedTags(uplink, current).filter(({ writable }) => writable) : [];
      return new Set(tags.map(({ tag }) => tag.id));
    },
    write: (tag, value, from) => write(tag, value, { kind: 'command', from: `${uplink.name} ${from}` }, stopping),
  };
}
