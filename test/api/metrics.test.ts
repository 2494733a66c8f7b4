import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { METRICS, metricsDocument, metricsText } from '../../src/api/metrics.ts';
import { ask } from '../double/ask.ts';
import { serve } from '../double/command-line.ts';
import { fakeGateway, STATUS } from '../double/fake-gateway.ts';

/** A line of the text format: a name, labels, a number (prometheus.io/docs/instrumenting/exposition_formats). */
const SAMPLE =
  /^[a-z_][a-z0-9_]*(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? -?[0-9.e+-]+$/;

describe('the metrics', () => {
  it('are listed in docs/metrics.md (node scripts/metrics.mjs writes it)', () => {
    expect(readFileSync('docs/metrics.md', 'utf8')).toBe(metricsDocument());
  });

  it('have names of their own that follow the conventions', () => {
    const names = METRICS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, type } of METRICS) {
      expect(name).toMatch(/^millgate_[a-z_]+$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
    }
  });

  it('are served in the text format of Prometheus', async () => {
    const where = await serve(fakeGateway());
    const { status, headers, body } = await ask(where, '/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    const lines = String(body).trimEnd().split('\n');
    for (const line of lines) expect(line).toMatch(line.startsWith('#') ? /^# (HELP|TYPE) millgate_/ : SAMPLE);
    expect(lines).toContain('millgate_channel_utilisation{channel="line-a"} 0.34');
    expect(lines).toContain(
      'millgate_device_response_seconds{channel="line-a",device="press-1",quantile="0.95"} 0.012',
    );
  });

  it('leave out what a driver does not count, and escape what stands in labels', () => {
    const [line] = STATUS.channels;
    const bare = { ...line!, name: 'a"b\\c', utilisation: undefined, devices: [] };
    const text = metricsText({ ...STATUS, channels: [bare] });
    expect(text).toContain('millgate_channel_scans_total{channel="a\\"b\\\\c"} 4500');
    expect(text).not.toContain('millgate_channel_utilisation');
    expect(text).not.toContain('millgate_device_');
  });
});
