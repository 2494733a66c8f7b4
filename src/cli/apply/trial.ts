/** Follows a configuration on trial at the terminal until it is kept or rolled back. */
import type { ConfigurationEntry, ConfigurationStatus, PendingConfiguration } from '../../core/configuration.ts';
import { EXIT, Fault } from '../../core/errors.ts';
import type { GatewayClient } from '../client.ts';
import { type CliContext, warn } from '../terminal/context.ts';
import { formatSpan, formatTime } from '../terminal/format.ts';

/** How often the gateway is asked how a trial goes, ms. */
const ASK_EVERY_MS = 500;

/** What became of a trial: the entry of the history, or that nobody waited for it. */
type TrialEnd = { readonly entry: ConfigurationEntry } | { readonly left: PendingConfiguration | undefined };

/**
 * Follows a configuration on trial until it is kept or rolled back, and says on standard error what happens. Ctrl-C ends
 * following, not the trial.
 */
export async function followTrial(hash: string, gateway: GatewayClient, context: CliContext): Promise<TrialEnd> {
  const said = new Set<string>();
  const say = (line: string): void => {
    if (!said.has(line)) warn(context, [line]);
    said.add(line);
  };
  let pending: PendingConfiguration | undefined;
  try {
    for (;;) {
      const status = await gateway.get<ConfigurationStatus>('/api/v1/configuration');
      const entry = status.history.find((each) => each.hash === hash);
      if (status.pending?.hash !== hash && entry) return { entry };
      if (status.pending?.hash !== hash) return { left: undefined };
      pending = status.pending;
      for (const line of progressLines(pending, context)) say(line);
      await context.clock.sleep(ASK_EVERY_MS, context.signal);
    }
  } catch (error) {
    if (context.signal.aborted) return { left: pending };
    if (error instanceof Fault && error.code === EXIT.unavailable)
      throw new Fault(
        `the gateway ended while configuration ${hash} was on trial`,
        'Its next start rolls it back: systemctl status millgate.',
        EXIT.unavailable,
        { cause: error },
      );
    throw error;
  }
}

/** What is new to be said; each line is said once. */
function progressLines(pending: PendingConfiguration, context: CliContext): string[] {
  const { devices, awaits, confirmByMs, confirmedBy } = pending;
  const flowing = devices.filter(({ state }) => state === 'flows');
  const late = devices.filter(({ state }) => state === 'late');
  const waiting = devices.filter(({ state, required }) => state === 'waiting' && required);
  return [
    ...flowing.map(({ device, channel }) => `${channel}/${device}: data flows`),
    ...late.map(
      ({ device, channel, required }) =>
        `${channel}/${device}: no data${required ? '' : '; it gave none before, and does not decide'}`,
    ),
    ...(awaits === 'data' && waiting.length > 0 && flowing.length === 0 ? [waitingLine(waiting)] : []),
    ...(confirmedBy !== undefined ? [`confirmed by ${confirmedBy}`] : []),
    ...(awaits === 'confirmation' && confirmByMs !== undefined && confirmedBy === undefined
      ? [confirmLine(confirmByMs, context)]
      : []),
  ];
}

/** Until when it may be confirmed. Said anew for each minute that is left, so that it stays calm. */
function confirmLine(confirmByMs: number, context: CliContext): string {
  const leftMs = Math.max(0, confirmByMs - context.clock.wallMs());
  const rounded = leftMs > 60_000 ? Math.ceil(leftMs / 60_000) * 60_000 : Math.ceil(leftMs / 15_000) * 15_000;
  return `Everything flows. Until ${formatTime(confirmByMs, context, 'clock-seconds')}, in less than ${formatSpan(rounded)}: millgate confirm keeps it, else it is rolled back.`;
}

function waitingLine(devices: PendingConfiguration['devices']): string {
  const longestMs = Math.max(...devices.map(({ deadlineMs }) => deadlineMs));
  const names = devices.map(({ device }) => device).slice(0, 5);
  const more = devices.length > names.length ? ` and ${devices.length - names.length} more` : '';
  return `waiting up to ${formatSpan(longestMs)} for a good reading from ${names.join(', ')}${more}`;
}

/** What happens to a configuration on trial when nobody waits for it. */
export function leftLine(left: PendingConfiguration | undefined, context: CliContext): string {
  const needs =
    left?.confirmByMs === undefined || left.confirmedBy !== undefined
      ? 'It is kept when data flows, else rolled back, by itself.'
      : `It is rolled back unless millgate confirm is given until ${formatTime(left.confirmByMs, context, 'clock-seconds')} and data flows.`;
  return `The configuration stays on trial. ${needs} millgate apply --history tells what became of it.`;
}
