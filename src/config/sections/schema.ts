/** Makes the JSON Schema of the configuration file from the shapes that validate it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { DriverType } from '../../../hal/driver-type.ts';
import { NAME_PATTERN } from '../../core/quantity.ts';
import { alarmShape } from './alarms.ts';
import { maintenanceShape } from './section-maintenance.ts';
import { notifyShape } from './section-notify.ts';
import { productionShape } from './section-production.ts';
import { inventoryShape, partsShape } from './section-scanned.ts';
import { spcShape } from './section-spc.ts';
import { SECTIONS } from './sections.ts';
import { channelShape, derivedShape, deviceShape, tagShape } from './shapes.ts';
import { httpShape, influxdbShape, kafkaShape } from './uplinks/uplink-http.ts';
import { MQTT_PRESET_SHAPES } from './uplinks/uplink-presets.ts';
import { brokerShape } from './uplinks/uplinks.ts';

type JsonSchema = Record<string, unknown>;

/**
 * The JSON Schema (draft 2020-12) of the configuration file, from the shapes that validate it. It serves editors: which
 * keys fit together across sections (a device with the driver of its channel, a tag with its profile) only `check` knows,
 * so a device may have the keys of any one driver, and no key of a tag is required.
 */
export function generateSchema(drivers: readonly DriverType[]): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  for (const { name, description, form } of SECTIONS) {
    if (form.kind === 'shape') properties[name] = { description, ...toJson(form.schema) };
    if (form.kind === 'named') properties[name] = { description, ...namedMap(entrySchema(name, drivers)) };
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Millgate configuration',
    description: 'Durations: 200us 250ms 1s 5m 8h 30d. Sizes: 500MB 2GB. Rates: 500/s. Names: a-z, 0-9, - and _.',
    type: 'object',
    properties,
    additionalProperties: false,
  };
}

/** What a section of named entries holds under each name. */
function entrySchema(section: string, drivers: readonly DriverType[]): JsonSchema {
  if (section === 'channels') return anyOf(drivers.map(channelSchema));
  if (section === 'devices') return anyOf(drivers.map(deviceSchema));
  if (section === 'alarms') return { title: 'Alarm', ...toJson(z.strictObject(alarmShape)) };
  if (section === 'spc') return { title: 'Control chart', ...toJson(z.strictObject(spcShape)) };
  if (section === 'maintenance') return { title: 'Item of maintenance', ...toJson(z.strictObject(maintenanceShape)) };
  if (section === 'production') return { title: 'Machine', ...toJson(z.strictObject(productionShape)) };
  if (section === 'parts') return { title: 'Station', ...toJson(z.strictObject(partsShape)) };
  if (section === 'inventory') return { title: 'Stock', ...toJson(z.strictObject(inventoryShape)) };
  if (section === 'notify') return { title: 'Notifier', ...toJson(z.strictObject(notifyShape)) };
  return anyOf([
    { title: 'MQTT uplink', ...toJson(z.strictObject(brokerShape)) },
    { title: 'HTTP uplink', ...toJson(z.strictObject(httpShape)) },
    { title: 'InfluxDB', ...toJson(z.strictObject(influxdbShape)) },
    { title: 'Kafka REST proxy', ...toJson(z.strictObject(kafkaShape)) },
    ...Object.values(MQTT_PRESET_SHAPES).map(({ title, shape }) => ({ title, ...toJson(z.strictObject(shape)) })),
  ]);
}

function channelSchema(driver: DriverType): JsonSchema {
  const word = z.literal(driver.type).meta({ description: 'Kind of channel.' });
  return {
    title: `${driver.type} channel`,
    ...toJson(z.strictObject({ driver: word, ...channelShape, ...driver.channelShape() })),
  };
}

function deviceSchema(driver: DriverType): JsonSchema {
  const tag = {
    title: `${driver.type} tag`,
    ...toJson(z.strictObject({ ...tagShape, ...driver.tagShape() }).partial()),
  };
  const derived = { title: 'computed tag', ...toJson(z.strictObject(derivedShape)) };
  const device = toJson(z.strictObject({ ...deviceShape, ...z.object(driver.deviceShape()).partial().shape }));
  const tags = { description: 'Measured values, by name.', ...namedMap({ anyOf: [tag, derived, { type: 'null' }] }) };
  return {
    title: `Device on a ${driver.type} channel`,
    ...device,
    properties: { ...(device.properties as JsonSchema), tags },
  };
}

/** A map from names to entries. */
function namedMap(entry: JsonSchema): JsonSchema {
  return {
    type: 'object',
    propertyNames: { pattern: NAME_PATTERN.source },
    additionalProperties: entry,
  };
}

function anyOf(schemas: readonly JsonSchema[]): JsonSchema {
  const [first, ...others] = schemas;
  return first && others.length === 0 ? first : { anyOf: schemas };
}

/** The JSON Schema of what may be written, before defaults and transforms. */
function toJson(schema: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    // Defaults and examples are given as the file writes them, so they hold for transformed values too.
    override: ({ zodSchema, jsonSchema }) => {
      const { default: standard, examples } = z.globalRegistry.get(zodSchema) ?? {};
      if (standard !== undefined) jsonSchema.default = standard as typeof jsonSchema.default;
      if (examples !== undefined) jsonSchema.examples = examples as typeof jsonSchema.examples;
    },
  }) as JsonSchema;
  return rest;
}

/** The text of the schema's file. */
export function formatSchema(schema: JsonSchema): string {
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** Writes the schema's file; leaves one that is right untouched. Returns whether it was written. */
export function writeSchema(file: string, drivers: readonly DriverType[]): boolean {
  const text = formatSchema(generateSchema(drivers));
  if (readIfThere(file) === text) return false;
  writeFileSync(file, text);
  return true;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
