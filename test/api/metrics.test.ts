import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { METRICS, metricsDocument, metricsText } from '../../src/api/metrics.ts';
import { emptyReport } from '../../src/rules/production/figures.ts';
import { ask } from '../double/ask.ts';
import { serve } from '../double/command-line.ts';
import { fakeGateway, STATUS } from '../double/fake-gateway.ts';

import { machineConfig } from '../rules/production/machine.ts';

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

  it('tell what stands, what was given up and what waits for the disk', () => {
    const held = { records: 7, events: 2, droppedRecords: 3, droppedEvents: 1 };
    const standstill = { sinceMs: STATUS.nowMs - 5000, lastsMs: undefined };
    const text = metricsText({
      ...STATUS,
      alarms: { configured: 9, standing: 4, unacked: 2, silenced: 1, flood: true },
      store: { ...STATUS.store, held: { ...held, standstill } },
    });
    for (const line of [
      'millgate_alarms_standing 4',
      'millgate_alarms_unacknowledged 2',
      'millgate_alarms_flood 1',
      'millgate_held_records 7',
      'millgate_held_events 2',
      'millgate_dropped_records_total 3',
      'millgate_dropped_events_total 1',
      'millgate_disk_stall_seconds 5',
      `millgate_gaps_total ${STATUS.store.ledger.at(-1)!.id}`,
      'millgate_writes_total{outcome="refused"} 2',
    ])
      expect(text).toContain(`\n${line}\n`);
    expect(text).toMatch(/\nmillgate_store_given_up_total\{stream="readings",uplink="plant",how="quarantined"\} \d+\n/);
    expect(text).toMatch(/\nmillgate_uplink_pending_events\{uplink="plant"\} \d+\n/);
  });

  it('tell of the shift that runs and of what is to be maintained', async () => {
    const report = {
      ...emptyReport(machineConfig(), 0),
      ...{ oee: 0.7479, unknownShare: 0.25, quality: null, good: 18_848, reject: 423, energyKwh: 12.5 },
      ...{ plannedMs: 25_200_000, busyMs: 24_000_000, breakMs: 600_000, runMs: 22_380_000, noDataMs: 60_000 },
    };
    const oil = fakeGateway().maintenance();
    const article = { name: null, minimum: 200, reorder: true, in: 0, out: 250, at: 1 };
    const inventory = [
      { inventory: 'rack', items: [{ code: '400638', level: 150, ...article }], unknown: 0, unread: 0 },
    ];
    const parts = [{ station: 'station-1', pass: 12, fail: 1, incomplete: 0 }];
    const text = metricsText(STATUS, { production: [report], maintenance: oil, inventory, parts });
    for (const line of [
      'millgate_production_oee{machine="press-1"} 0.7479',
      'millgate_production_unknown_share{machine="press-1"} 0.25',
      'millgate_production_parts{machine="press-1",quality="good"} 18848',
      'millgate_production_seconds{machine="press-1",kind="run"} 22380',
      'millgate_production_seconds{machine="press-1",kind="planned_stop"} 600',
      'millgate_production_energy_kwh{machine="press-1"} 12.5',
      'millgate_maintenance_state{item="oil-change"} 1',
      'millgate_maintenance_used_share{item="oil-change"} 1',
      'millgate_parts_total{station="station-1",result="fail"} 1',
      'millgate_inventory_level{inventory="rack",code="400638"} 150',
      'millgate_inventory_reorder{inventory="rack",code="400638"} 1',
      `millgate_maintenance_due_time_seconds{item="oil-change"} ${oil[0]!.dueAt! / 1000}`,
    ])
      expect(text).toContain(`\n${line}\n`);
    expect(text).not.toContain('millgate_production_quality{');
    expect(String((await ask(await serve(fakeGateway()), '/metrics')).body)).toContain('millgate_maintenance_state');
  });
});
