import { describe, expect, it } from 'vitest';
import type { GatewayView } from '../../src/api/view.ts';
import type { CliContext } from '../../src/cli/terminal/context.ts';
import { openScreen } from '../../src/cli/terminal/screen.ts';
import { displayWidth } from '../../src/cli/terminal/table.ts';
import { EXIT } from '../../src/core/errors.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { millgate, serve, until } from '../double/command-line.ts';
import { fakeGateway, SIX } from '../double/fake-gateway.ts';
import { Terminal } from '../double/terminal.ts';

const oven = (value: number, wallMs = SIX) =>
  ({ tag: 'oven/temp', wallMs, monoMs: 0, quality: 'good', value }) as const;

/** A watch on a terminal, with a clock that the test moves. */
async function watchOn(
  terminal: Terminal,
  args: readonly string[] = [],
  env: Record<string, string> = {},
  over: Partial<GatewayView> = {},
) {
  const view = fakeGateway({ history: async () => ({ points: [], next: undefined }), ...over });
  const { api, socketPath } = await serve(view);
  const clock = new SimulatedClock(SIX);
  const run = millgate(['watch', ...args], { terminal, clock, env: { MILLGATE_SOCKET: socketPath, ...env } });
  await until(() => terminal.isOnAlternatePage && view.followers() === 1);
  return { view, api, clock, run, socketPath };
}

describe('watch on a terminal', () => {
  it('shows value, unit, trend, age, rate and quality below each device, decimal points below each other', async () => {
    const terminal = new Terminal();
    const { view, clock, run } = await watchOn(terminal);
    await clock.advance(2000);
    view.make([oven(198.5, SIX + 1000), oven(200.25, SIX + 2000)]);
    await until(() => {
      terminal.resize(80, 24);
      return terminal.lines.some((line) => line.includes('200.25'));
    });
    expect(terminal.lines).toEqual([
      'press-shop-1  4 tags: 3 good, 1 bad',
      '',
      'tag                         value  unit  last 3 min     age    rate  quality',
      'press-1',
      '  oil-temp                  45.2   °C               ▄    2s          good',
      '  pressure                   –     bar              ×    2s          bad timeout',
      '  parts       9223372036854775808                        2s          good',
      'oven',
      '  temp                     200.25  °C               ▄   now   1.0/s  good',
      '',
      'ALARM    STATE    PRIORITY  SINCE  MESSAGE         REMARK',
      'oil-hot  unacked  high         1m  Oil at 81.5 °C  no. 3, first out',
      'Ctrl-C ends',
    ]);
    run.interrupt();
    await run.exitCode;
  });

  it('fills the trend with what the store has of the last three minutes', async () => {
    const points = [4, 3, 2, 1].map((value) => ({
      seq: 10 - value,
      wallMs: SIX - value * 30_000,
      quality: 'good' as const,
      value: 260 - 10 * value,
    }));
    const terminal = new Terminal();
    const over = { history: async () => ({ points, next: undefined }) };
    const { clock, run } = await watchOn(terminal, ['oven/temp'], {}, over);
    await until(() => {
      clock.advance(500);
      return terminal.lines.some((line) => line.includes('▁ ▃ ▅ ▆ █'));
    });
    run.interrupt();
    await run.exitCode;
  });

  it('writes only the lines that changed', async () => {
    const terminal = new Terminal();
    const { clock, run } = await watchOn(terminal);
    await clock.advance(2500);
    const first = terminal.written.length;
    await clock.advance(500);
    const rewritten = terminal.written.slice(first);
    expect(terminal.lines[4]).toMatch(/ 3s /);
    expect(rewritten).toContain('oil-temp');
    expect(rewritten).not.toMatch(/press-1|quality|Ctrl-C/);
    run.interrupt();
    expect(await run.exitCode).toBe(EXIT.ok);
  });

  it('fills the terminal to its last column, and leaves nothing of a longer line', async () => {
    const terminal = new Terminal(40, 10);
    const screen = openScreen({ ...terminal, stdout: terminal, rows: () => 10 } as unknown as CliContext);
    screen.draw(['x'.repeat(40), 'second']);
    screen.draw(['short', 'second']);
    expect(terminal.lines).toEqual(['short', 'second']);
    screen.draw(['y'.repeat(40)]);
    expect(terminal.lines).toEqual(['y'.repeat(40)]);
  });

  it('writes at most twice a second, and each line once a second, with 30 tags that change every second', async () => {
    const tags = Array.from({ length: 30 }, (_, index) => {
      const tag = `press-${index % 3}/value-${index}` as const;
      return { tag, unit: 'bar', everyMs: 1000, description: undefined, last: undefined, readings: 0 };
    });
    const view = fakeGateway({ tags: () => tags });
    const { socketPath } = await serve(view);
    const terminal = new Terminal(80, 40);
    const clock = new SimulatedClock(SIX);
    const run = millgate(['watch'], { terminal, clock, env: { MILLGATE_SOCKET: socketPath } });
    await until(() => terminal.isOnAlternatePage && view.followers() === 1);
    const SECONDS = 20;
    let chunks = 0;
    let bytes = 0;
    const write = terminal.write.bind(terminal);
    terminal.write = (text) => {
      chunks++;
      bytes += Buffer.byteLength(text);
      return write(text);
    };
    for (let second = 1; second <= SECONDS; second++) {
      const wallMs = SIX + second * 1000;
      await clock.advance(1000);
      view.make(
        tags.map(({ tag }, index) => ({ tag, wallMs, monoMs: 0, quality: 'good', value: index + second / 10 })),
      );
      const shown = `0.${second % 10 || ''}`.replace(/\.$/, '');
      await until(() => {
        if (second < SECONDS) return true;
        clock.advance(500);
        return terminal.lines.some((line) => line.includes('value-0') && line.includes(shown));
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(chunks).toBeLessThanOrEqual(2 * SECONDS + 20);
    expect(bytes / SECONDS).toBeLessThan(36 * 150);
    run.interrupt();
    await run.exitCode;
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
    expect(terminal.lines.slice(1, 3)).toEqual(['press-1', expect.stringMatching(/^ {2}oil-temp/)]);
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

  it('shows the most urgent alarms that stand, and how many more there are', async () => {
    const [oilHot] = fakeGateway().alarms().alarms;
    const alarms = Array.from({ length: 7 }, (_, index) => ({
      ...oilHot!,
      id: `hot-${index}`,
      sinceMs: SIX - 1000 * index,
    }));
    alarms[6] = { ...alarms[6]!, priority: 'critical' };
    const terminal = new Terminal();
    const { clock, run } = await watchOn(terminal, [], {}, { alarms: () => ({ alarms, floodForMs: undefined }) });
    await until(() => {
      clock.advance(500);
      return terminal.lines.some((line) => line.startsWith('ALARM'));
    });
    const first = terminal.lines.findIndex((line) => line.startsWith('ALARM')) + 1;
    const shown = terminal.lines.slice(first, first + 6).map((line) => line.split(' ')[0]);
    expect(shown).toEqual(['hot-6', 'hot-0', 'hot-1', 'hot-2', 'hot-3', '…']);
    expect(terminal.lines[first + 5]).toBe('… 2 more: millgate alarms');
    run.interrupt();
    await run.exitCode;
  });

  it('says how many tags do not fit in a low window', async () => {
    const terminal = new Terminal(80, 7);
    const { run } = await watchOn(terminal, [], {}, { alarms: () => ({ alarms: [], floodForMs: undefined }) });
    expect(terminal.lines).toHaveLength(7);
    expect(terminal.lines[4]).toBe('… 3 more: 1 good, 1 uncertain, 1 bad; --sort quality shows those first');
    run.interrupt();
    await run.exitCode;
  });

  it('prints lines on a terminal that knows no cursor', async () => {
    const terminal = new Terminal();
    const view = fakeGateway();
    const { socketPath } = await serve(view);
    const run = millgate(['watch'], { terminal, env: { MILLGATE_SOCKET: socketPath, TERM: 'dumb' } });
    await until(() => view.followers() === 1);
    view.make([oven(200)]);
    await until(() => run.out() !== '');
    run.interrupt();
    await run.exitCode;
    expect(run.out()).toBe('2025-11-24T06:00:00.000Z\toven/temp\t200\t°C\tgood\n');
  });

  it('has no colours with NO_COLOR', async () => {
    const terminal = new Terminal();
    const { run } = await watchOn(terminal, [], { NO_COLOR: '1' });
    run.interrupt();
    await run.exitCode;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
    expect(terminal.written.match(/\u001b\[[1-9]\d*m/g)).toBeNull();
  });

  it('shows the worst first when it is told to', async () => {
    const terminal = new Terminal(80, 7);
    const noAlarms = { alarms: () => ({ alarms: [], floodForMs: undefined }) };
    const { run } = await watchOn(terminal, ['--sort', 'quality'], {}, noAlarms);
    expect(terminal.lines[3]).toMatch(/^press-1\/pressure .* bad timeout$/);
    run.interrupt();
    await run.exitCode;
  });

  it('shows nothing as good while the gateway is away, and goes on when it is back with other tags', async () => {
    const terminal = new Terminal();
    const { api, clock, run, socketPath } = await watchOn(terminal);
    await api.close();
    const shows = (text: string) =>
      until(() => {
        clock.advance(500);
        return terminal.lines.join(' ').includes(text);
      });
    await shows('Trying again; gone for ');
    expect(terminal.lines.find((line) => line.includes('oil-temp'))).toMatch(/ unknown$/);
    expect(terminal.lines.join('\n')).not.toMatch(/ good$/m);

    const [tag] = fakeGateway().tags();
    const back = fakeGateway({ tags: () => [{ ...tag!, tag: 'press-9/speed' }] });
    await serve(back, { socketPath, version: '9.9.9' });
    await shows('  speed');
    await until(() => {
      clock.advance(500);
      return !terminal.lines.join(' ').includes('Trying again');
    });
    expect(terminal.lines.join('\n')).not.toContain('oil-temp');
    expect(terminal.lines.join(' ')).toContain('the gateway is version 9.9.9, this command');
    run.interrupt();
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.err()).toBe('');
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
