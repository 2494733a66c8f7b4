/** Writes the result of a backtest as JSON, with its events exactly as they are published. */
import type { Config } from '../config/config.ts';
import { createJsonEncoder } from '../uplink/json.ts';
import type { BacktestResult } from './run.ts';

/** Stands for the epoch of a store: these events were never published. */
const EPOCH = 'backtest';

/**
 * A result as JSON text: events exactly as on the wire, numbered from 1, one a line; then the summary and the reports of
 * production and maintenance, by name, and the levels of stocks where there are any.
 */
export function resultText({ gateway, hash }: Config, result: BacktestResult): string {
  const { events, summary, production, maintenance, inventory } = result;
  const encoder = createJsonEncoder({ gateway: gateway.id, config: hash });
  const lines = events.map((event, index) => encoder.batch({ kind: 'event', epoch: EPOCH, seq: index + 1, event }));
  const rules = summary.map((each) => JSON.stringify(each));
  const machines = Object.entries(production).map(named);
  const items = maintenance.map((report) => named([report.id, report]));
  const stocks = inventory.map((report) => named([report.inventory, report]));
  const levels = stocks.length === 0 ? '' : `,\n"inventory":{${joined(stocks)}}`;
  return `"events":[${joined(lines)}],\n"summary":[${joined(rules)}],\n"production":{${joined(machines)}},"maintenance":{${joined(items)}}${levels}`;
}

function named([name, report]: readonly [string, unknown]): string {
  return `${JSON.stringify(name)}:${JSON.stringify(report)}`;
}

function joined(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `\n${lines.join(',\n')}\n`;
}
