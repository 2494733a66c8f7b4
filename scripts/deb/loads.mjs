// Loads every library that the program loads only when it needs it, and says which cannot be: loads.mjs FOLDER
import { createRequire } from 'node:module';
import { join } from 'node:path';

const folder = process.argv[2];
const require = createRequire(join(folder, 'package.json'));
const libraries = [
  'better-sqlite3',
  'koffi',
  'serialport',
  'i2c-bus',
  'epoll',
  'onoff',
  'modbus-serial',
  'mqtt',
  'aedes',
  'yaml',
  'zod',
];
const failed = libraries.filter((name) => {
  try {
    require(name);
    return false;
  } catch (error) {
    console.error(`${name}: ${error.message.split('\n')[0]}`);
    return true;
  }
});
const Database = require('better-sqlite3');
const { version } = new Database(':memory:').prepare('SELECT sqlite_version() AS version').get();
const getpid = require('koffi').load(null).func('int getpid()');
if (getpid() !== process.pid) failed.push('koffi');
console.error(
  `Node ${process.versions.node} ${process.arch}: ${libraries.length - failed.length} of ${libraries.length} libraries load; SQLite ${version}`,
);
process.exit(failed.length > 0 ? 1 : 0);
