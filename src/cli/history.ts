/** The command `history`: prints the stored readings of one tag, or their means. */
import type { JsonHistory, JsonRollups, JsonTag } from '../api/json.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import { findGateway, type GatewayClient, historyPath } from './client.ts';
import { selectTags } from './select.ts';
import { type CliContext, type CommonOptions, print } from './terminal/context.ts';
import { durationOption } from './terminal/duration.ts';
import { byQuality, formatTime, formatWithUnit, qualityText } from './terminal/format.ts';

/** Readings of one request to the gateway. */
const PAGE = 5000;

/**
 * `history TAG`: stored readings, oldest first; with `--every` minimum, mean, maximum and counts of so many minutes each;
 * with `--json` one JSON object a line.
 */
export async function history(
  tag: string,
  options: CommonOptions & { readonly since: string; readonly every?: string },
  context: CliContext,
): Promise<ExitCode> {
  const sinceMs = durationOption('since', options.since);
  const gateway = await findGateway(options, context);
  const known = await gateway.get<JsonTag[]>('/api/v1/tags');
  const names = known.map((entry) => entry.tag);
  const [name, ...others] = selectTags([tag], names);
  if (others.length > 0)
    throw new Fault(`${tag} names ${others.length + 1} tags`, `Name one of them, such as ${name}.`, EXIT.usage);
  const shown = known.find((entry) => entry.tag === name);
  const unit = shown?.unit;
  const toMs = context.clock.wallMs() + 1;
  const base = historyPath(name!);
  const fromMs = Math.max(0, Math.floor(toMs - sinceMs));
  if (options.every !== undefined) {
    const rolled = { path: base, every: options.every, fromMs, toMs };
    for await (const page of rollupPages(gateway, rolled)) print(context, rollupLines(page, unit, options, context));
    return EXIT.ok;
  }
  const range = `from=${fromMs}&to=${toMs}&limit=${PAGE}`;
  let after = '';
  for (;;) {
    const page = await gateway.get<JsonHistory>(`${base}?${range}${after}`);
    print(
      context,
      page.points.map((point) => {
        if (options.json) return JSON.stringify({ tag: name, ...point });
        const quality = byQuality(context.colors, point.quality, qualityText(point));
        return `${formatTime(point.t)}  ${formatWithUnit(point.value, unit, shown)}  ${quality}`;
      }),
    );
    if (page.next === undefined || context.signal.aborted) return EXIT.ok;
    after = `&after=${page.next}`;
  }
}

async function* rollupPages(
  gateway: GatewayClient,
  { path, every, fromMs, toMs }: { path: string; every: string; fromMs: number; toMs: number },
): AsyncGenerator<JsonRollups> {
  for (let from: number | undefined = fromMs; from !== undefined; ) {
    const page: JsonRollups = await gateway.get(`${path}?from=${from}&to=${toMs}&every=${encodeURIComponent(every)}`);
    yield page;
    from = page.next;
  }
}

function rollupLines(
  page: JsonRollups,
  unit: string | undefined,
  options: CommonOptions,
  context: CliContext,
): string[] {
  const { colors } = context;
  return page.points.map((point) => {
    if (options.json) return JSON.stringify({ tag: page.tag, ...point });
    const { t, min, mean, max, count, bad } = point;
    const number = (value: number | undefined) =>
      formatWithUnit(value === undefined ? undefined : rounded(value), unit);
    const values = `min ${number(min)}  mean ${number(mean)}  max ${number(max)}`;
    return `${formatTime(t)}  ${values}  ${count} values${bad > 0 ? `  ${colors.red(`${bad} bad`)}` : ''}`;
  });
}

/** A mean has digits that no sensor has; six are shown. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
