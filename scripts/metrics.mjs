// Writes docs/metrics.md from the list of metrics; run it after a change of that list.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { metricsDocument } from '../dist/src/api/metrics.js';

const file = fileURLToPath(new URL('../docs/metrics.md', import.meta.url));
mkdirSync(fileURLToPath(new URL('../docs', import.meta.url)), { recursive: true });
writeFileSync(file, metricsDocument());
console.log(`written: ${file}`);
