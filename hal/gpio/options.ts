/** The options of GPIO channels and tags. */
import { z } from 'zod';
import { type Checked, failed, lazily, type Problem, passed } from '../../src/core/checked.ts';
import { durationField } from '../../src/core/fields.ts';
import { formatDuration } from '../../src/core/quantity.ts';
import { orList } from '../../src/core/suggest.ts';
import type { TagSource } from '../driver-type.ts';
import type { LineName } from './find.ts';
import type { Bias, Drive, Edges } from './port.ts';

/** What a tag makes of its line. */
const MEASURES = ['state', 'count', 'rate', 'frequency', 'pulse-width', 'lost'] as const;
export type Measure = (typeof MEASURES)[number];

/** Ways to the lines; `auto` takes the character device where there is one. */
const BACKENDS = ['auto', 'chardev', 'sysfs'] as const;
export type Backend = (typeof BACKENDS)[number];

/** A GPIO channel, complete. */
export interface GpioChannel {
  /** `auto`, a chip's name or its label. */
  readonly chip: string;
  readonly backend: Backend;
}

/** What every address has. */
interface OnLine {
  /** The address as it was written. */
  readonly text: string;
  readonly line: LineName;
  readonly activeLow: boolean;
  /** What its value would be in a register; `run --simulate` makes such values. */
  readonly type: 'bool' | 'uint32' | 'float64';
}

/** A tag that watches a line. */
export interface GpioInput extends OnLine {
  readonly direction: 'input';
  readonly measure: Measure;
  readonly bias: Bias;
  /** µs; 0: none. */
  readonly debounceUs: number;
  /** Edges that are counted; of a pulse width, the edge that begins the pulse; of a state, both. */
  readonly edge: Exclude<Edges, 'none'>;
  /** Time a rate or frequency is taken over, ms. */
  readonly windowMs: number;
}

/** A tag that drives a line. */
export interface GpioOutput extends OnLine {
  readonly direction: 'output';
  readonly drive: Drive;
  /** Value from the moment the line is taken until the first write, and again when it is given back. */
  readonly safe: boolean;
}

/** A GPIO tag, complete. */
export type GpioAddress = GpioInput | GpioOutput;

/** Keys of a `driver: gpio` channel. */
export const gpioChannelShape = lazily(() => ({
  chip: z
    .string({
      error: ({ input }) =>
        `expected auto, the name of a chip such as gpiochip0, or its label such as pinctrl-bcm2711${typeof input === 'number' ? `; got ${input}: write gpiochip${input}` : ''}`,
    })
    .min(1)
    .max(64)
    .meta({
      description: 'auto, the label of a chip (gpiodetect lists them), or its name. Default: auto.',
      default: 'auto',
      examples: ['auto', 'pinctrl-bcm2711', 'gpiochip0'],
    })
    .optional(),
  backend: z
    .enum(BACKENDS, { error: `expected ${orList(BACKENDS)}` })
    .meta({ description: 'chardev: character device; sysfs: old kernels. Default: auto.', default: 'auto' })
    .optional(),
}));

const LONGEST_DEBOUNCE = '10s';

/** Keys of its tags. */
export const gpioTagShape = lazily(() => ({
  address: z
    .union([z.string(), z.int()], {
      error: 'expected the name of a line such as GPIO17, or its number on the chip, for example 17',
    })
    .meta({ description: 'Name of the line, or its offset on the chip.', examples: ['GPIO17', 17] }),
  direction: z
    .enum(['input', 'output'], { error: 'expected input or output' })
    .meta({ description: 'Default: input.', default: 'input' })
    .optional(),
  activeLow: z
    .boolean()
    .meta({ description: 'True where a low level means on. Default: false.', default: false })
    .optional(),
  bias: z
    .enum(['as-is', 'pull-up', 'pull-down', 'disabled'])
    .meta({ description: 'Resistor inside the chip, of an input. Default: as-is.', default: 'as-is' })
    .optional(),
  debounce: durationField('How long a level of an input has to last. Default: 0s.', {
    max: LONGEST_DEBOUNCE,
  }).optional(),
  edge: z
    .enum(['rising', 'falling', 'both'])
    .meta({ description: 'Edges that are counted, after activeLow. Default: rising; of a state: both.' })
    .optional(),
  measure: z
    .enum(MEASURES, { error: `expected ${orList(MEASURES)}` })
    .meta({
      description:
        'state: on or off, reported when it changes; count: edges; rate: edges a second; frequency: Hz from the time between edges; pulse-width: ms; lost: edges that were lost. Default: state, or count with counter: true.',
    })
    .optional(),
  counter: z.boolean().meta({ description: 'Counts edges: measure: count.', default: false }).optional(),
  window: durationField('Time that a rate or frequency is taken over. Default: 1s.', {
    min: '100ms',
    max: '1h',
  }).optional(),
  safe: z
    .union([z.boolean(), z.enum(['on', 'off'])], { error: 'expected on or off' })
    .meta({ description: 'Value of an output at start and when the gateway stops. Default: off.', default: 'off' })
    .optional(),
  drive: z
    .enum(['push-pull', 'open-drain', 'open-source'])
    .meta({ description: 'How an output drives its line. Default: push-pull.', default: 'push-pull' })
    .optional(),
}));

/** The validated keys of a tag. */
type TagOptions = z.output<z.ZodObject<ReturnType<typeof gpioTagShape>>>;

/** Completes a channel. Defaults: the line is searched on every chip, by the best way there is. */
export function checkGpioChannel(options: Record<string, unknown>): Checked<GpioChannel> {
  const { chip, backend } = options as z.output<z.ZodObject<ReturnType<typeof gpioChannelShape>>>;
  return passed({ chip: (chip ?? 'auto').replace(/^\/dev\//, ''), backend: backend ?? 'auto' });
}

const OF_INPUTS = ['bias', 'debounce', 'edge', 'measure', 'window', 'counter'] as const;
const OF_OUTPUTS = ['safe', 'drive'] as const;
const TYPES = {
  state: 'bool',
  count: 'uint32',
  lost: 'uint32',
  rate: 'float64',
  frequency: 'float64',
  'pulse-width': 'float64',
} as const;

/** Checks one tag and gives its complete address, or every problem. */
export function checkGpioTag(source: TagSource<Record<string, unknown>>, channel: GpioChannel): Checked<GpioAddress> {
  const options = source.options as TagOptions;
  const line = lineNameOf(options.address);
  const direction = options.direction ?? 'input';
  const foreign = direction === 'input' ? OF_OUTPUTS : OF_INPUTS;
  const problems: Problem[] = foreign
    .filter((key) => options[key] !== undefined && options[key] !== false)
    .map((key) => ({ path: [key], message: foreignKey(key, direction) }));
  if (!line.ok) problems.push(...line.problems);
  const common = { text: String(options.address), activeLow: options.activeLow ?? false };
  if (direction === 'output') {
    const drive = options.drive ?? 'push-pull';
    if (channel.backend === 'sysfs' && drive !== 'push-pull') problems.push(notInSysfs('drive', drive));
    if (!line.ok || problems.length > 0) return { ok: false, problems };
    const safe = options.safe === true || options.safe === 'on';
    return passed({ ...common, line: line.value, direction, drive, safe, type: 'bool' });
  }
  const measure = options.measure ?? (options.counter ? 'count' : 'state');
  const bias = options.bias ?? 'as-is';
  problems.push(...checkMeasure(options, measure));
  if (channel.backend === 'sysfs' && bias !== 'as-is') problems.push(notInSysfs('bias', bias));
  if (!line.ok || problems.length > 0) return { ok: false, problems };
  return passed({
    ...common,
    line: line.value,
    direction,
    measure,
    bias,
    debounceUs: Math.round((options.debounce ?? 0) * 1000),
    edge: options.edge ?? (measure === 'state' || measure === 'lost' ? 'both' : 'rising'),
    windowMs: options.window ?? 1000,
    type: TYPES[measure],
  });
}

/** `GPIO17, input, active low, pull-up, debounce 5ms` */
export function describeGpioAddress(address: GpioAddress): string {
  const low = address.activeLow ? ['active low'] : [];
  if (address.direction === 'output') {
    const drive = address.drive === 'push-pull' ? [] : [address.drive];
    return [address.text, 'output', ...low, ...drive, `safe ${address.safe ? 'on' : 'off'}`].join(', ');
  }
  const { measure, edge, bias, debounceUs, windowMs } = address;
  const edges = measure === 'state' || measure === 'lost' ? [] : [edge];
  const over = measure === 'rate' || measure === 'frequency' ? [`over ${formatDuration(windowMs)}`] : [];
  const resistor = bias === 'as-is' ? [] : [bias];
  const debounce = debounceUs > 0 ? [`debounce ${formatDuration(debounceUs / 1000)}`] : [];
  return [address.text, measure, ...edges, ...over, ...low, ...resistor, ...debounce].join(', ');
}

function lineNameOf(address: TagOptions['address']): Checked<LineName> {
  const text = String(address).trim();
  if (/^\d+$/.test(text)) {
    const offset = Number(text);
    if (offset <= 0xffff) return passed({ kind: 'offset', offset });
    return failed(
      ['address'],
      `${text} is not the number of a line on a chip: these go from 0 to 65535 and begin at 0 on each chip`,
    );
  }
  if (/^[\x21-\x7e]{1,31}$/.test(text) && !/^-\d/.test(text)) return passed({ kind: 'name', name: text });
  return failed(
    ['address'],
    `"${text}" is not the name of a line: write a name such as GPIO17, or its number on the chip, for example 17`,
  );
}

/** What does not go together with what is measured. */
function checkMeasure(options: TagOptions, measure: Measure): Problem[] {
  const problems: Problem[] = [];
  const isWindowed = measure === 'rate' || measure === 'frequency';
  if (options.counter === true && measure !== 'count' && measure !== 'lost')
    problems.push({
      path: ['measure'],
      message: `counter: true and measure: ${measure} contradict each other, because a counter counts edges: remove one of the two`,
    });
  if (options.window !== undefined && !isWindowed)
    problems.push({
      path: ['window'],
      message: `window is only for measure: rate or measure: frequency: add one of them, or remove window`,
    });
  if (options.edge === undefined || options.edge === 'both') {
    if (options.edge === 'both' && (measure === 'frequency' || measure === 'pulse-width'))
      problems.push({ path: ['edge'], message: `a ${measure} needs one kind of edge: write rising or falling` });
  } else if (measure === 'state' || measure === 'lost') {
    const remedy = measure === 'state' ? ', or add counter: true to count edges' : '';
    problems.push({ path: ['edge'], message: `${nounOf(measure)} follows both edges: remove edge${remedy}` });
  }
  return problems;
}

function foreignKey(key: string, direction: 'input' | 'output'): string {
  if (direction === 'output') return `${key} is for inputs, and this is an output: remove ${key}`;
  return `${key} is for outputs: write direction: output, or remove ${key}`;
}

function notInSysfs(key: 'bias' | 'drive', value: string): Problem {
  const parts: Readonly<Record<string, string>> = {
    'pull-up': 'or fit a pull-up resistor outside',
    'pull-down': 'or fit a pull-down resistor outside',
    disabled: 'or remove bias',
    'open-drain': 'or use an external transistor',
    'open-source': 'or use an external transistor',
  };
  return {
    path: [key],
    message: `with backend: sysfs there is no ${key}: ${value}: write backend: chardev, ${parts[value] ?? `or remove ${key}`}`,
  };
}

/** What is measured, as a noun. */
function nounOf(measure: Measure): string {
  return measure === 'lost' ? 'a count of lost edges' : `a ${measure}`;
}
