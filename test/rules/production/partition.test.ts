/** Whatever happens, the parts of a shift sum to it, none negative, none overlapping; and a restart changes nothing. */
import { describe, expect, it } from 'vitest';
import type { ProductionReport } from '../../../src/core/production/production.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { HOUR, MIN, MONDAY, machineConfig, type Said, TestMachine } from './machine.ts';

/** Sequences tried, and those that are cut by restarts; MILLGATE_SEQUENCES=10000 MILLGATE_RESTARTS=10000 for as many as the promise is made of. */
const SEQUENCES = Number(process.env.MILLGATE_SEQUENCES ?? 60);
const RESTARTS = Number(process.env.MILLGATE_RESTARTS ?? 12);

const LATE = {
  name: 'late',
  days: [0, 1, 2, 3, 4, 5, 6],
  fromMin: 840,
  toMin: 1320,
  breaks: [{ fromMin: 1080, toMin: 1110 }],
};

type Action =
  | { readonly do: 'say'; readonly at: number; readonly said: Said }
  | {
      readonly do: 'code';
      readonly at: number;
      readonly code: string;
      readonly stop: number;
      readonly split: number | undefined;
      readonly join: boolean;
    }
  /** The power goes: what was stored is what the machine goes on from. */
  | { readonly do: 'cut' }
  | { readonly do: 'step'; readonly ms: number };

/** What may happen to a machine in a day. */
function sequence(seed: number): readonly Action[] {
  const random = seededRandom(seed);
  const within = (from: number, to: number) => Math.round(from + random() * (to - from));
  const actions: Action[] = [];
  let at = MONDAY + within(0, 12 * HOUR);
  let parts = within(0, 60_000);
  let running: boolean | undefined = true;
  let code = 0;
  while (at < MONDAY + 40 * HOUR) {
    const dice = random();
    if (dice < 0.12) running = !running;
    else if (dice < 0.15) running = undefined;
    else if (dice < 0.18) code = [0, 10, 20, 30, 99][within(0, 4)]!;
    else if (dice < 0.24)
      actions.push({
        do: 'code',
        at: at + 1,
        code: ['10', '20', '30'][within(0, 2)]!,
        stop: within(1, 12),
        split: random() < 0.4 ? at - within(0, 3 * HOUR) : undefined,
        join: random() < 0.2,
      });
    else if (dice < 0.26) actions.push({ do: 'step', ms: within(-2 * HOUR, 2 * HOUR) });
    else if (dice < 0.28) parts = within(0, 5);
    else if (dice < 0.3) actions.push({ do: 'cut' });
    at += random() < 0.05 ? within(MIN, 5 * HOUR) : within(1000, 30_000) * (random() < 0.5 ? 1 : 8);
    if (running) parts += within(0, 20);
    actions.push({ do: 'say', at, said: { parts, rejects: Math.floor(parts / 50), running, code, kwh: at / HOUR } });
  }
  return actions;
}

function played(
  actions: readonly Action[],
  over: Parameters<typeof machineConfig>[0],
  cutAt?: (index: number) => boolean,
): TestMachine {
  const config = machineConfig(over);
  const machine = new TestMachine({ ...config, shifts: [...config.shifts, LATE], silenceMs: 4 * MIN });
  let last = 0;
  for (const [index, action] of actions.entries()) {
    if (action.do === 'say') {
      machine.say(action.at, action.said);
      last = action.at;
    } else if (action.do === 'step') machine.offsetMs += action.ms;
    else if (action.do === 'cut') machine.restart(false);
    else {
      const { code, stop, split, join } = action;
      machine.code(action.at, {
        code,
        stop,
        ...(split !== undefined && { fromMs: split + machine.offsetMs }),
        ...(join && { join: stop + 1 }),
      });
    }
    if (cutAt?.(index)) machine.restart();
  }
  machine.offsetMs = 0;
  machine.tick(last + 24 * HOUR);
  return machine;
}

/** Everything that is wrong with a report. */
function wrongIn(report: ProductionReport): string[] {
  const { plannedMs, breakMs, busyMs, runMs, setupMs, unplannedMs, noDataMs, microStopMs, unknownMs, stops } = report;
  const plannedStopMs = plannedMs - breakMs - busyMs;
  const parts = { breakMs, plannedStopMs, runMs, setupMs, unplannedMs, noDataMs, microStopMs, unknownMs };
  const wrong = Object.entries(parts).flatMap(([name, ms]) =>
    ms < 0 || !Number.isInteger(ms) ? [`${name} ${ms}`] : [],
  );
  const sum = breakMs + plannedStopMs + setupMs + unplannedMs + noDataMs + runMs;
  if (sum !== report.to - report.from) wrong.push(`parts sum to ${sum}, the shift is ${report.to - report.from}`);
  if (microStopMs > runMs) wrong.push('micro-stops are longer than the run time');
  if (new Set(stops.map(({ n }) => n)).size !== stops.length) wrong.push('two stops have one number');
  const inOrder = [...stops].sort((a, b) => a.from - b.from);
  for (const [index, { n, from, to, ms }] of inOrder.entries()) {
    if (from < report.from || to > report.to) wrong.push(`stop ${n} is outside`);
    if (ms > to - from || ms < 0) wrong.push(`stop ${n} has ${ms} of ${to - from}`);
    if (index > 0 && from < inOrder[index - 1]!.to) wrong.push(`stop ${n} overlaps`);
  }
  const listed = stops.reduce((all, { ms }) => all + ms, 0);
  if (listed !== plannedStopMs + setupMs + unplannedMs + microStopMs) wrong.push('the stops do not sum to their kinds');
  return wrong;
}

describe.each([
  ['with a running signal', {}],
  ['by its counter', { running: undefined }],
] as const)('a machine %s', (_title, over) => {
  it(`divides the time of each shift, in ${SEQUENCES} sequences`, { timeout: 3_600_000 }, () => {
    for (let seed = 1; seed <= SEQUENCES; seed++) {
      const { reports } = played(sequence(seed), over);
      expect(reports.length, `seed ${seed}`).toBeGreaterThan(1);
      for (const report of reports) expect(wrongIn(report), `seed ${seed}`).toEqual([]);
    }
  });

  it(`gives the same reports however it is cut by restarts, in ${RESTARTS} sequences`, { timeout: 3_600_000 }, () => {
    for (let seed = 1; seed <= RESTARTS; seed++) {
      // After a start only a short silence is believed: where the next reading comes later, the time has no data.
      const actions = sequence(seed).filter((each) => each.do !== 'step' && each.do !== 'cut');
      const random = seededRandom(seed);
      // Everywhere in every second sequence, else by chance.
      const cut = (index: number): boolean => {
        const [now, next] = [actions[index], actions[index + 1]];
        const isBelieved = now?.do === 'say' && next?.do === 'say' && next.at - now.at <= 5000;
        return isBelieved && (seed % 2 === 0 || random() < 0.3);
      };
      expect(played(actions, over, cut).reports, `seed ${seed}`).toEqual(played(actions, over).reports);
    }
  });
});

describe('a running signal', () => {
  it('gives the run time that a count by the second gives', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      const machine = new TestMachine(machineConfig());
      let running = true;
      const seconds = { run: 0, long: 0 };
      let stopped = 0;
      const close = (): void => {
        seconds[stopped >= 300 ? 'long' : 'run'] += stopped;
        stopped = 0;
      };
      for (let second = 0; second <= 8 * 3600; second += 10) {
        const at = MONDAY + 6 * HOUR + second * 1000;
        if (random() < 0.01) running = !running;
        machine.say(at, { parts: 1, running });
        const isBreak = second >= 210 * 60 && second < 225 * 60;
        if (running && stopped > 0) close();
        if (isBreak || second === 8 * 3600) continue;
        if (running) seconds.run += 10;
        else stopped += 10;
      }
      close();
      machine.tick(MONDAY + 14 * HOUR + 2000);
      expect(machine.reports[0], `seed ${seed}`).toMatchObject({
        runMs: seconds.run * 1000,
        unplannedMs: seconds.long * 1000,
        noDataMs: 0,
      });
    }
  });
});
