import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { type EmbeddedBroker, startBroker } from '../../../src/cli/demo/demo.ts';
import { EXIT } from '../../../src/core/errors.ts';
import { millgate, type Run, temporaryFolder, until } from '../../double/command-line.ts';
import { faultServer } from '../../double/modbus-fault-server.ts';
import { modbusSlaves } from '../../double/modbus-slave.ts';
import { freePort } from '../../double/processes.ts';

const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

async function broker(): Promise<EmbeddedBroker> {
  const started = await startBroker();
  undo.push(() => started.close());
  return started;
}

const LINE = ['--port', '/dev/ttyUSB0', '--baud', '57600', '--parity', 'odd', '--unit', '147'];
const TAGS = ['--tag', 'voltage=holding:4010,float32,CDAB,unit=V,min=0,max=300', '--tag', 'state=holding:4001'];

async function init(args: readonly string[], folder = temporaryFolder()) {
  const run = millgate(['init', '--output', 'mill.yaml', ...args], { cwd: folder });
  const exitCode = await run.exitCode;
  const path = join(folder, 'mill.yaml');
  const text = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  return { exitCode, out: run.out(), err: run.err(), text, folder };
}

describe('init by flags', () => {
  it('writes a commented file that passes check, and says what is next', async () => {
    const { exitCode, out, err, text, folder } = await init([...LINE, ...TAGS, '--device', 'meter', '--id', 'gate-1']);
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toBe('mill.yaml\n');
    expect(err).toMatch(/^Wrote mill\.yaml; it passes check: 2 tags, line-a in use \d+ % of the time\./);
    expect(text).toContain(
      'voltage: { address: "holding:4010", type: float32, order: CDAB, unit: V, min: 0, max: 300 }',
    );
    expect(text).toContain('baud: 57600 # baud, parity and stopBits as set on every device of the line');
    expect(readdirSync(folder)).toEqual(['mill.yaml']);
    const check = millgate(['check', 'mill.yaml'], { cwd: folder });
    expect(await check.exitCode).toBe(EXIT.ok);
    expect(check.err()).toBe('');
  });

  it('takes a profile, a host and a location', async () => {
    const args = [
      '--host',
      '10.0.0.9:1502',
      '--framing',
      'rtu',
      '--unit',
      '1',
      '--profile',
      'eastron-sdm120',
      '--location',
      'acme/leeds',
    ];
    const { exitCode, text } = await init(args);
    expect(exitCode).toBe(EXIT.ok);
    expect(text).toMatch(/plc:\n {4}driver: modbus-tcp\n {4}host: "10\.0\.0\.9"\n {4}port: 1502\n {4}framing: rtu/);
    expect(text).toMatch(/eastron-sdm120:\n {4}channel: plc\n {4}unit: 1\n {4}profile: eastron-sdm120/);
    expect(text).toContain('location: "acme/leeds"');
  });

  it('tries the broker, and keeps the password out of the file', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'mqtt.password'), 'hush-hush\n', { mode: 0o600 });
    const url = `mqtt://127.0.0.1:${(await broker()).port}`;
    const login = ['--broker', url, '--username', 'gate', '--password-file', 'mqtt.password'];
    const { exitCode, err, text } = await init([...LINE, ...TAGS, ...login], folder);
    expect(exitCode).toBe(EXIT.ok);
    expect(err).toMatch(/The broker took the connection in \d+ ms\./);
    expect(text).toContain('password: { file: "mqtt.password" } # a secret is never written into this file');
    expect(text).not.toContain('hush-hush');
  });

  it('writes the file though the broker is not there, and says so', async () => {
    const { exitCode, err, text } = await init([...LINE, ...TAGS, '--broker', `mqtt://127.0.0.1:${await freePort()}`]);
    expect(err).toMatch(/The broker was not reached: 127\.0\.0\.1:\d+ refuses connections\. Is the broker running/);
    expect(text).toContain('uplinks:');
    expect(exitCode).toBe(EXIT.ok);
  });

  it('never replaces a file without being told to', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'mill.yaml'), 'mine');
    const refused = await init([...LINE, ...TAGS], folder);
    expect(refused.err).toBe(
      'millgate: mill.yaml is there already and stays as it is. --output FILE writes another; --force replaces it.\n',
    );
    expect(refused.exitCode).toBe(EXIT.failed);
    expect(refused.text).toBe('mine');
    const forced = await init([...LINE, ...TAGS, '--force'], folder);
    expect(forced.exitCode).toBe(EXIT.ok);
    expect(forced.text).toContain('channels:');
  });

  it('names every problem of what was asked for and writes nothing, exit 78', async () => {
    const { exitCode, err, text } = await init([
      ...LINE,
      '--tag',
      'a=holding:70000',
      '--tag',
      'b=holding:1,float32,typ=x',
    ]);
    expect(err).toMatch(/tags\.a\.address: .*70000/);
    expect(err).toMatch(/tags\.b\.typ: unknown key; did you mean "type"\?/);
    expect(err).toContain('nothing was written');
    expect(text).toBeUndefined();
    expect(exitCode).toBe(EXIT.configInvalid);
  });

  it('counts the files in conf.d beside it', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'conf.d'));
    writeFileSync(join(folder, 'conf.d', 'line.yaml'), 'channels: {line-a: {driver: mock}}\n');
    const { exitCode, err } = await init([...LINE, ...TAGS], folder);
    expect(err).toMatch(/channels\.line-a: is already given at/);
    expect(exitCode).toBe(EXIT.configInvalid);
  });

  it.each([
    [['--unit', '1'], 'init needs --port or --host, --profile or --tag where it cannot ask'],
    [['--port', '/dev/ttyUSB0', '--unit', '1', '--profile', 'x'], 'init needs --baud, --parity where'],
    [[...LINE, '--host', 'plc', ...TAGS], 'both --port and --host are given'],
    [[...LINE, '--tag', 'voltage'], '--tag voltage: expected NAME=ADDRESS'],
    [[...LINE, '--tag', 'V=holding:1'], '"V" is no name'],
    [[...LINE, '--tag', 'v=holding:1,flot32'], '"flot32" is neither a type, an order nor KEY=VALUE'],
    [['--port', 'x', '--baud', 'fast', '--parity', 'odd', '--unit', '1', ...TAGS], '--baud fast: expected numbers'],
    [[...LINE, ...TAGS, '--broker', 'http://x'], 'mqtt'],
  ])('refuses %j', async (args, words) => {
    const { exitCode, err, text } = await init(args);
    expect(err).toContain(words);
    expect([EXIT.usage, EXIT.configInvalid]).toContain(exitCode);
    expect(text).toBeUndefined();
  });

  it('says what is wrong with the place it was to write to', async () => {
    const run = millgate(['init', '--output', '/nonexistent/mill.yaml', ...LINE, ...TAGS]);
    expect(await run.exitCode).toBe(EXIT.failed);
    expect(run.err()).toContain('there is no folder /nonexistent. Make it: mkdir -p /nonexistent');
  });
});

/** A person at a terminal who answers each question when it is asked. */
async function answer(run: Run, input: PassThrough, dialogue: readonly (readonly [RegExp, string])[]): Promise<void> {
  let read = 0;
  for (const [question, text] of dialogue) {
    await until(() => question.test(run.err().slice(read)));
    read = run.err().length;
    input.write(`${text}\n`);
  }
}

function asking(args: readonly string[], folder = temporaryFolder()) {
  const input = new PassThrough();
  const run = millgate(['init', '--output', 'mill.yaml', ...args], { cwd: folder, input });
  return { run, input, path: join(folder, 'mill.yaml'), folder };
}

/** A device that is known by its SunSpec numbers, under these units; gives HOST:PORT. */
async function inverter(units: readonly number[]): Promise<string> {
  const slaves = modbusSlaves({ units: [...units], functions: [3] });
  for (const unit of units) {
    slaves.registers.set(`${unit}/40000`, 0x5375);
    slaves.registers.set(`${unit}/40001`, 0x6e53);
    slaves.registers.set(`${unit}/40069`, 103);
  }
  const device = await faultServer({ slaves, framing: 'mbap', units: [...units] });
  undo.push(() => device.close());
  return `127.0.0.1:${device.port}`;
}

describe('init by questions', () => {
  it('goes from a host to a checked file', async () => {
    const host = await inverter([1]);
    const { run, input, path } = asking(['--host', host]);
    await answer(run, input, [
      [/Unit id of the device\?\n.*find it.*\n.*I know it\nNumber .*: $/, '2'],
      [/Unit id .*: $/, ''],
      [/1 {2}sunspec-inverter-103: .*\n(.*\n)*Number .*: $/, '1'],
      [/Name of the device.*\[sunspec-inverter-103\]: $/, 'roof'],
      [/Name of this gateway.*\[bench\]: $/, 'No Name'],
      [/a-z, 0-9.*\n.*: $/, 'gate-7'],
      [/enterprise\/site\/area/, ''],
      [/MQTT broker/, `mqtt://127.0.0.1:${(await broker()).port}`],
      [/User name/, ''],
    ]);
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.err()).toMatch(/The broker took the connection/);
    const text = readFileSync(path, 'utf8');
    expect(text).toContain('roof:\n    channel: plc\n    unit: 1\n    profile: sunspec-inverter-103');
    expect(text).toContain('id: gate-7');
  });

  it('finds the unit at a host', async () => {
    const host = await inverter([0, 1, 255]);
    const { run, input, path } = asking(['--host', host, '--tag', 'oil=holding:3', '--id', 'g']);
    await answer(run, input, [
      [/find it: [\s\S]*Number .*: $/, '1'],
      [/unit 1 answers[\s\S]*Name of the device.*: $/, ''],
      [/enterprise\/site\/area/, ''],
      [/MQTT broker/, ''],
    ]);
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(readFileSync(path, 'utf8')).toContain('unit: 1\n');
  });

  it('says again what was answered when it ends, so that nothing typed is lost', async () => {
    const { run, input } = asking(['--host', '127.0.0.1:1', '--unit', '1']);
    await answer(run, input, [
      [/What does it measure\?[\s\S]*Number .*: $/, '1'],
      [/Tag, such as/, 'oil=320'],
      [/address: .*\n.*Tag, such as/, "oil=holding:320,unit=l'h"],
      [/Another tag/, 'oil=holding:321'],
      [/there is a tag oil already\n/, ''],
      [/Name of the device/, 'pump'],
    ]);
    await until(() => /Name of this gateway/.test(run.err()));
    run.interrupt();
    expect(await run.exitCode).toBe(EXIT.failed);
    expect(run.err()).toContain(
      `go on with: millgate init --output mill.yaml --host 127.0.0.1:1 --unit 1 --tag 'oil=holding:320,unit=l'\\''h' --device pump\n`,
    );
  });

  it('takes tags by hand, each checked as it is typed', async () => {
    const { run, input, path } = asking([
      '--port',
      '/nonexistent/tty',
      '--baud',
      '9600',
      '--parity',
      'none',
      '--unit',
      '5',
      '--device',
      'm',
      '--id',
      'g',
      '--location',
      'a/b',
      '--broker',
      'mqtt://127.0.0.1:1',
    ]);
    await answer(run, input, [
      [/no such port[\s\S]*Number .*: $/, '1'],
      [/Tag, such as/, 'voltage'],
      [/expected NAME=ADDRESS/, 'voltage=holding:10,float32'],
      [/Another tag/, ''],
      [/all the same\?/, 'yes'],
    ]);
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(readFileSync(path, 'utf8')).toContain('voltage: { address: "holding:10", type: float32 }');
  });

  it.each([
    ['Ctrl-C', (run: Run) => run.interrupt()],
    ['the end of the input', (_run: Run, input: PassThrough) => input.end()],
  ])('leaves nothing behind after %s', async (_how, end) => {
    const { run, input, folder } = asking(['--host', '127.0.0.1:1', '--unit', '1']);
    await answer(run, input, [[/What does it measure\?[\s\S]*Number .*: $/, '1']]);
    await until(() => /Tag, such as/.test(run.err()));
    end(run, input);
    expect(await run.exitCode).toBe(EXIT.failed);
    expect(run.err()).toMatch(/Ended; nothing was written\.\n$/);
    expect(readdirSync(folder)).toEqual([]);
  });
});
