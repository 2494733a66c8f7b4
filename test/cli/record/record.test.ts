import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeLine } from '../../../hal/recording/recording.ts';
import { EXIT, Fault } from '../../../src/core/errors.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { millgate, serve, temporaryFolder, until } from '../../double/command-line.ts';
import { fakeGateway } from '../../double/fake-gateway.ts';
import { faultServer } from '../../double/modbus-fault-server.ts';
import { modbusSlaves } from '../../double/modbus-slave.ts';

const HEADER =
  '{"schema":"millgate/recording/1","gateway":"press-shop-1","program":"0.1.0","config":{"file":"a.yaml","hash":"9b1e"},' +
  '"wallMs":1763964000000,"clockKnown":true,"channels":{"line-a":{"driver":"modbus-rtu","framing":"rtu","characterMs":0.5,' +
  '"settings":{"port":"/dev/ttyUSB0"}}},"notRecorded":{"pins":"gpio"}}';
const OUT = '{"us":1000,"channel":"line-a","out":"0103000000010a84"}';
const IN = '{"us":9000,"channel":"line-a","in":"0103020000b844"}';

/** A gateway whose bus traffic the test makes. */
async function gatewayWithTraffic() {
  const listeners = new Set<(line: string) => void>();
  const asked: (readonly string[])[] = [];
  const view = fakeGateway({
    record(channels, onLine) {
      asked.push(channels);
      if (channels.includes('pins'))
        throw new Fault('channel pins: gpio carries no bytes', 'Record another channel.', EXIT.usage);
      onLine(HEADER);
      listeners.add(onLine);
      return () => listeners.delete(onLine);
    },
  });
  const { api, socketPath } = await serve(view);
  const make = (...lines: string[]): void => {
    for (const listener of listeners) for (const line of lines) listener(line);
  };
  return { api, asked, listeners, make, env: { MILLGATE_SOCKET: socketPath } };
}

const linesOf = (file: string): string[] => readFileSync(file, 'utf8').trimEnd().split('\n');

describe('record through the gateway', () => {
  it('writes what the gateway hears until Ctrl-C, and says what it has', async () => {
    const { make, listeners, asked, env } = await gatewayWithTraffic();
    const file = join(temporaryFolder(), 'fault.jsonl');
    const run = millgate(['record', file, '--channel', 'line-a', '--json'], { env });
    await until(() => listeners.size === 1);
    make(OUT, IN);
    await until(() => existsSync(file) && linesOf(file).length === 3);
    run.interrupt();
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(linesOf(file)).toEqual([HEADER, OUT, IN, '{"end":"ended by hand"}']);
    expect(asked).toEqual([['line-a']]);
    expect(JSON.parse(run.out())).toMatchObject({
      end: 'ended by hand',
      channels: { 'line-a': { sent: 1, received: 1, bytesReceived: 7, losses: 0 } },
    });
    expect(run.err()).toContain('Not recorded: pins; gpio carries no bytes.');
    await until(() => listeners.size === 0);
  });

  it('ends by itself after the time, and at the size', async () => {
    const { make, listeners, env } = await gatewayWithTraffic();
    const folder = temporaryFolder();
    const clock = new SimulatedClock();
    const timed = millgate(['record', join(folder, 'a.jsonl'), '--for', '10s'], { env, clock });
    await until(() => existsSync(join(folder, 'a.jsonl')));
    await clock.advance(10_000);
    expect(await timed.exitCode).toBe(EXIT.ok);
    expect(timed.out()).toMatch(/channel\s+sent\s+received\s+bytes in\s+lost[\s\S]+the time was up\./);
    await until(() => listeners.size === 0);
    const sized = millgate(['record', join(folder, 'b.jsonl'), '--max-size', '10kB'], { env });
    await until(() => listeners.size === 1);
    make(...Array.from({ length: 400 }, () => OUT));
    expect(await sized.exitCode).toBe(EXIT.ok);
    const text = readFileSync(join(folder, 'b.jsonl'), 'utf8');
    expect(text.length).toBeLessThanOrEqual(10_000);
    expect(text.endsWith('{"end":"the size was reached"}\n')).toBe(true);
  });

  it('keeps what it has when the gateway goes away', async () => {
    const { api, make, listeners, env } = await gatewayWithTraffic();
    const file = join(temporaryFolder(), 'fault.jsonl');
    const run = millgate(['record', file], { env });
    await until(() => listeners.size === 1);
    make(OUT);
    await until(() => existsSync(file) && linesOf(file).length === 2);
    await api.close();
    expect(await run.exitCode).toBe(EXIT.unavailable);
    expect(linesOf(file).at(-1)).toContain('the gateway went away');
  });

  it('says what is in the way', async () => {
    const { env } = await gatewayWithTraffic();
    const folder = temporaryFolder();
    const taken = join(folder, 'taken.jsonl');
    writeFileSync(taken, 'precious');
    const attempts: [string[], number, RegExp][] = [
      [[taken], EXIT.usage, /is there already.*--overwrite/],
      [[folder, '--overwrite'], EXIT.usage, /is a folder/],
      [[join(folder, 'missing/a.jsonl')], EXIT.usage, /its folder is missing/],
      [[join(folder, 'a.jsonl'), '--channel', 'pins'], EXIT.usage, /gpio carries no bytes/],
      [[join(folder, 'a.jsonl'), '--for', 'soon'], EXIT.usage, /--for soon: not a duration/],
      [[join(folder, 'a.jsonl'), '--max-size', '1kB'], EXIT.usage, /--max-size 1kB/],
    ];
    for (const [args, exitCode, words] of attempts) {
      const run = millgate(['record', ...args], { env });
      expect(await run.exitCode, args.join(' ')).toBe(exitCode);
      expect(run.err()).toMatch(words);
    }
    expect(readFileSync(taken, 'utf8')).toBe('precious');
    expect(existsSync(join(folder, 'a.jsonl'))).toBe(false);
  });

  it('says that the disk is full', async () => {
    const { env } = await gatewayWithTraffic();
    const file = join(temporaryFolder(), 'full.jsonl');
    symlinkSync('/dev/full', file);
    const run = millgate(['record', file, '--overwrite'], { env });
    expect(await run.exitCode).toBe(EXIT.failed);
    expect(run.err()).toMatch(/the disk is full after 0 B; what was recorded until then is good/);
  });

  it('is not for those who come over TCP', async () => {
    const { api } = await serve(fakeGateway(), { listen: { host: '127.0.0.1', port: 0 } });
    const response = await fetch(`http://127.0.0.1:${api.port()}/api/v1/record`);
    expect(response.status).toBe(401);
  });
});

describe('record where no gateway runs', () => {
  it('polls as the configuration says, and stores nothing', async () => {
    const server = await faultServer({ slaves: modbusSlaves({ units: [1] }), framing: 'mbap', units: [1] });
    const folder = temporaryFolder();
    const config = join(folder, 'millgate.yaml');
    writeFileSync(
      config,
      JSON.stringify({
        gateway: { id: 'bench' },
        channels: { plc: { driver: 'modbus-tcp', host: '127.0.0.1', port: server.port }, sim: { driver: 'mock' } },
        devices: {
          press: { channel: 'plc', unit: 1, every: '20ms', tags: { a: { address: 'holding:0', type: 'uint16' } } },
        },
        store: { path: join(folder, 'store') },
      }),
    );
    const file = join(folder, 'fault.jsonl');
    const run = millgate(['record', file, '--config', config]);
    await until(() => existsSync(file) && linesOf(file).length > 8);
    run.interrupt();
    expect(await run.exitCode, run.err()).toBe(EXIT.ok);
    await server.close();
    const kinds = linesOf(file).map((line) => {
      const decoded = decodeLine(line);
      if (!decoded.ok) return 'damaged';
      return decoded.line.kind === 'event' ? decoded.line.recorded.event.what : decoded.line.kind;
    });
    expect(kinds.slice(0, 5)).toEqual(['header', 'connecting', 'open', 'out', 'in']);
    expect(kinds.slice(-2)).toEqual(['closed', 'end']);
    expect(existsSync(join(folder, 'store'))).toBe(false);
    expect(run.err()).toContain('since no gateway runs');
  });

  it('says what is wrong with the file', async () => {
    const folder = temporaryFolder();
    const run = millgate(['record', join(folder, 'a.jsonl'), '--config', join(folder, 'none.yaml')]);
    expect(await run.exitCode).toBe(EXIT.configInvalid);
    expect(existsSync(join(folder, 'a.jsonl'))).toBe(false);
  });
});
