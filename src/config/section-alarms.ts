import { z } from 'zod';
import { durationField } from '../core/fields.ts';

/** A value of a tag as the file gives it; `on` and `off` mean true and false. */
const valueField = (description: string) =>
  z.union([z.boolean(), z.number(), z.string().min(1)]).meta({ description, examples: ['on', 3] });

/** A full tag name, `device/tag`. */
const tagField = (description: string) =>
  z
    .string()
    .regex(/^[^/\s]+\/[^/\s]+$/, { error: 'expected the full name of a tag, device/tag, such as press-1/oil-temp' })
    .meta({ description, examples: ['press-1/oil-temp'] });

/** Keys of which an alarm has exactly one: what it watches for. */
export const ALARM_KINDS = ['above', 'below', 'outside', 'equals', 'rateAbove', 'stale', 'changed'] as const;

/** `alarms.NAME` */
export const alarmShape = {
  tag: tagField('Tag that is watched.'),
  above: z.number().meta({ description: 'Alarm at values above this (not at this), in engineering units.' }).optional(),
  below: z.number().meta({ description: 'Alarm at values below this (not at this).' }).optional(),
  outside: z
    .tuple([z.number(), z.number()])
    .meta({ description: 'Alarm at values below the first or above the second.', examples: [[10, 20]] })
    .optional(),
  equals: valueField('Alarm at exactly this value.').optional(),
  rateAbove: z
    .strictObject({
      per: durationField('Time over which the change is measured.', { min: '100ms', max: '1d' }),
      limit: z.number().positive().meta({ description: 'Alarm at a larger change, up or down, in engineering units.' }),
    })
    .meta({ description: 'Alarm when the value moves too fast.', examples: [{ per: '1m', limit: 5 }] })
    .optional(),
  stale: durationField('Alarm when no usable reading came for this long.', { min: '10ms', max: '365d' }).optional(),
  changed: z.literal(true).meta({ description: 'Alarm at every change of the value.' }).optional(),
  deadband: z
    .number()
    .min(0)
    .meta({ description: 'How far back inside the limit an active alarm must come to go. Default: 0.', default: 0 })
    .optional(),
  onDelay: durationField('How long the condition must last. Default: 0s.', { max: '7d' })
    .optional()
    .meta({ default: '0s' }),
  offDelay: durationField('How long the condition must be gone. Default: 0s.', { max: '7d' })
    .optional()
    .meta({ default: '0s' }),
  priority: z
    .enum(['low', 'medium', 'high', 'critical'])
    .meta({ description: 'How soon somebody must act (ISA-18.2). Default: medium.', default: 'medium' })
    .default('medium'),
  latch: z
    .boolean()
    .meta({ description: 'Stays after the condition is gone, until it is reset. Default: false.' })
    .default(false),
  ack: z
    .boolean()
    .meta({ description: 'Stays after the condition is gone, until it is acknowledged. Default: true.' })
    .default(true),
  message: z
    .string()
    .min(1)
    .max(500)
    .meta({
      description: 'Text of its events; may use {value} {unit} {limit} {tag}.',
      examples: ['Oil at {value} {unit}'],
    })
    .optional(),
  while: z
    .string()
    .min(1)
    .meta({
      description: 'Suppressed unless this tag is on (DEVICE/TAG) or has a value ("DEVICE/TAG == VALUE").',
      examples: ['press-1/running', 'press-1/mode == 3'],
    })
    .optional(),
  set: z
    .strictObject({
      tag: tagField('Output that shows the alarm; it must be writable.'),
      to: valueField('Its value while the alarm is active or latched.'),
      back: valueField('Its value otherwise. Default for on and off: the opposite.').optional(),
    })
    .meta({ description: 'Drives an output, a stack light for example.', examples: [{ tag: 'door/lamp', to: 'on' }] })
    .optional(),
  maxShelve: durationField('Longest shelving. Default: 8h.', { min: '1m', max: '30d' })
    .optional()
    .meta({ default: '8h' }),
};

/** An entry of the section as the shape gives it: durations in ms. */
export type AlarmOptions = z.output<z.ZodObject<typeof alarmShape>>;
