/** What energy costs: bands of local time, each with its price. */
import type { TariffBand } from '../../core/production/production.ts';
import { offsetsOf } from './shifts.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const DAY_MIN = 1440;

/** A longer span is looked at by so many samples. */
const MOST_SAMPLES = 3000;

/** Gives the price of a kWh that was used evenly over a span, UTC ms; 0 without a tariff. */
export type Tariff = (fromMs: number, toMs: number) => number;

/** The tariff of bands in a time zone (IANA): of those that hold at a time the first is taken. */
export function tariffOf(bands: readonly TariffBand[], timezone: string): Tariff {
  const [first] = bands;
  if (!first) return () => 0;
  if (bands.length === 1) return () => first.price;
  const offset = offsetsOf(timezone);
  const priceAt = (ms: number): number => {
    const localMs = ms + offset(ms);
    const day = new Date(localMs).getUTCDay();
    const minute = Math.floor((localMs % DAY_MS) / MINUTE_MS);
    return (bands.find((band) => holds(band, day, minute)) ?? bands.at(-1)!).price;
  };
  return (fromMs, toMs) => {
    const minutes = Math.ceil((toMs - fromMs) / MINUTE_MS);
    if (minutes <= 1) return priceAt(Math.max(fromMs, toMs - 1));
    const samples = Math.min(minutes, MOST_SAMPLES);
    let sum = 0;
    for (let index = 0; index < samples; index++) sum += priceAt(fromMs + ((index + 0.5) * (toMs - fromMs)) / samples);
    return sum / samples;
  };
}

/** A band that goes on over midnight is of the day on which it begins. */
function holds({ days, fromMin, toMin }: TariffBand, day: number, minute: number): boolean {
  if (days.includes(day) && minute >= fromMin && minute < toMin) return true;
  return days.includes((day + 6) % 7) && minute + DAY_MIN < toMin;
}
