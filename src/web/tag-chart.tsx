/** Draws the history of a tag with uPlot: extremes as a band, gaps as gaps, what is simulated, late or of an unknown clock marked, alarms on the axis. */
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import type { ChartAnswer, ChartMark } from '../api/chart/chart.ts';
import type { JsonTag } from '../api/json.ts';
import { gapAt, linesOf, marksAt } from './chart-data.ts';
import type { PlantTime } from './shown.ts';
import { numberText, spanText, valueText } from './shown.ts';

/** An alarm that was raised, UTC ms. */
interface RaisedMark {
  readonly t: number;
  readonly words: string;
}

interface TagChartProps {
  readonly answer: ChartAnswer;
  readonly tag: JsonTag;
  readonly time: PlantTime;
  readonly marks: readonly RaisedMark[];
  readonly zone: string | undefined;
}

/** The colours of a chart, which follow the light or dark ground. */
function inks(element: Element): { ink: string; soft: string; band: string; line: string } {
  const style = getComputedStyle(element);
  const of = (name: string): string => style.getPropertyValue(name).trim();
  return { ink: of('--ink'), soft: of('--ink-soft'), band: of('--band'), line: of('--line') };
}

/** Whether the ground is dark: a tablet changes it in the evening, and a canvas keeps the colours it was drawn with. */
function useDark(): boolean {
  const [isDark, set] = useState(matchMedia(DARK).matches);
  useEffect(() => {
    const media = matchMedia(DARK);
    const changed = (): void => set(media.matches);
    media.addEventListener('change', changed);
    return () => media.removeEventListener('change', changed);
  }, []);
  return isDark;
}

const DARK = '(prefers-color-scheme: dark)';

/** The chart, and below it in words what is under the pointer. */
export function TagChart({ answer, tag, time, marks, zone }: TagChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const shown = useRef({ answer, marks });
  const [words, say] = useState('');
  shown.current = { answer, marks };
  const isDark = useDark();
  useEffect(() => {
    const element = box.current!;
    const point = (self: uPlot): void => say(wordsAt(self, shown.current.answer, tag, time));
    const options = optionsOf(element, { shown, zone, time, point });
    plot.current = new uPlot(options, linesOf(answer), element);
    const resized = new ResizeObserver(() => {
      plot.current?.setSize({ width: element.clientWidth, height: heightOf(element) });
    });
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [tag.tag, zone, isDark]);
  useEffect(() => {
    plot.current?.setData(linesOf(answer), false);
    plot.current?.setScale('x', { min: answer.from / 1000, max: answer.to / 1000 });
  }, [answer]);
  return (
    <div class="chart">
      <div ref={box} class="chart-box" role="img" aria-label={`Chart of ${tag.tag}; its gaps are listed below`} />
      <p class="chart-words" aria-live="off">
        {words || 'Point at the chart to read values and gaps.'}
      </p>
    </div>
  );
}

function heightOf(element: Element): number {
  return Math.max(180, Math.min(420, element.clientWidth * 0.45));
}

interface DrawParts {
  readonly shown: { readonly current: { readonly answer: ChartAnswer; readonly marks: readonly RaisedMark[] } };
  readonly zone: string | undefined;
  readonly time: PlantTime;
  readonly point: (self: uPlot) => void;
}

function optionsOf(element: HTMLElement, { shown, zone, time, point }: DrawParts): uPlot.Options {
  const { ink, soft, band, line } = inks(element);
  const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const dots = { show: (_self: uPlot, series: number) => series > 2, size: 3, fill: ink };
  const edge = { stroke: soft, width: 1, points: { show: false } };
  return {
    width: element.clientWidth,
    height: heightOf(element),
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    ...(zone !== undefined && { tzDate: (ts: number) => uPlot.tzDate(new Date(ts * 1000), zone) }),
    scales: {
      x: { time: true, auto: false, range: () => [shown.current.answer.from / 1000, shown.current.answer.to / 1000] },
    },
    axes: [
      {
        ...axis,
        space: 90,
        values: (_self, at, _axis, _space, apart) => at.map((s) => time.mark(s * 1000, apart * 1000)),
      },
      { ...axis, size: 60 },
    ],
    series: [
      {},
      edge,
      edge,
      { stroke: ink, width: 1.5, points: { ...dots, show: alonePoints } },
      { stroke: ink, width: 1.5, dash: [5, 4], points: { ...dots, show: alonePoints } },
    ],
    bands: [{ series: [2, 1], fill: band }],
    hooks: {
      drawClear: [(self) => shadeGaps(self, shown.current.answer, line)],
      draw: [
        (self) => drawAlone(self, shown.current.answer, soft),
        (self) => drawRemarks(self, shown.current.answer, soft),
        (self) => drawMarks(self, shown.current.marks, ink),
      ],
      setCursor: [point],
    },
  };
}

/** A value that has no neighbour it could be joined to is seen as a point only. */
function alonePoints(self: uPlot, series: number): boolean {
  const values = self.data[series]!;
  const isAlone = (index: number): boolean =>
    values[index] != null && values[index - 1] == null && values[index + 1] == null;
  return values.some((_value, index) => isAlone(index));
}

/** Hatched ground where there is no value, so that a gap is seen also where it is narrow. */
function shadeGaps(self: uPlot, { gaps }: ChartAnswer, line: string): void {
  const { ctx, bbox } = self;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = line;
  ctx.globalAlpha = 0.55;
  for (const { from, to } of gaps) {
    const left = self.valToPos(from / 1000, 'x', true);
    const right = self.valToPos(to / 1000, 'x', true);
    ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
  }
  ctx.restore();
}

/** A column that is joined to none is a line from its lowest to its highest value: a band needs two. */
function drawAlone(self: uPlot, { columns }: ChartAnswer, color: string): void {
  const { ctx } = self;
  ctx.save();
  ctx.strokeStyle = color;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  for (const [index, t] of columns.t.entries()) {
    const [low, high] = [columns.min[index]!, columns.max[index]!];
    if (low === high || columns.joined[index] === 1 || columns.joined[index + 1] === 1) continue;
    const x = self.valToPos(t / 1000, 'x', true);
    ctx.moveTo(x, self.valToPos(low, 'y', true));
    ctx.lineTo(x, self.valToPos(high, 'y', true));
  }
  ctx.stroke();
  ctx.restore();
}

/** The strip at the top of a chart in which marks stand, and its letters. */
const REMARK_PIXELS = 13;
const REMARKS: Readonly<Record<ChartMark['mark'], string>> = {
  simulated: 'SIMULATED',
  unsynced: 'CLOCK ?',
  late: 'LATE',
};

/** Marks as a bar with a word at the top, one row a kind; what came late has slanted lines behind it, too. */
function drawRemarks(self: uPlot, { marks }: ChartAnswer, soft: string): void {
  const { ctx, bbox } = self;
  const high = REMARK_PIXELS * devicePixelRatio;
  const kinds = [...new Set(marks.map(({ mark }) => mark))];
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.strokeStyle = ctx.fillStyle = soft;
  ctx.lineWidth = devicePixelRatio;
  // What was drawn before leaves its dashes and its alignment.
  ctx.setLineDash([]);
  ctx.textAlign = 'left';
  ctx.font = `${0.75 * high}px sans-serif`;
  ctx.textBaseline = 'middle';
  for (const { from, to, mark } of marks) {
    const word = REMARKS[mark];
    const left = Math.max(bbox.left, self.valToPos(from / 1000, 'x', true));
    const right = Math.min(bbox.left + bbox.width, self.valToPos(to / 1000, 'x', true));
    const wide = Math.max(2 * devicePixelRatio, right - left);
    const top = bbox.top + kinds.indexOf(mark) * high;
    if (mark === 'late') hatch(ctx, { left, top: bbox.top, wide, high: bbox.height });
    ctx.strokeRect(left, top, wide, high);
    if (ctx.measureText(word).width + 6 < wide) ctx.fillText(word, left + 3, top + high / 2);
    else ctx.fillRect(left, top, wide, high);
  }
  ctx.restore();
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly wide: number;
  readonly high: number;
}

/** Slanted lines within a box. */
function hatch(ctx: CanvasRenderingContext2D, { left, top, wide, high }: Box): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, wide, high);
  ctx.clip();
  ctx.globalAlpha = 0.4;
  ctx.beginPath();
  for (let at = left - high; at < left + wide; at += 8 * devicePixelRatio) {
    ctx.moveTo(at, top + high);
    ctx.lineTo(at + high, top);
  }
  ctx.stroke();
  ctx.restore();
}

function drawMarks(self: uPlot, marks: readonly RaisedMark[], ink: string): void {
  const { ctx, bbox } = self;
  ctx.save();
  ctx.fillStyle = ink;
  ctx.font = `${12 * devicePixelRatio}px sans-serif`;
  ctx.textAlign = 'center';
  for (const { t } of marks) {
    const x = self.valToPos(t / 1000, 'x', true);
    if (x >= bbox.left && x <= bbox.left + bbox.width) ctx.fillText('▲', x, bbox.top + bbox.height - 2);
  }
  ctx.restore();
}

function wordsAt(self: uPlot, { columns, gaps, marks }: ChartAnswer, tag: JsonTag, time: PlantTime): string {
  const { left } = self.cursor;
  if (left === undefined || left < 0) return '';
  const ms = self.posToVal(left, 'x') * 1000;
  const gap = gapAt(gaps, ms);
  if (gap) return `${time.full(gap.from)} for ${spanText(gap.to - gap.from)}: no value. ${gap.words} (${gap.why})`;
  let near = -1;
  for (const [index, t] of columns.t.entries())
    if (near < 0 || Math.abs(t - ms) < Math.abs(columns.t[near]! - ms)) near = index;
  if (near < 0) return '';
  const [min, max] = [columns.min[near]!, columns.max[near]!];
  const unit = tag.unit ?? '';
  const value =
    min === max
      ? valueText(min, tag)
      : `${numberText(min, tag.decimals)} to ${numberText(max, tag.decimals)}, mean ${numberText(columns.mean[near]!, tag.decimals)}`;
  const doubt = columns.uncertain[near] === 1 ? ', uncertain' : '';
  return `${time.full(columns.t[near]!)}: ${value} ${unit}${doubt} (${columns.count[near]} ${columns.count[near] === 1 ? 'reading' : 'readings'})${marksAt(marks, columns.t[near]!)}`;
}
