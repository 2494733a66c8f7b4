// Writes config/millgate.schema.json from the code that validates; run it after a change of the configuration.
import { fileURLToPath } from 'node:url';
import { DRIVERS } from '../dist/hal/registry.js';
import { writeSchema } from '../dist/src/config/sections/schema.js';

const file = fileURLToPath(new URL('../config/millgate.schema.json', import.meta.url));
console.log(writeSchema(file, DRIVERS) ? `written: ${file}` : 'nothing changed');
