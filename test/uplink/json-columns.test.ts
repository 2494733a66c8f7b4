import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DOUBTS, type Doubt, FAILURES, type Failure } from '../../src/core/quality.ts';
import { type DeviceRecord, type Field, Fields } from '../../src/core/reading.ts';
import { createJsonEncoder } from '../../src/uplink/json.ts';

const sender = { gateway: 'press-shop-1', config: '9b1e' };
const rows = createJsonEncoder(sender);
const columns = createJsonEncoder(sender, 'columns');
const RUNS = Number(process.env.COLUMNS_RUNS ?? 50);

/** The block of code of this language in the page that describes the wire. */
function codeOf(language: string): string {
  const page = readFileSync(new URL('../../docs/wire.md', import.meta.url), 'utf8');
  return new RegExp(`\`\`\`${language}\n(def records_of|const \\{ seq)([\\s\\S]*?)\n\`\`\``)
    .exec(page)!
    .slice(1)
    .join('');
}

const decodedByNodeRed = new Function('msg', codeOf('javascript')) as (msg: { payload: unknown }) => {
  payload: unknown;
};

function batchOf(records: readonly DeviceRecord[]) {
  return { kind: 'readings', epoch: '0f6c', seq: 188_201, lane: 'live', records } as const;
}

/** The records as the layout `rows` has them, each with its number. */
function expected(records: readonly DeviceRecord[]): unknown[] {
  const { seq, records: list } = JSON.parse(rows.batch(batchOf(records))) as { seq: number; records: object[] };
  return list.map((record, index) => ({ seq: seq + index, ...record }));
}

function record(device: string, fields: readonly Field[], more: Partial<DeviceRecord> = {}): DeviceRecord {
  return {
    device,
    at: { wallMs: 1763899200123, monoMs: 5 },
    clockKnown: true,
    simulated: false,
    fields: Fields.of(fields),
    ...more,
  };
}

const good = (name: string, value: number): Field => ({ name, quality: 'good', value });

const outcome = fc.oneof(
  fc
    .oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.string(), fc.bigInt())
    .map((value) => ({ quality: 'good' as const, value })),
  fc.record({
    quality: fc.constant('uncertain' as const),
    value: fc.integer(),
    why: fc.constantFrom(...(Object.keys(DOUBTS) as Doubt[])),
  }),
  fc.record({
    quality: fc.constant('bad' as const),
    why: fc.constantFrom(...(Object.keys(FAILURES) as Failure[])),
  }),
);
const anyRecord = fc
  .tuple(
    fc.constantFrom(['a'], ['a', 'b'], ['b', 'a'], ['é"', 'b', 'c'], []),
    fc.constantFrom('press-1', 'press-2'),
    fc.boolean(),
    fc.boolean(),
    fc.integer({ min: 0, max: 2 ** 42 }),
  )
  .chain(([names, device, clockKnown, simulated, wallMs]) =>
    fc
      .tuple(...names.map((name) => outcome.map((one): Field => ({ name, ...one }))))
      .map((fields) => record(device, fields, { clockKnown, simulated, at: { wallMs, monoMs: 0 } })),
  );

describe('records in columns', () => {
  it('reads exactly as docs/wire.md shows it', () => {
    const at = (wallMs: number) => ({ at: { wallMs, monoMs: 5 } });
    const records = [
      record('press-1', [good('oil-temp', 45.2), good('parts', 10422)]),
      record(
        'press-1',
        [
          { name: 'flow', quality: 'uncertain', value: 12.8, why: 'out-of-range' },
          { name: 'torque', quality: 'bad', why: 'timeout' },
        ],
        at(1763899200131),
      ),
      record('press-2', [good('oil-temp', 44.9), good('parts', 977)], at(1763899200140)),
    ];
    expect(columns.batch(batchOf(records))).toBe(
      '{"schema":"millgate/columns/1","gateway":"press-shop-1","epoch":"0f6c","seq":188201,"lane":"live","config":"9b1e","blocks":[' +
        '{"tags":["oil-temp","parts"],"i":[0,2],"device":["press-1","press-2"],"t":[1763899200123,1763899200140],"v":[[45.2,44.9],[10422,977]]},' +
        '{"tags":["flow","torque"],"i":[1],"device":["press-1"],"t":[1763899200131],"v":[[12.8],[null]],"uncertain":[[0,0,"out-of-range"]],"bad":[[0,1,"timeout"]]}]}',
    );
  });

  it('say what rows say, by the decoder for Node-RED in docs/wire.md', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 8 }), (records) => {
        const payload = JSON.parse(columns.batch(batchOf(records)));
        expect(decodedByNodeRed({ payload }).payload).toEqual(expected(records));
      }),
      { numRuns: RUNS },
    );
  });

  it('say what rows say, by the decoder for Python in docs/wire.md', () => {
    const batches = fc.sample(fc.array(anyRecord, { maxLength: 6 }), 20);
    const lines = batches.map((records) => columns.batch(batchOf(records)));
    const program = `import json, sys\n${codeOf('python')}\nfor line in sys.stdin:\n    print(json.dumps(records_of(json.loads(line))))`;
    const python = spawnSync('python3', ['-c', program], { input: lines.join('\n'), encoding: 'utf8' });
    expect(python.stderr).toBe('');
    expect(
      python.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(batches.map(expected));
  });

  it('refuse what JSON cannot hold', () => {
    expect(() => columns.batch(batchOf([record('a', [good('x', Number.NaN)])]))).toThrow(TypeError);
  });

  it('take fewer bytes a reading than rows, deflated as well', () => {
    const names = Array.from({ length: 100 }, (_, index) => `r${index}`);
    const records = Array.from({ length: 10 }, (_, device) =>
      record(
        `d${device}`,
        names.map((name, k) => good(name, (device * 7919 + k * 31 + 17) % 65_536)),
      ),
    );
    const [inRows, inColumns] = [rows, columns].map((encoder) => {
      const text = encoder.batch(batchOf(records));
      return { plain: text.length / 1000, deflated: deflateSync(text).length / 1000 };
    });
    if (process.env.COLUMNS_SHOW) console.log(inRows, inColumns);
    expect(inColumns!.plain).toBeLessThan(inRows!.plain * 0.6);
    expect(inColumns!.deflated).toBeLessThan(inRows!.deflated * 0.8);
  });
});
