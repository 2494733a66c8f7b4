/** The options of simulated channels and tags. */
import { z } from 'zod';
import { type Checked, failed, lazily, type Problem, passed } from '../../src/core/checked.ts';
import { durationField } from '../../src/core/fields.ts';
import type { ValueForm } from '../../src/core/reading.ts';
import type { TagSource } from '../driver-type.ts';
import { checkFaults, faultsField, type MockFault } from './faults.ts';
import { parseSignal } from './parse.ts';
import { formOf, type Signal } from './signal.ts';
import { MOCK_TYPES, type MockType } from './types.ts';

/** A simulated channel, complete. */
export interface MockChannel {
  /** Chooses all noise of the channel: the same seed gives the same run. */
  readonly seed: number;
  /** How long every answer takes, ms. */
  readonly latencyMs: number;
  /** How long a device that does not answer is waited for, ms. */
  readonly timeoutMs: number;
  /** The channel's own faults: while one is on, nothing can be connected. */
  readonly faults: readonly MockFault[];
}

/** A simulated tag, complete. */
export interface MockAddress {
  /** The address as it was written. */
  readonly text: string;
  readonly signal: Signal;
  readonly type: MockType | undefined;
  readonly faults: readonly MockFault[];
  readonly deviceFaults: readonly MockFault[];
}

/** Keys of a `driver: mock` channel. */
export const mockChannelShape = lazily(() => ({
  seed: z
    .int({ error: 'expected a whole number from 0 to 4294967295' })
    .min(0, { error: 'expected a whole number from 0 to 4294967295' })
    .max(0xffff_ffff, { error: 'expected a whole number from 0 to 4294967295' })
    .meta({ description: 'Chooses all noise of the channel: the same seed gives the same run. Default: 1.' })
    .optional(),
  latency: durationField('How long every answer takes. Default: 0s.', { max: '1m' }).optional(),
  timeout: durationField('How long a silent device is waited for. Default: 1s.', { min: '1ms', max: '1m' }).optional(),
  faults: faultsField('channel').optional(),
}));

/** Keys of a device on it. */
export const mockDeviceShape = lazily(() => ({ faults: faultsField('device').optional() }));

/** Keys of its tags. */
export const mockTagShape = lazily(() => ({
  address: z.union([z.string(), z.number(), z.boolean()]).meta({
    description: 'A signal, or a constant value.',
    examples: ['sine(min=180,max=220,period=60s,noise=0.5)', 'counter(rate=12/m)'],
  }),
  type: z.enum(MOCK_TYPES).meta({ description: 'Type its values are given. Default: that of the signal.' }).optional(),
  faults: faultsField('tag').optional(),
}));

/** Completes a channel. Defaults: seed 1, no latency, a timeout of 1 s, no faults. */
export function checkMockChannel(options: Record<string, unknown>): Checked<MockChannel> {
  const faults = checkFaults(options.faults, 'channel');
  if (!faults.ok) return faults;
  return passed({
    seed: (options.seed as number | undefined) ?? 1,
    latencyMs: (options.latency as number | undefined) ?? 0,
    timeoutMs: (options.timeout as number | undefined) ?? 1000,
    faults: faults.value,
  });
}

/** Reads a tag's signal and checks it against its type; reports the faults of its device too. */
export function checkMockTag({ options, deviceOptions }: TagSource<Record<string, unknown>>): Checked<MockAddress> {
  if (options.address === undefined)
    return failed(['address'], 'is missing: write a signal such as "sine(min=0,max=100,period=60s)"');
  const text = String(options.address);
  const type = options.type as MockType | undefined;
  const problems: Problem[] = [];
  const keep = <T>(checked: Checked<T>, prefix: readonly string[]): T | undefined => {
    if (checked.ok) return checked.value;
    problems.push(...checked.problems.map(({ path, message }) => ({ path: [...prefix, ...path], message })));
    return undefined;
  };
  const signal = keep(parseSignal(text), ['address']);
  const faults = keep(checkFaults(options.faults, 'tag'), []);
  const deviceFaults = keep(checkFaults(deviceOptions.faults, 'device'), []);
  if (signal && type !== undefined && type !== 'string' && ['text', 'mixed'].includes(formOf(signal)))
    problems.push({ path: ['type'], message: `${type} cannot hold the texts of this signal: write string` });
  if (problems.length > 0 || !signal || !faults || !deviceFaults) return { ok: false, problems };
  return passed({ text, signal, type, faults, deviceFaults });
}

/** What the values of a tag are: those of its type, else those of its signal. */
export function formOfMock({ type, signal }: MockAddress): ValueForm | undefined {
  if (type !== undefined) return type === 'bool' ? 'bool' : type === 'string' ? 'text' : 'number';
  const form = formOf(signal);
  return form === 'mixed' ? undefined : form === 'boolean' ? 'bool' : form;
}
