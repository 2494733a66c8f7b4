// Node-RED as a peer of the benchmark: installed from the registry into a cache, with a flow that does the same work.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const PACKAGES = { 'node-red': '4.1.8', 'node-red-contrib-modbus': '5.45.2' };

/** Its Modbus nodes name a fork by an address outside of the registry; the package that it was forked from does the same. */
const OVERRIDES = { '@openp4nr/modbus-serial': 'npm:modbus-serial@8.0.25' };

/** Installs it if it is not there yet, and gives its folder of packages. */
export function installNodeRed() {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'millgate-bench/node-red');
  const modules = join(folder, 'node_modules');
  if (existsSync(join(modules, 'node-red-contrib-modbus'))) return modules;
  mkdirSync(folder, { recursive: true });
  const described = { name: 'peer', version: '1.0.0', private: true, dependencies: PACKAGES, overrides: OVERRIDES };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(described));
  console.error(`bench: installing Node-RED ${PACKAGES['node-red']} into ${folder}`);
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, stdio: 'inherit' });
  return modules;
}

/** Writes the flow and the settings into a folder; gives the arguments of Node that run it. */
export function nodeRedArguments(folder, modules, { base, devices, registers, periodMs, mqttPort, uiPort }) {
  mkdirSync(folder, { recursive: true });
  const at = { x: 1, y: 1 };
  const flow = [
    { id: 'tab', type: 'tab', label: 'bench' },
    ...[{ id: 'broker', type: 'mqtt-broker', broker: '127.0.0.1', port: String(mqttPort), autoConnect: true }],
    ...[
      {
        id: 'out',
        type: 'mqtt out',
        z: 'tab',
        topic: '',
        qos: '1',
        retain: 'false',
        broker: 'broker',
        wires: [],
        ...at,
      },
    ],
  ];
  for (let device = 0; device < devices; device++) {
    const func = `return { topic: 'peer/${device}', payload: JSON.stringify({ device: ${device}, t: Date.now(), v: msg.payload }) };`;
    flow.push(
      {
        ...{ id: `line${device}`, type: 'modbus-client', clienttype: 'tcp', tcpHost: '127.0.0.1', tcpType: 'DEFAULT' },
        ...{ tcpPort: String(base + device), unit_id: '1', commandDelay: '1', clientTimeout: '1000' },
        ...{ bufferCommands: true, reconnectOnTimeout: true, reconnectTimeout: '2000', parallelUnitIdsAllowed: true },
      },
      {
        ...{ id: `read${device}`, type: 'modbus-read', z: 'tab', unitid: '1', dataType: 'HoldingRegister', adr: '0' },
        ...{ quantity: String(registers), rate: String(periodMs), rateUnit: 'ms', server: `line${device}`, ...at },
        wires: [[`say${device}`], []],
      },
      { id: `say${device}`, type: 'function', z: 'tab', func, outputs: 1, wires: [['out']], ...at },
    );
  }
  writeFileSync(join(folder, 'flows.json'), JSON.stringify(flow));
  const uses = { 'node-red-contrib-modbus': '*' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'peer', private: true, dependencies: uses }));
  symlinkSync(modules, join(folder, 'node_modules'));
  const settings = {
    ...{ uiHost: '127.0.0.1', uiPort, flowFile: 'flows.json', credentialSecret: false, disableEditor: true },
    ...{ httpAdminRoot: false, httpNodeRoot: false, logging: { console: { level: 'error' } } },
    ...{ telemetry: { enabled: false, updateNotification: false }, externalModules: { autoInstall: false } },
  };
  writeFileSync(join(folder, 'settings.js'), `module.exports = ${JSON.stringify(settings)};\n`);
  return [join(modules, 'node-red/red.js'), '-u', folder, '-s', join(folder, 'settings.js')];
}
