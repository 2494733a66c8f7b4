import { describe, expect, it } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ruleConfigOf } from '../../src/gateway/judging.ts';

/** What is left out of the tag `oven/temp` with these keys. */
function policyOf(keys: string): unknown {
  const text = `channels: {sim: {driver: mock}}\ndevices: {oven: {channel: sim, tags: {temp: {address: 1, ${keys}}}}}\n`;
  const files = { read: () => Buffer.from(text), list: () => [], exists: () => false };
  const loaded = loadConfig({ file: 'millgate.yaml', drivers: DRIVERS, hostname: 'gate', timezone: 'UTC', files });
  return loaded.ok ? ruleConfigOf(loaded.config).policies.get('oven/temp') : loaded.problems;
}

describe('what is reported of a tag', () => {
  it('is every reading while there is no deadband, with a heartbeat too', () => {
    expect(policyOf('unit: "°C"')).toBeUndefined();
    expect(policyOf('heartbeat: 60s')).toBeUndefined();
  });

  it('is what moved by the deadband, and what the heartbeat asks for', () => {
    expect(policyOf('deadband: 0.5, heartbeat: 60s')).toEqual({ deadband: 0.5, heartbeatMs: 60_000 });
    expect(policyOf('deadband: 0')).toEqual({ deadband: 0, heartbeatMs: undefined });
  });
});
