import { isMap, isScalar, parseDocument } from 'yaml';

/** What a demo file must be told before it can run here. */
export interface DemoPlaces {
  readonly plantPort: number;
  readonly brokerPort: number;
  readonly storePath: string;
}

/**
 * A demo file's text with the ports of this run: every `modbus-tcp` channel goes to the plant, every MQTT uplink to the
 * embedded broker, the store to its folder. Only those values change, so that lines and columns stay what they are in
 * the file; a port or a store that is not written is added.
 */
export function placeDemo(text: string, { plantPort, brokerPort, storePath }: DemoPlaces): string {
  const document = parseDocument(text);
  const places: [path: string[], value: string | number][] = [];
  const entries = (section: string): string[] => {
    const node = document.get(section);
    return isMap(node) ? node.items.map(({ key }) => String(isScalar(key) ? key.value : key)) : [];
  };
  for (const name of entries('channels')) {
    if (document.getIn(['channels', name, 'driver']) !== 'modbus-tcp') continue;
    places.push([['channels', name, 'host'], '127.0.0.1'], [['channels', name, 'port'], plantPort]);
  }
  for (const name of entries('uplinks'))
    if (document.getIn(['uplinks', name, 'type']) === 'mqtt')
      places.push([['uplinks', name, 'url'], `mqtt://127.0.0.1:${brokerPort}`]);
  places.push([['store', 'path'], storePath]);

  const written = places.map(([path, value]) => ({ path, value, range: rangeOf(document.getIn(path, true)) }));
  if (written.every(({ range }) => range !== undefined)) {
    return written
      .sort((a, b) => b.range![0] - a.range![0])
      .reduce((done, { value, range }) => {
        return done.slice(0, range![0]) + JSON.stringify(value) + done.slice(range![1]);
      }, text);
  }
  for (const { path, value } of written) document.setIn(path, value);
  return String(document);
}

function rangeOf(node: unknown): readonly [number, number] | undefined {
  return isScalar(node) && node.range ? [node.range[0], node.range[1]] : undefined;
}
