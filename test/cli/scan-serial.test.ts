import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { startPacedSlave } from '../double/paced-slave.ts';
import { Bench, BINARY, until } from '../double/processes.ts';

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
});

afterEach(() => bench.dispose());

/** The compiled program on a meter that hears only 57600 8O1, unit 147. */
async function scanMeter(...args: readonly string[]) {
  const meter = await startPacedSlave(bench, { baud: 57_600, parity: 'odd', stopBits: 1, unit: 147 });
  const program = bench.start(process.execPath, [BINARY, 'scan', meter.port, ...args], meter.env);
  const exit = new Promise<number | null>((resolve) => program.child.once('exit', resolve));
  return { meter, program, exit };
}

describe('scan of a serial line', () => {
  it('finds the settings and the unit of a meter, and sends nothing but reads', async () => {
    const { meter, program, exit } = await scanMeter('--baud', '57600,38400', '--units', '140-150');
    expect(await exit).toBe(EXIT.ok);
    expect(program.output()).toMatch(/^57600 8O1 +147 +\d+ ms +says nothing of itself +none known$/m);
    expect(program.output()).toMatch(/millgate|main\.js init --port \S+ --baud 57600 --parity odd --unit 147/);
    const functions = new Set(meter.questions().map((question) => Number.parseInt(question.slice(2, 4), 16)));
    expect(functions.has(3)).toBe(true);
    expect([...functions].filter((code) => ![3, 4, 17, 43].includes(code))).toEqual([]);
  });

  it('leads to values: what it found is enough for init, check and read', async () => {
    const { meter, program, exit } = await scanMeter('--baud', '57600', '--units', '147');
    expect(await exit).toBe(EXIT.ok);
    expect(program.output()).toContain('unit 147 has registers at holding:4000-4063');
    const [, flags] = /init (--port .*--unit 147)/.exec(program.output())!;
    const file = join(bench.folder, 'mill.yaml');
    const tag = 'voltage=holding:4010,float32,CDAB,unit=V';
    const steps = [
      ['init', ...flags!.split(' '), '--device', 'meter', '--tag', tag, '--output', file],
      ['check', file],
      ['read', 'meter/voltage', '--config', file],
    ];
    let last = '';
    for (const words of steps) {
      const step = bench.start(process.execPath, [BINARY, ...words], meter.env);
      expect(await new Promise((resolve) => step.child.once('close', resolve)), step.output()).toBe(EXIT.ok);
      last = step.output();
    }
    expect(last).toMatch(/^meter\/voltage +231\.\d+ +V +good$/m);
  });

  it('gives one JSON document on standard output', async () => {
    const { meter, program, exit } = await scanMeter('--baud', '57600', '--parity', 'odd', '--units', '147', '--json');
    let out = '';
    program.child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    expect(await exit).toBe(EXIT.ok);
    expect(JSON.parse(out)).toMatchObject({
      port: meter.port,
      found: [{ baud: 57_600, parity: 'odd', stopBits: 1, unit: 147, profiles: [] }],
      isComplete: true,
    });
  });

  it('ends at Ctrl-C with what it has', async () => {
    const { program, exit } = await scanMeter(
      '--baud',
      '57600',
      '--parity',
      'odd',
      '--stop-bits',
      '1',
      '--units',
      '147,1-100',
    );
    await until('the first tenth', () => program.output().includes('found 1'), 20_000, program.output);
    program.child.kill('SIGINT');
    expect(await exit).toBe(EXIT.ok);
    expect(program.output()).toContain('Ended before all was asked.');
    expect(program.output()).toMatch(/^57600 8O1 +147 /m);
  });

  it('says what to check when nothing answers, exit 69', async () => {
    const { program, exit } = await scanMeter('--baud', '9600', '--units', '147');
    expect(await exit).toBe(EXIT.unavailable);
    expect(program.output()).toMatch(/Nothing answered on .*\nNot a byte came: check that the device has power/);
  });

  it('says that another program uses the port, exit 69', async () => {
    const { meter, program } = await scanMeter();
    await until('the scan to hold the port', () => meter.questions().length > 0, 20_000, program.output);
    const second = bench.start(process.execPath, [BINARY, 'scan', meter.port], meter.env);
    expect(await new Promise((resolve) => second.child.once('exit', resolve))).toBe(EXIT.unavailable);
    expect(second.output()).toMatch(/another program uses the port\. Stop it; sudo fuser -v/);
  });
});
