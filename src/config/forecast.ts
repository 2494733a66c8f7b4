import type { Config } from './config.ts';

export function forecast(config: Config): object {
  return { channels: config.channels.length };
}

export function formatForecast(_forecast: object, config: Config, _columns: number): string[] {
  return [`${config.channels.length} channels`];
}
