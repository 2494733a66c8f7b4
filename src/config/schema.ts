import type { DriverType } from '../../hal/driver.ts';

export function generateSchema(drivers: readonly DriverType[]): object {
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', drivers: drivers.map(({ type }) => type) };
}
