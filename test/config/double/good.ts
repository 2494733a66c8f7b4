import { yaml } from './files.ts';

/** A file with nothing wrong; the tables of broken files change one line of it. */
export const GOOD = yaml(
  'gateway: {id: press-shop-1, location: acme/leeds}', // 1
  'channels:',
  '  line-a: {driver: modbus-rtu, port: /dev/ttyUSB0, baud: 19200}', // 3
  '  plc: {driver: modbus-tcp, host: 192.168.1.20}', // 4
  '  pins: {driver: gpio}', // 5
  'devices:',
  '  press-1:', // 7
  '    channel: line-a', // 8
  '    unit: 3', // 9
  '    every: 1s', // 10
  '    tags:',
  '      oil-temp:', // 12
  '        address: "holding:100"', // 13
  '        type: int16', // 14
  '        deadband: 0.2', // 15
  '        heartbeat: 60s', // 16
  '        min: -20', // 17
  '      parts: {address: "40002", type: uint32, counter: true}', // 18
  '  door:', // 19
  '    channel: pins',
  '    tags: {open: {address: GPIO17}}', // 21
  '  meter: {channel: plc, unit: 1, tags: {power: {address: "input:52", type: float32}}}', // 22
  'uplinks:',
  '  plant:', // 24
  '    type: mqtt', // 25
  '    url: mqtts://broker.plant.lan:8883', // 26
  'store: {path: /var/lib/millgate, commitEvery: 1s}', // 27
);

/** The good file with a piece replaced; fails when the piece is not there. */
export function edited(from: string, to: string): string {
  if (!GOOD.includes(from)) throw new Error(`the good file has no ${JSON.stringify(from)}`);
  return GOOD.replace(from, () => to);
}
