/** Control charts: points with their limits, the rules that hold at them, and what the process can do. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ChartView } from '../../api/rules-view.ts';
import { usePolled } from '../hub.ts';
import { Facts, Failure, Panel } from '../parts.tsx';
import { numberText, plain } from '../shown.ts';

/** Height of a picture, and the room right of the last point for the names of the lines, px. */
const HEIGHT = 220;
const RIGHT = 84;

/** Most points that are drawn, the newest. */
const MOST_POINTS = 120;

type Point = ChartView['points'][number];

/** Places in the picture for the points and their limits. */
function placesOf(points: readonly Point[], width: number) {
  const values = points.flatMap(({ value, lcl, ucl, center }) =>
    [value, lcl, ucl, center].filter((one) => one != null),
  );
  const low = Math.min(...values);
  const high = Math.max(...values);
  const margin = (high - low || Math.abs(high) || 1) * 0.1;
  const x = (index: number): number =>
    points.length < 2 ? width / 2 : 10 + (index * (width - 10 - RIGHT)) / (points.length - 1);
  const y = (value: number): number => HEIGHT - ((value - low + margin) / (high - low + 2 * margin)) * HEIGHT;
  return { x, y };
}

/** A line through one figure of each point, in pieces where it is missing. */
function piecesOf(points: readonly Point[], of: (point: Point) => number | null | undefined): [number, number][][] {
  const pieces: [number, number][][] = [[]];
  for (const [index, point] of points.entries()) {
    const value = of(point);
    if (value == null) pieces.push([]);
    else pieces.at(-1)!.push([index, value]);
  }
  return pieces.filter((piece) => piece.length > 0);
}

/** As wide as its place, so that its words are as large as all others. */
function Picture({ chart }: { readonly chart: ChartView }) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const resized = new ResizeObserver(([seen]) => seen && setWidth(seen.target.clientWidth));
    resized.observe(place.current!);
    return () => resized.disconnect();
  }, []);
  return (
    <div ref={place} class="spc-place">
      {chart.points.length === 0 ? <p class="note">No points yet.</p> : width > 0 && <Points {...{ chart, width }} />}
    </div>
  );
}

function Points({ chart, width }: { readonly chart: ChartView; readonly width: number }) {
  const points = chart.points.slice(-MOST_POINTS);
  const { x, y } = placesOf(points, width);
  const last = points.at(-1)!;
  // Names of rules that would stand on each other are left out but for the last one.
  const isWide = x(1) - x(0) >= 24;
  const named = [
    ['UCL', last.ucl],
    ['centre', last.center],
    ['LCL', last.lcl],
  ] as const;
  const line = (piece: [number, number][]): string =>
    piece.map(([index, value]) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
  const lines = (of: (point: Point) => number | null | undefined, name: string) =>
    piecesOf(points, of).map((piece) => <polyline class={name} points={line(piece)} />);
  const flagged = points.filter(({ rules }) => rules.length > 0);
  const label = `Control chart ${chart.id}: ${points.length} points, ${flagged.length} of them flagged`;
  return (
    <svg class="spc" width={width} height={HEIGHT} role="img" aria-label={label}>
      {lines(({ ucl }) => ucl, 'limit')}
      {lines(({ lcl }) => lcl, 'limit')}
      {lines(({ center }) => center, 'center')}
      {lines(({ value }) => value, 'values')}
      {named.map(
        ([name, value]) =>
          value != null && (
            <text key={name} class="line-name" x={width - RIGHT + 6} y={y(value) + 4}>
              {name} {numberText(value)}
            </text>
          ),
      )}
      {points.map(({ point, value, rules }, index) => {
        if (value === null) return null;
        const [cx, cy] = [x(index), y(value)];
        if (rules.length === 0) return <circle class="point" key={point} cx={cx} cy={cy} r="2.5" />;
        return (
          <g key={point} class="flag">
            <path d={`M${cx - 4} ${cy - 4}l8 8m-8 0l8 -8`} />
            {(isWide || index === points.length - 1) && (
              <text x={cx} y={cy < 24 ? cy + 18 : cy - 8}>
                {rules[0]}
              </text>
            )}
          </g>
        );
      })}
    </svg>
  );
}

function Capability({ capability: { status, reasons, indices } }: { readonly capability: ChartView['capability'] }) {
  const shown = Object.entries(indices).map(
    ([name, { value, low, high }]) =>
      [name, `${value.toFixed(2)} (95 %: ${low.toFixed(2)} to ${high.toFixed(2)})`] as const,
  );
  return (
    <>
      <p class="note">
        Capability: {status}
        {reasons.length > 0 && ` (${plain(reasons.join('; '))})`}
      </p>
      <Facts of={shown} />
    </>
  );
}

function Chart({ name }: { readonly name: string }) {
  const { data, failed } = usePolled<ChartView>(`/api/v1/spc/${encodeURIComponent(name)}`, 5000);
  if (!data) return failed === undefined ? <p>Waiting for the gateway …</p> : <Failure>{failed}</Failure>;
  const { phase, baseline, lines, unit = '', signals } = data;
  const state =
    phase === 1
      ? `collects its baseline: ${baseline.collected} of ${baseline.needed}`
      : signals.length > 0
        ? `out of control at the last point: ${signals.join(', ')}`
        : 'the last point is in control';
  return (
    <Panel title={name} note={`${data.chart} of ${plain(data.tag)}: ${state}`}>
      <Picture chart={data} />
      {lines && (
        <p class="note">
          Lower limit {numberText(lines.lcl)} {unit}, centre {numberText(lines.center)} {unit}, upper limit{' '}
          {numberText(lines.ucl)} {unit}; × marks a point at which a rule holds, with the rule.
        </p>
      )}
      <Capability capability={data.capability} />
    </Panel>
  );
}

/** Every control chart. */
export function Quality() {
  const { data, failed } = usePolled<{ readonly charts: readonly ChartView[] }>('/api/v1/spc', 30_000);
  if (!data) return failed === undefined ? <p>Waiting for the gateway …</p> : <Failure>{failed}</Failure>;
  if (data.charts.length === 0) return <p>There are no control charts. They stand under spc: in the configuration.</p>;
  return (
    <>
      {data.charts.map(({ id }) => (
        <Chart key={id} name={id} />
      ))}
    </>
  );
}
