/** Judges whether records reach the other side, and whether they will go on doing so. */
import { formatDuration } from '../core/quantity.ts';
import type { UplinkStatus } from '../uplink/uplink.ts';
import type { BrokerFacts, RunningFacts } from './facts.ts';
import { causeAndRemedy, type Found, withTry } from './finding.ts';

/** A backlog smaller than this is what is under way, records. */
const SMALL_BACKLOG = 1000;

/** More sessions an hour than this, and at least so many, are a link that does not hold. */
const SESSIONS_AN_HOUR = 2;
const FEW_SESSIONS = 4;

/** A certificate that ends within so many days is broken soon. */
const SOON_DAYS = 7;

/** Whether records reach the broker, and whether they will go on doing so. Pure. */
export function uplinkFindings(brokers: readonly BrokerFacts[], running: RunningFacts | undefined): Found[] {
  return [
    ...(running?.status.uplinks ?? []).flatMap((uplink) =>
      sessionFindings(uplink, running!, placeOf(uplink.name, brokers)),
    ),
    ...brokers.flatMap((broker) => brokerFindings(broker, stateOf(broker.uplink, running))),
  ];
}

/** Host and port of a broker. */
interface Place {
  readonly host: string;
  readonly port: string;
}

function placeOf(name: string, brokers: readonly BrokerFacts[]): Place | undefined {
  const address = brokers.find(({ uplink }) => uplink === name)?.address;
  const match = /^(.*):(\d+)$/.exec(address ?? '');
  return match ? { host: match[1]!, port: match[2]! } : undefined;
}

function stateOf(name: string, running: RunningFacts | undefined): UplinkStatus['state'] | undefined {
  return running?.status.uplinks.find((uplink) => uplink.name === name)?.state;
}

function sessionFindings(uplink: UplinkStatus, running: RunningFacts, place: Place | undefined): Found[] {
  const { name, state, reason, sessions } = uplink;
  const { nowMs, startedMs } = running.status;
  if (state !== 'connected') {
    if (reason === undefined) return [];
    const { cause, remedy } = causeAndRemedy(reason, 'See its log: journalctl -u millgate -n 50');
    const pending = uplink.pendingRecords + uplink.pendingEvents;
    const since = formatDuration(Math.max(1000, nowMs - uplink.sinceMs));
    return [
      {
        severity: 'broken',
        step: 'uplink',
        where: name,
        remedy: withTry(remedy, place),
        cause: `${cause}; ${pending} records and events wait, not connected for ${since}`,
      },
    ];
  }
  if (reason !== undefined) {
    const { cause, remedy } = causeAndRemedy(reason, "Look at the broker's access list and its log");
    const refused: Found = { severity: 'warning', step: 'uplink', where: name, cause, remedy };
    return [refused, ...backlogFindings(uplink, running)];
  }
  const hours = Math.max(1, (nowMs - startedMs) / 3_600_000);
  const flapping: Found[] =
    sessions >= FEW_SESSIONS && sessions / hours > SESSIONS_AN_HOUR
      ? [
          {
            severity: 'warning',
            step: 'uplink',
            where: name,
            cause: `${sessions} sessions in ${formatDuration(nowMs - startedMs)}: the link does not hold, or another client has the same id`,
            remedy: `See why each ended: journalctl -u millgate -g ${name}; look in the broker's log for a second client of this id`,
          },
        ]
      : [];
  return [...flapping, ...backlogFindings(uplink, running)];
}

function backlogFindings({ name, pendingRecords, catchUpSeconds }: UplinkStatus, running: RunningFacts): Found[] {
  const { before, status } = running;
  const then = before?.uplinks.find((uplink) => uplink.name === name);
  if (pendingRecords < SMALL_BACKLOG || !before || !then) return [];
  const grown = pendingRecords - then.pendingRecords;
  const over = formatDuration(status.nowMs - before.nowMs);
  if (grown >= 0)
    return [
      {
        severity: 'warning',
        step: 'uplink',
        where: name,
        cause: `the backlog does not shrink: ${then.pendingRecords} records waited, ${over} later ${pendingRecords}`,
        remedy:
          'Raise backfillRate at the uplink, or look at what slows the network or the broker: ping, its load, its limits',
      },
    ];
  const left = catchUpSeconds === undefined ? '' : `, caught up in about ${formatDuration(catchUpSeconds * 1000)}`;
  return [
    {
      severity: 'hint',
      step: 'uplink',
      where: name,
      cause: `${pendingRecords} records still wait, ${-grown} fewer than ${over} before${left}`,
      remedy: 'Nothing but time; backfillRate at the uplink sets how fast it goes',
    },
  ];
}

function brokerFindings(broker: BrokerFacts, state: UplinkStatus['state'] | undefined): Found[] {
  const { uplink, trouble, certificates } = broker;
  const common = { step: 'uplink', where: uplink } as const;
  const judged = certificates.map(({ stage, message }): Found => {
    const { cause, remedy } = causeAndRemedy(message, 'Renew it.');
    const severity = stage === 0 || stage === 'not-yet' ? 'broken' : stage <= SOON_DAYS ? 'warning' : 'hint';
    return { ...common, severity, cause, remedy };
  });
  // What the gateway says of its own attempts is later and nearer than what was asked beside it.
  const isTold = state !== undefined && state !== 'connected';
  if (trouble === undefined || isTold) return judged;
  const { cause, remedy } = causeAndRemedy(trouble, "Look at the broker's log.");
  const tried = withTry(remedy, placeOf(uplink, [broker]));
  return [...judged, { ...common, severity: state === 'connected' ? 'warning' : 'broken', cause, remedy: tried }];
}
