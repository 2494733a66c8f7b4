/** The metrics of the edge node itself: who it is, and the events of the gateway, as the JSON they have elsewhere. */
import type { JsonEncoder } from '../json.ts';
import type { OutgoingBatch } from '../uplink.ts';
import type { CommittedValues } from './committed-values.ts';
import { bdSeqMetric } from './node-publisher.ts';
import { type Metric, TYPE } from './payload.ts';
import type { Aliases } from './roster.ts';

/** Name of the metric by which a host asks for births. */
export const REBIRTH = 'Node Control/Rebirth';

/** Kinds of events; each is a metric of the node, so that none that the backlog holds is left without one. */
const KINDS = ['alarm', 'spc', 'production', 'maintenance', 'gap', 'quality', 'lifecycle', 'audit'] as const;

/** What the metrics of a node are made of. */
interface NodeEventsDeps {
  readonly committed: CommittedValues;
  readonly aliases: Aliases;
  readonly encoder: JsonEncoder;
  readonly epoch: string;
  /** Whether events are sent: without them they have no metrics. */
  readonly hasEvents: boolean;
  /** Facts about the gateway that an NBIRTH tells, by name; asked each time. */
  readonly facts: () => Readonly<Record<string, string>>;
}

/** The metrics of the node during one session. */
export class NodeEvents {
  private readonly deps: NodeEventsDeps;
  private readonly shown = new Map<string, number>();

  constructor(deps: NodeEventsDeps) {
    this.deps = deps;
  }

  /** The metrics of an NBIRTH. */
  birth(bdSeq: number, nowMs: number): Metric[] {
    const { aliases, facts, hasEvents } = this.deps;
    const rebirth = { as: 'boolean', value: false } as const;
    return [
      { ...bdSeqMetric(bdSeq, nowMs), alias: aliases.of('bdSeq') },
      // The standard wants this one without an alias.
      { name: REBIRTH, timestampMs: nowMs, datatype: TYPE.boolean, value: rebirth },
      ...Object.entries(facts()).map(([fact, value]): Metric => {
        const name = `Properties/${fact}`;
        const text = { as: 'string', value } as const;
        return { name, alias: aliases.of(name), timestampMs: nowMs, datatype: TYPE.string, value: text };
      }),
      ...(hasEvents ? KINDS : []).map((kind) => this.birthOf(kind, nowMs)),
    ];
  }

  /** An event as the metric of an NDATA; one from before the start, or older than one that was shown, is history. */
  data({ epoch, seq, event }: Extract<OutgoingBatch, { kind: 'event' }>): Metric {
    const { kind } = event.body;
    const isPresent = seq > (this.shown.get(kind) ?? 0) && !this.deps.committed.isOldEvent(seq);
    if (isPresent) this.shown.set(kind, seq);
    const value = { as: 'string', value: this.deps.encoder.batch({ kind: 'event', epoch, seq, event }) } as const;
    const alias = this.deps.aliases.of(nameOf(kind));
    return { alias, timestampMs: event.wallMs, ...(!isPresent && { isHistorical: true }), value };
  }

  private birthOf(kind: (typeof KINDS)[number], nowMs: number): Metric {
    const { aliases, committed, encoder, epoch } = this.deps;
    const name = nameOf(kind);
    const born = { name, alias: aliases.of(name), datatype: TYPE.string };
    const newest = committed.event(kind);
    if (!newest) return { ...born, timestampMs: nowMs, isNull: true };
    this.shown.set(kind, newest.seq);
    const value = { as: 'string', value: encoder.batch({ kind: 'event', epoch, ...newest }) } as const;
    return { ...born, timestampMs: newest.event.wallMs, value };
  }
}

function nameOf(kind: string): string {
  return `Events/${kind}`;
}
