// The parts list (CycloneDX) of a package: what npm says of the packages, without those that were left out, with Node, and
// without what differs from run to run.
//   sbom.mjs NPM-SBOM NODE_MODULES NODE@VERSION BUNDLED VERSION ARCH
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [file, modules, node, bundled, version, arch] = process.argv.slice(2);
const document = JSON.parse(readFileSync(file, 'utf8'));

const placeOf = ({ properties = [] }) => properties.find(({ name }) => name === 'cdx:npm:package:path')?.value;
const isThere = (component) => {
  const place = placeOf(component);
  return place === undefined || existsSync(join(modules, '..', place, 'package.json'));
};
const [nodePackage, nodeVersion] = node.split('@');
const added =
  bundled === 'true'
    ? [{ type: 'application', name: 'node', version: nodeVersion, purl: `pkg:npm/${nodePackage}@${nodeVersion}` }]
    : [];

document.components = [...document.components.filter(isThere), ...added].sort((a, b) =>
  `${a.name}@${a.version}` < `${b.name}@${b.version}` ? -1 : 1,
);
const refs = new Set(document.components.map((component) => component['bom-ref']));
document.dependencies = document.dependencies
  .filter(({ ref }) => refs.has(ref) || ref === document.metadata.component['bom-ref'])
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)).sort() }))
  .sort((a, b) => (a.ref < b.ref ? -1 : 1));
document.metadata.timestamp = new Date(Number(process.env.SOURCE_DATE_EPOCH) * 1000).toISOString();
// npm names the program by the folder it was asked in.
document.metadata.component.name = 'millgate';
document.metadata.component.version = version;
document.metadata.component.purl = `pkg:deb/millgate@${version}?arch=${arch}`;
document.serialNumber = undefined;
const hash = createHash('sha256').update(JSON.stringify(document)).digest('hex');
document.serialNumber = `urn:uuid:${[hash.slice(0, 8), hash.slice(8, 12), `5${hash.slice(13, 16)}`, `8${hash.slice(17, 20)}`, hash.slice(20, 32)].join('-')}`;
process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
