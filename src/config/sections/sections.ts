/** The list of all sections of the file. */
import { z } from 'zod';
import { fleetShape } from './section-fleet.ts';
import { serveShape } from './serve.ts';
import { apiShape, commandsShape, gatewayShape, storeShape } from './shapes.ts';

/** One key of the top level. */
interface Section {
  readonly name: string;
  readonly description: string;
  /** `shape`: one map of fixed keys. `named`: a map from names to entries, assembled with the drivers. */
  readonly form: { readonly kind: 'shape'; readonly schema: z.ZodObject } | { readonly kind: 'named' };
}

/** Every section of the file, in the order of a good file. To add one, give it a form here. */
export const SECTIONS: readonly Section[] = [
  {
    name: 'gateway',
    description: 'Who this gateway is.',
    form: { kind: 'shape', schema: z.strictObject(gatewayShape) },
  },
  { name: 'channels', description: 'Physical lines, by name.', form: { kind: 'named' } },
  { name: 'devices', description: 'Devices on the channels, by name.', form: { kind: 'named' } },
  { name: 'alarms', description: 'Alarms, by name.', form: { kind: 'named' } },
  { name: 'spc', description: 'Control charts, by name.', form: { kind: 'named' } },
  { name: 'production', description: 'Machines whose production is counted, by name.', form: { kind: 'named' } },
  { name: 'maintenance', description: 'Condition and runtime, by name.', form: { kind: 'named' } },
  {
    name: 'parts',
    description: 'Stations at which parts with a serial number are judged, by name.',
    form: { kind: 'named' },
  },
  { name: 'inventory', description: 'Stocks that are counted by scans, by name.', form: { kind: 'named' } },
  {
    name: 'store',
    description: 'Where readings are kept until they are delivered.',
    form: { kind: 'shape', schema: z.strictObject(storeShape) },
  },
  { name: 'uplinks', description: 'Where readings are sent, by name.', form: { kind: 'named' } },
  { name: 'notify', description: 'Who is told of alarms, by name.', form: { kind: 'named' } },
  { name: 'api', description: 'The local API and page.', form: { kind: 'shape', schema: z.strictObject(apiShape) } },
  {
    name: 'commands',
    description: 'Writing to devices.',
    form: { kind: 'shape', schema: z.strictObject(commandsShape) },
  },
  {
    name: 'serve',
    description: 'What is served to systems of the plant that ask the gateway.',
    form: { kind: 'shape', schema: z.strictObject(serveShape) },
  },
  {
    name: 'fleet',
    description: 'Where signed configurations come from: for millgate pull.',
    form: { kind: 'shape', schema: z.strictObject(fleetShape) },
  },
];
