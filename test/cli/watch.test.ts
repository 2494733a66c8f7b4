import { describe, expect, it } from 'vitest';
import { displayWidth } from '../../src/cli/table.ts';
import { EXIT } from '../../src/core/errors.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { millgate, serve, until } from '../double/command-line.ts';
import { fakeGateway, SIX } from '../double/fake-gateway.ts';
import { Terminal } from '../double/terminal.ts';

const oven = (value: number, wallMs = SIX) =>
  ({ tag: 'oven/temp', wallMs, monoMs: 0, quality: 'good', value }) as const;

/** A watch on a terminal, with a clock that the test moves. */
async function watchOn(terminal: Terminal, args: readonly string[] = [], env: Record<string, string> = {}) {
  const view = fakeGateway();
  const { api, socketPath } = await serve(view);
  const clock = new SimulatedClock(SIX);
  const run = millgate(['watch', ...args], { terminal, clock, env: { MILLGATE_SOCKET: socketPath, ...env } });
  await until(() => terminal.isOnAlternatePage && view.followers() === 1);
  return { view, api, clock, run };
}

describe('watch on a terminal', () => {
  it('shows value, unit, age, quality and rate, and redraws in place', async () => {
    const terminal = new Terminal();
    const { view, clock, run } = await watchOn(terminal);
    await clock.advance(2000);
    view.make([oven(200, SIX + 2000)]);
    await until(() => {
      terminal.resize(80, 24);
      return terminal.lines.some((line) => line.includes('200'));
    });
    expect(terminal.lines).toEqual([
      '4 tags: 3 good, 1 bad',
      '',
      'tag                             value  unit  age  quality        rate',
      'press-1/oil-temp                 45.2  °C     2s  good            0/s',
      'press-1/pressure                    –  bar    2s  bad timeout     0/s',
      'press-1/parts     9223372036854775808         2s  good            0/s',
      'oven/temp                         200  °C    now  good         0.50/s',
      '',
      'Ctrl-C ends',
    ]);
    run.interrupt();
    await run.exitCode;
  });

  it('rewrites only what changed', async () => {
    const terminal = new Terminal();
    const { clock, run } = await watchOn(terminal);
    const first = terminal.written.length;
    await clock.advance(500);
    expect(terminal.written.length).toBe(first);
    await clock.advance(500);
    const rewritten = terminal.written.slice(first);
    expect(rewritten).toContain('1s');
    expect(rewritten).not.toContain('4 tags');
    run.interrupt();
    expect(await run.exitCode).toBe(EXIT.ok);
  });

  it('gives the terminal back on Ctrl-C and leaves the last table on it', async () => {
    const terminal = new Terminal();
    const { run } = await watchOn(terminal);
    expect(terminal.isCursorShown).toBe(false);
    const pressedMs = performance.now();
    run.interrupt();
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(performance.now() - pressedMs).toBeLessThan(1000);
    expect(terminal).toMatchObject({ isCursorShown: true, doesWrap: true, isOnAlternatePage: false });
    expect(terminal.lines[1]).toMatch(/^press-1\/oil-temp/);
    expect(run.err()).toBe('');
  });

  it.each([40, 80, 120])('keeps to %i columns, and to a window that changes its size', async (columns) => {
    const terminal = new Terminal(120);
    const { run } = await watchOn(terminal);
    terminal.resize(columns, 24);
    for (const line of terminal.lines) expect(displayWidth(line), line).toBeLessThanOrEqual(columns);
    expect(terminal.lines.some((line) => /oil-temp +45\.2/.test(line))).toBe(true);
    run.interrupt();
    await run.exitCode;
  });

  it('says how many tags do not fit in a low window', async () => {
    const terminal = new Terminal(80, 7);
    const { run } = await watchOn(terminal);
    expect(terminal.lines).toHaveLength(7);
    expect(terminal.lines[4]).toBe('… 3 more tags');
    run.interrupt();
    await run.exitCode;
  });

  it('has no colours with NO_COLOR', async () => {
    const terminal = new Terminal();
    const { run } = await watchOn(terminal, [], { NO_COLOR: '1' });
    run.interrupt();
    await run.exitCode;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
    expect(terminal.written.match(/\u001b\[[1-9]\d*m/g)).toBeNull();
  });

  it('keeps trying when the gateway goes away, and says so', async () => {
    const terminal = new Terminal();
    const { api, clock, run } = await watchOn(terminal);
    await api.close();
    await until(() => {
      clock.advance(500);
      return terminal.lines.at(-1)?.includes('gateway') ?? false;
    });
    expect(terminal.lines.at(-1)).toMatch(/^(the gateway went away; trying again|no gateway answers on )/);
    run.interrupt();
    expect(await run.exitCode).toBe(EXIT.ok);
  });
});

describe('watch in a pipe', () => {
  async function pipe(args: readonly string[]) {
    const view = fakeGateway();
    const { api, socketPath } = await serve(view);
    const run = millgate(['watch', ...args], { env: { MILLGATE_SOCKET: socketPath } });
    await until(() => view.followers() === 1);
    view.make([oven(200), { tag: 'press-1/pressure', wallMs: SIX, monoMs: 0, quality: 'bad', why: 'timeout' }]);
    await until(() => run.out() !== '');
    return { api, run };
  }

  it('prints one line a reading, with tabs between', async () => {
    const { run } = await pipe([]);
    run.interrupt();
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.out()).toBe(
      '2025-11-24T06:00:00.000Z\toven/temp\t200\t°C\tgood\n2025-11-24T06:00:00.000Z\tpress-1/pressure\t\tbar\tbad\ttimeout\n',
    );
  });

  it('prints one JSON object a line, only of the tags asked for', async () => {
    const { run } = await pipe(['oven/*', '--json']);
    run.interrupt();
    await run.exitCode;
    expect(run.out()).toBe(`{"tag":"oven/temp","t":${SIX},"quality":"good","value":200,"unit":"°C"}\n`);
  });

  it('ends with 69 when the gateway goes away', async () => {
    const { api, run } = await pipe([]);
    await api.close();
    expect(await run.exitCode).toBe(EXIT.unavailable);
    expect(run.err()).toContain('no gateway answers');
  });

  it('ends with 69 and the remedy when no gateway runs', async () => {
    const run = millgate(['watch']);
    expect(await run.exitCode).toBe(EXIT.unavailable);
    expect(run.err()).toBe(
      'millgate: no gateway answers on /nonexistent/api.sock. Start it: systemctl start millgate, or millgate run.\n',
    );
  });
});
