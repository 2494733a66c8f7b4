import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createLogger, silentLogger } from '../../src/core/log.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { createNotifier, socketAddress } from '../../src/service/notify.ts';
import { joinService } from '../../src/service/service.ts';
import { Bench, type Program, until } from '../double/processes.ts';

const bench = new Bench();
afterEach(() => bench.dispose());

/** The service manager's end of the socket; `datagrams` gives what came. */
async function serviceManager(name: string): Promise<{ datagrams: () => string[]; program: Program }> {
  const program = bench.start('python3', ['-u', join(import.meta.dirname, '../double/datagrams.py'), name]);
  await until('the socket', () => program.output().startsWith('ready'), 10_000, program.output);
  const datagrams = () =>
    program
      .output()
      .split('\n')
      .filter((line) => line.startsWith('"'))
      .map((line) => JSON.parse(line) as string);
  return { datagrams, program };
}

describe('telling the service manager', () => {
  it('reaches an abstract socket, as systemd in a container gives it', async () => {
    const name = `@millgate-test-${process.pid}`;
    const { datagrams, program } = await serviceManager(name);
    const notifier = await createNotifier(
      { NOTIFY_SOCKET: name, WATCHDOG_USEC: '10000000' },
      process.pid,
      silentLogger,
    );
    expect(notifier.watchdogMs).toBe(10_000);
    notifier.tell('READY=1');
    notifier.tell('WATCHDOG=1\nSTATUS=2 of 2 channels connected');
    await until('two datagrams', () => datagrams().length === 2, 5000, program.output);
    expect(datagrams()).toEqual(['READY=1', 'WATCHDOG=1\nSTATUS=2 of 2 channels connected']);
  });

  it('goes from ready to stopping by a socket in a folder', async () => {
    const path = `/tmp/millgate-notify-${process.pid}.sock`;
    const { datagrams, program } = await serviceManager(path);
    const clock = new SimulatedClock();
    const service = await joinService({
      environment: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '10000000', WATCHDOG_PID: String(process.pid) },
      ...{ pid: process.pid, clock, log: silentLogger, progress: () => ({ lines: [], commitSinceMs: undefined }) },
    });
    service.ready();
    await clock.advance(2500);
    service.stopping();
    await clock.advance(60_000);
    await until('three datagrams', () => datagrams().length === 3, 5000, program.output);
    expect(datagrams()).toEqual([
      'READY=1',
      'WATCHDOG=1\nSTATUS=0 of 0 channels connected',
      'STOPPING=1\nSTATUS=stopping',
    ]);
  });

  it('does nothing where no service manager is named, and leaves the watchdog of another process alone', async () => {
    const alone = await createNotifier({}, 7, silentLogger);
    alone.tell('READY=1');
    expect(alone.watchdogMs).toBeUndefined();
    const other = await createNotifier(
      { NOTIFY_SOCKET: '/run/nobody', WATCHDOG_USEC: '10000000', WATCHDOG_PID: '8' },
      7,
      silentLogger,
    );
    other.tell('READY=1');
    expect(other.watchdogMs).toBeUndefined();
  });

  it('warns of an address that it cannot reach instead of failing', async () => {
    const lines: string[] = [];
    const log = createLogger(new SimulatedClock(), (line) => lines.push(line));
    const { tell } = await createNotifier({ NOTIFY_SOCKET: 'vsock:2:1' }, 7, log);
    tell('READY=1');
    expect(lines).toEqual([
      'service manager: NOTIFY_SOCKET vsock:2:1 is neither a path nor an abstract name; it is not told that the gateway runs',
    ]);
  });

  it('writes the address as unix(7) has it', () => {
    expect([...socketAddress('/run/n').subarray(2)]).toEqual([...Buffer.from('/run/n\0')]);
    expect([...socketAddress('@n').subarray(2)]).toEqual([0, 'n'.charCodeAt(0)]);
  });
});
