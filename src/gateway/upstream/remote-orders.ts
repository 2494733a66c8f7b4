/** What may be ordered over an uplink, and how it is done: never more than the file allows, and only of what the uplink is sent. */
import type { GatewayView } from '../../api/view.ts';
import { type Config, tagsOf, type UplinkConfig } from '../../config/config.ts';
import type { CommandKind } from '../../core/configuration.ts';
import { messageOf } from '../../core/errors.ts';
import { selects, type TagId } from '../../core/reading.ts';
import type { Outcome, UplinkCommands } from '../../uplink/commands/command-desk.ts';
import type { Asked } from '../../uplink/commands/parsed-command.ts';
import type { Writer } from '../writer.ts';

/** What carries orders out. */
interface OrderDeps {
  /** The configuration in force. */
  readonly config: () => Config;
  readonly write: Writer;
  readonly view: () => Pick<GatewayView, 'orderAlarm' | 'replay' | 'production'>;
  readonly stopping: AbortSignal;
}

const NOTHING: ReadonlySet<CommandKind> = new Set();

const refused = (why: string): Outcome => ({ ok: false, outcome: 'refused', why });

/** The orders of one uplink. */
export function createRemoteOrders(
  uplink: UplinkConfig,
  deps: OrderDeps,
): Pick<UplinkCommands, 'allowed' | 'carryOut'> {
  const kinds = new Set(uplink.commands);
  return {
    allowed: () => (deps.config().commands.enabled ? kinds : NOTHING),
    carryOut: (asked, who) => carryOut(asked, who, uplink, deps).catch((error: unknown) => refused(messageOf(error))),
  };
}

async function carryOut(
  asked: Asked,
  { by, from }: { readonly by: string; readonly from: string },
  uplink: UplinkConfig,
  deps: OrderDeps,
): Promise<Outcome> {
  const why = outOfReach(asked, uplink, deps.config());
  if (why !== undefined && asked.kind !== 'write') return refused(why);
  const orderer = { by: `${by} over ${from}` };
  const view = deps.view();
  switch (asked.kind) {
    case 'write':
      return write(asked.tag, asked.value, { by, from }, why, deps);
    case 'ack':
      await view.orderAlarm(asked.alarm, { do: 'ack', occurrence: asked.occurrence }, orderer);
      return { ok: true, detail: {} };
    case 'shelve':
      await view.orderAlarm(asked.alarm, { do: 'shelve', forMs: asked.forMs }, orderer);
      return { ok: true, detail: {} };
    case 'replay': {
      const { stream, from: first, to } = asked;
      const { count, stored } = await view.replay(uplink.name, { stream, from: first, to }, orderer.by);
      return { ok: true, detail: { count, stored } };
    }
    case 'reason': {
      const { machine, code, stop } = asked;
      if (!view.production) return refused('this gateway counts no production');
      await view.production.code(machine, { ...orderer, code, stop, fromMs: undefined, join: undefined });
      return { ok: true, detail: {} };
    }
  }
}

/** A write that is not allowed is refused by the writer, too, which keeps the audit of every attempt. */
async function write(
  tag: TagId,
  value: Parameters<Writer>[1],
  { by, from }: { readonly by: string; readonly from: string },
  why: string | undefined,
  { write: writer, stopping }: OrderDeps,
): Promise<Outcome> {
  try {
    const origin = { kind: 'command', by, from, ...(why !== undefined && { refusedBecause: why }) } as const;
    const result = await writer(tag, value, origin, stopping);
    if (!result.ok) return { ok: false, outcome: result.kind, why: result.why };
    const { readBack } = result;
    return { ok: true, detail: { readBack: typeof readBack === 'bigint' ? String(readBack) : (readBack ?? null) } };
  } catch (error) {
    return { ok: false, outcome: 'unknown', why: messageOf(error) };
  }
}

/** Why an order is about something that this uplink is not sent; undefined where it is not. */
function outOfReach(asked: Asked, uplink: UplinkConfig, config: Config): string | undefined {
  const isSent = selects(uplink);
  const notSent = (what: string) =>
    `${what} is not sent to ${uplink.name} (only, except), which may not order anything of it`;
  switch (asked.kind) {
    case 'write': {
      const known = tagsOf(config).find(({ tag }) => tag.id === asked.tag);
      if (!known) return `there is no tag ${JSON.stringify(asked.tag)}`;
      if (!isSent(asked.tag)) return notSent(asked.tag);
      return known.writable
        ? undefined
        : `${asked.tag} is not writable: give it writable: {min: …, max: …} in the configuration`;
    }
    case 'replay':
      return undefined;
    case 'ack':
    case 'shelve': {
      if (!uplink.events) return `${uplink.name} is sent no events, and may not order alarms`;
      const { alarm } = asked;
      const device = /^(.+):instrument$/.exec(alarm)?.[1];
      const tag = config.alarms.find(({ id }) => id === alarm)?.tag;
      const isReached =
        device !== undefined
          ? tagsOf(config).some(({ tag: { id } }) => id.startsWith(`${device}/`) && isSent(id))
          : tag === undefined || isSent(tag);
      return isReached ? undefined : notSent(alarm);
    }
    case 'reason': {
      if (!uplink.events) return `${uplink.name} is sent no events, and may not give reasons`;
      const machine = config.production.find(({ id }) => id === asked.machine);
      return machine && !isSent(machine.count.tag) ? notSent(asked.machine) : undefined;
    }
  }
}
