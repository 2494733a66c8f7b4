// Writes config/monitoring/grafana-dashboard.json from the panels below; run it after a change of them.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Title, what is asked, what each line is called, unit of Grafana, and what to read from it. */
const PANELS = [
  ['Readings a second', 'millgate_readings_per_second', '{{instance}}', 'none', 'Over the last minute.'],
  ['Devices online', 'millgate_device_online', '{{channel}}/{{device}}', 'bool_on_off', 'Also when degraded.'],
  ['Line in use', 'millgate_channel_utilisation', '{{channel}}', 'percentunit', 'Near 100 % periods are not kept.'],
  [
    'Scans left out',
    'rate(millgate_channel_skipped_scans_total[5m])',
    '{{channel}}',
    'cps',
    'Because the line was late.',
  ],
  ['Timeouts', 'rate(millgate_device_timeouts_total[5m])', '{{device}}', 'cps', 'Requests without an answer.'],
  ['Answers, 95 %', 'millgate_device_response_seconds{quantile="0.95"}', '{{device}}', 's', 'Of the last requests.'],
  [
    'Waiting to be sent',
    'millgate_uplink_pending_records',
    '{{uplink}}',
    'short',
    'Grows during an outage and falls after it.',
  ],
  ['Delivered', 'rate(millgate_uplink_delivered_records_total[5m])', '{{uplink}}', 'cps', 'Records a second.'],
  [
    'Given up',
    'increase(millgate_store_given_up_total[1h])',
    '{{stream}} {{how}}',
    'short',
    'Anything above zero is a loss; the ledger has it.',
  ],
  [
    'Store',
    'millgate_store_bytes / millgate_store_max_bytes',
    '{{instance}}',
    'percentunit',
    'Full is normal while everything is delivered.',
  ],
  ['Alarms that stand', 'millgate_alarms_standing', '{{instance}}', 'short', 'Those that want somebody.'],
  ['Memory', 'millgate_resident_memory_bytes', '{{instance}}', 'bytes', 'Of the process.'],
];

const datasource = { type: 'prometheus', uid: `${'$'}{datasource}` };

function panelOf([title, expr, legendFormat, unit, description], index) {
  const wanted = expr.replaceAll(/millgate_\w+(?:\{([^}]*)\})?/g, (name, labels) => {
    const bare = name.split('{')[0];
    return `${bare}{instance=~"$instance"${labels ? `,${labels}` : ''}}`;
  });
  return {
    ...{ id: index + 1, type: 'timeseries', title, description, datasource },
    gridPos: { x: (index % 3) * 8, y: Math.floor(index / 3) * 8, w: 8, h: 8 },
    fieldConfig: { defaults: { unit, custom: { spanNulls: false } }, overrides: [] },
    targets: [{ refId: 'A', datasource, expr: wanted, legendFormat }],
  };
}

const dashboard = {
  ...{ title: 'Millgate', uid: 'millgate', schemaVersion: 39, editable: true, refresh: '30s' },
  time: { from: 'now-6h', to: 'now' },
  templating: {
    list: [
      { name: 'datasource', type: 'datasource', query: 'prometheus' },
      {
        ...{ name: 'instance', type: 'query', datasource, multi: true, includeAll: true, refresh: 2 },
        query: 'label_values(millgate_start_time_seconds, instance)',
      },
    ],
  },
  panels: PANELS.map(panelOf),
};
const file = fileURLToPath(new URL('../config/monitoring/grafana-dashboard.json', import.meta.url));
writeFileSync(file, `${JSON.stringify(dashboard, undefined, 2)}\n`);
console.log(`written: ${file}`);
