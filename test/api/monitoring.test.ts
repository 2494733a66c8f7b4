import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { METRICS } from '../../src/api/metrics.ts';
import { installed } from '../../src/core/file-system.ts';

const FOLDER = installed('config/monitoring');
const known = new Map(METRICS.map(({ name, labels }) => [name, ['instance', 'job', ...labels]]));

describe('the files for Prometheus and Grafana', () => {
  it.each(readdirSync(FOLDER))('%s names no metric that there is not', (name) => {
    const text = readFileSync(join(FOLDER, name), 'utf8');
    expect([...new Set(text.match(/\bmillgate_\w+/g) ?? [])].filter((metric) => !known.has(metric))).toEqual([]);
  });

  it('tell in every rule what to do, with labels that its metric has', () => {
    const { groups } = parse(readFileSync(join(FOLDER, 'alert-rules.yaml'), 'utf8')) as {
      groups: { rules: { alert: string; expr: string; annotations: { summary: string; remedy: string } }[] }[];
    };
    for (const { alert, expr, annotations } of groups.flatMap(({ rules }) => rules)) {
      expect([alert, annotations.remedy]).toEqual([alert, expect.stringMatching(/\w/)]);
      const first = expr.match(/\b(?:millgate_\w+|up)\b/)![0];
      const labels = [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!);
      const has = known.get(first) ?? ['instance', 'job'];
      expect([alert, labels.filter((label) => !has.includes(label))]).toEqual([alert, []]);
    }
  });
});
