import { readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { sheetsOf } from '../../../src/cli/import/sheet.ts';
import { EXIT, Fault } from '../../../src/core/errors.ts';
import { millgate, temporaryFolder } from '../../double/command-line.ts';
import { type FaultServer, faultServer } from '../../double/modbus-fault-server.ts';
import { modbusSlaves } from '../../double/modbus-slave.ts';
import { type ListedDevice, type TrueTag, thirtyLists, workbook, zip } from './register-lists.ts';

const LISTS = thirtyLists();

interface Answer {
  readonly tags: {
    name: string;
    table: string;
    start: number;
    type: string;
    scale?: number;
    unit?: string;
    writable: boolean;
    line: number;
  }[];
  readonly guesses: { what: string; lines?: number[] }[];
  readonly leftOut: { line: number; reason: string }[];
  readonly order: string | null;
  readonly verified: { settled: boolean } | null;
}

async function imported(list: { file: string; bytes: Uint8Array }, ...more: string[]) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, list.file), list.bytes);
  const run = millgate(['import', list.file, '--json', ...more], { cwd: folder });
  const exitCode = await run.exitCode;
  return { exitCode, answer: JSON.parse(run.out() || '{}') as Answer, err: run.err() };
}

async function ofText(text: string, ...more: string[]): Promise<Answer> {
  return (await imported({ file: 'list.csv', bytes: Buffer.from(text) }, ...more)).answer;
}

function isRight(tag: Answer['tags'][number] | undefined, truth: TrueTag): boolean {
  return (
    tag !== undefined &&
    tag.table === truth.table &&
    tag.start === truth.start &&
    tag.type === truth.type &&
    Math.abs((tag.scale ?? 1) - truth.scale) < 1e-12 &&
    tag.unit === truth.unit &&
    tag.writable === truth.writable
  );
}

describe('thirty lists in the layouts of ten makers', () => {
  it('at least 95 % of the rows are right, and what is wrong is a guess that is listed', async () => {
    let right = 0;
    let all = 0;
    const silent: string[] = [];
    const wrong: string[] = [];
    for (const list of LISTS) {
      const { answer } = await imported(list);
      const isAddressGuessed = answer.guesses?.some(({ what }) => /^address/.test(what));
      list.tags.forEach((truth, index) => {
        all++;
        const tag = answer.tags?.[index];
        if (isRight(tag, truth)) {
          right++;
          return;
        }
        const text = `${list.label}: ${JSON.stringify(tag)} is ${JSON.stringify(truth)}`;
        wrong.push(text);
        if (tag && !isAddressGuessed) silent.push(text);
      });
      expect(answer.leftOut, list.label).toHaveLength(list.traps);
    }
    expect(silent).toEqual([]);
    expect(right / all, wrong.join('\n')).toBeGreaterThanOrEqual(0.95);
  });
});

/** The device that a list describes. */
function slavesOf({ tags, order }: ListedDevice) {
  const first = Math.min(...tags.map(({ start }) => start));
  const last = Math.max(...tags.map(({ start, count }) => start + count));
  const words = new Map<number, number>();
  for (const { start, type, scale, value } of tags) {
    const view = new DataView(new ArrayBuffer(4));
    if (type === 'float32') view.setFloat32(0, value);
    else view.setUint32(0, Math.round(value / scale));
    const pair = [view.getUint16(0), view.getUint16(2)];
    if (type === 'uint16' || type === 'int16') words.set(start, pair[1]!);
    else
      (order === 'ABCD' ? pair : pair.reverse()).forEach((word, index) => {
        words.set(start + index, word);
      });
  }
  const slaves = modbusSlaves({
    units: [3],
    refuses: (_, from, count) => (from < first - 40 || from + count > last + 40 ? 2 : undefined),
  });
  for (let address = Math.max(0, first - 40); address < last + 40; address++)
    slaves.registers.set(`3/${address}`, words.get(address) ?? 0);
  return slaves;
}

describe('import --verify', () => {
  const open: FaultServer[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });

  it('settles base and order on the twins of at least 29 of the thirty lists', async () => {
    const wrong: string[] = [];
    for (const list of LISTS) {
      const server = await faultServer({ slaves: slavesOf(list), framing: 'mbap', units: [3] });
      open.push(server);
      const { answer, err } = await imported(list, '--verify', `127.0.0.1:${server.port}`, '3');
      const isOrder =
        answer.order === list.order ||
        !list.tags.some(({ count }) => count > 1) ||
        (answer.order ?? 'ABCD') === list.order;
      const good =
        answer.verified?.settled && isOrder && list.tags.every((truth, index) => isRight(answer.tags[index], truth));
      if (!good)
        wrong.push(
          `${list.label}: ${err}${JSON.stringify(answer.verified)} ${answer.order} ${answer.tags?.[0]?.start}`,
        );
    }
    expect(wrong.length, wrong.join('\n')).toBeLessThanOrEqual(1);
  }, 60_000);

  it('says so where the device settles nothing', async () => {
    const server = await faultServer({ slaves: { ...slavesOf(LISTS[8]!) }, framing: 'mbap', units: [3] });
    open.push(server);
    const text = 'Address,Name,Data type\n4020,a,uint16\n4021,b,uint16\n';
    const { answer } = await imported(
      { file: 'a.csv', bytes: Buffer.from(text) },
      '--verify',
      `127.0.0.1:${server.port}`,
      '3',
    );
    expect(answer.verified).toMatchObject({ settled: false });
    expect(answer.guesses.some(({ what }) => /count from/.test(what))).toBe(true);
  });
});

describe('traps of register lists', () => {
  it('a plain address is not taken for a Modicon number where the function code speaks against it', async () => {
    const { tags } = await ofText('Address,Name,FC,Type\n30529,Energy,3,U32\n30775,Power,3,S32\n');
    expect(tags.map(({ table, start }) => `${table}:${start}`)).toEqual(['holding:30529', 'holding:30775']);
  });

  it('0010 below 000A is sixteen', async () => {
    const { tags } = await ofText('Register,Name,Type\n0000,a,FLOAT\n000A,b,FLOAT\n0010,c,FLOAT\n');
    expect(tags.map(({ start }) => start)).toEqual([0, 10, 16]);
  });

  it.each([
    ['an address as a power of ten', 'Address,Name,Type\n0,a,U16\n1E+04,b,U16\n'],
    ['a type that contradicts the length', 'Address,Name,Type,Count\n0,a,U16,1\n4,b,U32,1\n'],
    ['two registers without a type', 'Address,Name,Type\n0,a,U16\n4-5,b,\n'],
    ['a scale that may be one or a thousand', 'Address;Name;Type;Scale\n0;a;U16;1\n4;b;U16;1,000\n'],
    ['a bit without its number', 'Address,Name,Type,Table\n0,a,U16,holding\n4,b,BOOL,holding\n'],
    ['a byte of a register', 'Address,Name,Type\n0,a,U16\n4,b,UINT8\n'],
    ['a number of another table than it says', 'Address,Name,Type,Table\n40001,a,U16,holding\n4x0002,b,U16,input\n'],
    ['a quote that is never closed', 'Address,Name,Type\n0,a,U16\n4,"b,U16\n'],
    ['what can only be written', 'Address,Name,Type,Access\n0,a,U16,R\n4,b,U16,W\n'],
  ])('%s is left out, with its line and reason', async (_, text) => {
    const { tags, leftOut } = await ofText(text);
    expect(tags.map(({ name }) => name)).toEqual(['a']);
    expect(leftOut).toEqual([expect.objectContaining({ line: 3 })]);
  });

  it('equal names get their addresses, and the lines are listed', async () => {
    const { tags, guesses } = await ofText('Address,Name,Type\n0,Wert (V),U16\n1,Wert,U16\n');
    expect(tags.map(({ name }) => name)).toEqual(['wert-0', 'wert-1']);
    expect(guesses.find(({ lines }) => lines?.length === 2)?.lines).toEqual([2, 3]);
  });
});

describe('the readers', () => {
  const bounded = (bytes: Uint8Array) => {
    try {
      return sheetsOf(bytes, 'x').every(({ rows }) => rows.every(({ cells }) => cells.length <= 256));
    } catch (error) {
      return error instanceof Fault;
    }
  };

  it('make rows of any bytes, or say in words why not', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), bounded), { numRuns: 300 });
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('"', ',', ';', '\n', '\t', 'a', '1', ' ') }), (text) =>
        bounded(Buffer.from(text)),
      ),
      { numRuns: 300 },
    );
  });

  it('give cells back that were quoted', () => {
    const cell = fc.string({ unit: fc.constantFrom('"', ',', 'a', 'ü', '1', '|') });
    fc.assert(
      fc.property(fc.array(cell, { minLength: 1, maxLength: 5 }), (cells) => {
        const text = `ü,${cells.map((each) => `"${each.replaceAll('"', '""')}"`).join(',')}`;
        const sheet = sheetsOf(Buffer.from(text), 'x').find(({ name }) => name === 'comma')!;
        expect(sheet.rows[0]!.cells).toEqual(['ü', ...cells]);
      }),
    );
  });

  it('a workbook that is cut off or changed is a fault or a table', () => {
    const whole = workbook([
      ['Address', 'Name'],
      ['1', 'a'],
    ]);
    fc.assert(fc.property(fc.nat(whole.length), (length) => bounded(whole.subarray(0, length))));
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(whole);
        changed[at] = byte;
        return bounded(changed);
      }),
    );
  });

  it('refuses what is encrypted, too large unpacked, or no list', () => {
    const fault = (bytes: Uint8Array) => expect(() => sheetsOf(bytes, 'x'));
    fault(zip({ 'xl/workbook.xml': '<a/>' }, 1)).toThrow(/encrypted/);
    fault(Buffer.from([0xd0, 0xcf, 0x11, 0xe0])).toThrow(/encrypted/);
    fault(zip({ 'xl/workbook.xml': ' '.repeat(65_000_000) })).toThrow(/too large/);
    fault(zip({ 'a.txt': '' })).toThrow(/no workbook/);
    fault(Buffer.from('%PDF-1.4')).toThrow(/PDF/);
    fault(Buffer.alloc(20_000_001)).toThrow(/MB/);
  });
});

describe('import --append', () => {
  const base =
    '# Ours\ngateway: { id: g }\nchannels:\n  line-a: { driver: modbus-tcp, host: 127.0.0.1 }\ndevices:\n  a:\n    channel: line-a\n    unit: 1\n    tags: { x: { address: "holding:0" } } # kept\n';

  it('adds each of the thirty devices to a file, which passes the check', async () => {
    for (const list of LISTS) {
      const folder = temporaryFolder();
      writeFileSync(join(folder, list.file), list.bytes);
      writeFileSync(join(folder, 'm.yaml'), base);
      const run = millgate(['import', list.file, '--append', 'm.yaml', '--unit', '3'], { cwd: folder });
      await run.exitCode;
      const text = readFileSync(join(folder, 'm.yaml'), 'utf8');
      expect(text.startsWith(base), run.err()).toBe(true);
      expect(text).toContain(`  ${list.file.replace(/\..*/, '')}:\n`);
    }
  });

  it('writes the file that a link leads to, and the link stays', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'l.csv'), 'Address,Name,Type\n0,a,U16\n');
    writeFileSync(join(folder, 'real.yaml'), base, { mode: 0o640 });
    symlinkSync('real.yaml', join(folder, 'm.yaml'));
    await millgate(['import', 'l.csv', '--append', 'm.yaml', '--unit', '3'], { cwd: folder }).exitCode;
    expect(readlinkSync(join(folder, 'm.yaml'))).toBe('real.yaml');
    expect(readFileSync(join(folder, 'real.yaml'), 'utf8')).toMatch(/\n {2}l:\n/);
    expect(statSync(join(folder, 'real.yaml')).mode & 0o777).toBe(0o640);
  });

  it('writes nothing where the file would not be valid', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'l.csv'), 'Address,Name,Type\n0,a,U16\n');
    writeFileSync(join(folder, 'm.yaml'), base);
    const run = millgate(['import', 'l.csv', '--append', 'm.yaml', '--channel', 'none'], { cwd: folder });
    expect(await run.exitCode).toBe(EXIT.configInvalid);
    expect(readFileSync(join(folder, 'm.yaml'), 'utf8')).toBe(base);
  });
});
