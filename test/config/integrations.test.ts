/** The pages about other products: their configurations are good files, their code does what it says, and each is found. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { formatProblems } from '../../src/config/file/problems.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createJsonEncoder } from '../../src/uplink/json.ts';
import { batchOf } from '../contract/uplink.ts';

const FOLDER = join(import.meta.dirname, '../../docs/integrations');
const PAGES = readdirSync(FOLDER).filter((file) => file.endsWith('.md'));
const textOf = (page: string): string => readFileSync(join(FOLDER, page), 'utf8');
const blocksOf = (page: string, language: string): string[] =>
  [...textOf(page).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text]) => text!);

/** What stands around the parts of a file that the pages show. */
const PLANT = `
gateway: {id: press-shop-1}
channels: {sim: {driver: mock}}
devices: {press-1: {channel: sim, tags: {oil-temp: {address: "sine(min=40,max=60)", unit: "°C"}, pressure: {address: 2, type: float32}, parts: {address: 3, counter: true}}}}
`;

it.each(PAGES)('the configurations in %s are good files', (page) => {
  const blocks = blocksOf(page, 'yaml');
  expect(blocks.length).toBeGreaterThan(0);
  for (const text of blocks) {
    const files = { read: () => Buffer.from(PLANT + text), list: () => [], exists: () => false };
    const loaded = loadConfig({ file: 'millgate.yaml', drivers: DRIVERS, hostname: 'shop-1', files });
    expect(loaded.ok ? '' : formatProblems(loaded.problems)).toBe('');
  }
});

it.each(PAGES)('%s is linked from docs/uplinks.md', (page) => {
  expect(readFileSync(join(FOLDER, '../uplinks.md'), 'utf8')).toContain(`(integrations/${page})`);
});

it('the function for Node-RED makes a message of each value, with the key of its record', () => {
  const [code] = blocksOf('node-red.md', 'js');
  const encoder = createJsonEncoder({ gateway: 'press-shop-1', config: '9b1e' });
  const batch = batchOf(7);
  if (batch.kind === 'texts') throw new Error('records are wanted');
  const payload = JSON.parse(String(encoder.batch(batch)));
  const flow = new Function('msg', code!) as (msg: unknown) => unknown;
  expect(flow({ payload })).toEqual([
    [{ topic: 'oven/temp', payload: 7, timestamp: payload.records[0].t, key: 'press-shop-1/7' }],
  ]);
});
