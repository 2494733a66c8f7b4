import type { JsonHistory, JsonTag } from '../api/json.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import { splitTagId } from '../core/reading.ts';
import { findGateway } from './client.ts';
import { type CliContext, type CommonOptions, print } from './context.ts';
import { durationOption } from './duration.ts';
import { byQuality, formatTime, formatWithUnit, qualityText } from './format.ts';
import { selectTags } from './select.ts';

/** Readings of one request to the gateway. */
const PAGE = 5000;

/** `history TAG`: stored readings, oldest first; with `--json` one JSON object a line. */
export async function history(
  tag: string,
  options: CommonOptions & { readonly since: string },
  context: CliContext,
): Promise<ExitCode> {
  const sinceMs = durationOption('since', options.since);
  const gateway = await findGateway(options, context);
  const known = await gateway.get<JsonTag[]>('/api/v1/tags');
  const names = known.map((entry) => entry.tag);
  const [name, ...others] = selectTags([tag], names);
  if (others.length > 0)
    throw new Fault(`${tag} names ${others.length + 1} tags. Name one of them, such as ${name}.`, EXIT.usage);
  const unit = known.find((entry) => entry.tag === name)?.unit;
  const { device, name: field } = splitTagId(name!)!;
  const toMs = context.clock.wallMs() + 1;
  const range = `from=${Math.max(0, Math.floor(toMs - sinceMs))}&to=${toMs}&limit=${PAGE}`;
  let after = '';
  for (;;) {
    const path = `/api/v1/tags/${encodeURIComponent(device)}/${encodeURIComponent(field)}/history?${range}${after}`;
    const page = await gateway.get<JsonHistory>(path);
    print(
      context,
      page.points.map((point) => {
        if (options.json) return JSON.stringify({ tag: name, ...point });
        const quality = byQuality(context.colors, point.quality, qualityText(point));
        return `${formatTime(point.t)}  ${formatWithUnit(point.value, unit)}  ${quality}`;
      }),
    );
    if (page.next === undefined || context.signal.aborted) return EXIT.ok;
    after = `&after=${page.next}`;
  }
}
