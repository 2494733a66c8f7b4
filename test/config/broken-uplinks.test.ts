import { describe, expect, it } from 'vitest';
import { linesOf } from './double/files.ts';
import { edited } from './double/good.ts';

/** What is broken, the piece of the good file, what stands there instead, and every line that `check` then prints. */
type Case = readonly [title: string, from: string, to: string, lines: readonly string[]];

const UPLINKS_AND_THE_API: readonly Case[] = [
  [
    'a password in the file',
    '    type: mqtt',
    '    type: mqtt\n    password: hunter2',
    [
      'millgate.yaml:26:15 uplinks.plant.password: a password must not stand in this file: write it into a file of its own and name that, password: {file: /etc/millgate/mqtt.password}, or name an environment variable that holds it, password: {env: MQTT_PASSWORD}',
    ],
  ],
  [
    'a password in the URL',
    'mqtts://broker',
    'mqtts://me:hunter2@broker',
    [
      'millgate.yaml:26:10 uplinks.plant.url: user and password do not belong in the URL: write username: and password: {file: PATH}',
    ],
  ],
  [
    'a secret in a wrong key',
    '    type: mqtt',
    '    type: mqtt\n    password: {value: hunter2}',
    [
      'millgate.yaml:26:5 uplinks.plant.password.file: is missing: write for example file: /etc/millgate/mqtt.password',
      'millgate.yaml:26:16 uplinks.plant.password.value: unknown key; keys here: file, env',
    ],
  ],
  [
    'a URL of another protocol',
    'mqtts://broker',
    'http://broker',
    [
      'millgate.yaml:26:10 uplinks.plant.url: an MQTT URL begins with mqtt://, mqtts://, ws:// or wss://, not http://: write for example "mqtt://broker.plant.lan"',
    ],
  ],
  [
    'no URL',
    'mqtts://broker.plant.lan:8883',
    'broker',
    ['millgate.yaml:26:10 uplinks.plant.url: "broker" is not a URL: write for example "mqtt://broker"'],
  ],
  [
    'a key of the format Sparkplug misspelt',
    '    type: mqtt',
    '    type: mqtt\n    format: sparkplug\n    group: leeds\n    primaryhost: scada-1',
    ['millgate.yaml:28:5 uplinks.plant.primaryhost: unknown key; did you mean "primaryHost"?'],
  ],
  [
    'a version of MQTT that is none',
    '    type: mqtt',
    '    type: mqtt\n    version: 4',
    ['millgate.yaml:26:14 uplinks.plant.version: expected 5 or 3.1.1; got 4'],
  ],
  [
    'a topic with a wildcard',
    '    type: mqtt',
    '    type: mqtt\n    topic: "plant/#"',
    [
      'millgate.yaml:26:12 uplinks.plant.topic: a topic that is published to must not contain + or #, which stand for many topics: write the topic itself, such as millgate/{id}',
    ],
  ],
  [
    'a topic with an unknown word',
    '    type: mqtt',
    '    type: mqtt\n    topic: "plant/{site}"',
    ['millgate.yaml:26:12 uplinks.plant.topic: there is no {site}: a topic may use {id} and {location}'],
  ],
  [
    'a certificate without a key',
    '    type: mqtt',
    '    type: mqtt\n    tls: {cert: /etc/gw.crt}',
    [
      'millgate.yaml:26:5 uplinks.plant.tls.key: is missing: a client certificate needs both cert and key',
      'millgate.yaml:26:17 uplinks.plant.tls.cert: warning: there is no file /etc/gw.crt on this machine: put the file there, or correct the path',
    ],
  ],
  [
    'TLS files on a plain connection',
    'mqtts://broker.plant.lan:8883',
    'mqtt://localhost\n    tls: {ca: /etc/ca.pem}',
    [
      'millgate.yaml:27:5 uplinks.plant.tls: tls has no effect with mqtt://: write mqtts:// in url, or remove tls',
      'millgate.yaml:27:15 uplinks.plant.tls.ca: warning: there is no file /etc/ca.pem on this machine: put the file there, or correct the path',
    ],
  ],
  [
    'two clients of one name',
    '  plant:',
    '  other: {type: mqtt, url: "mqtts://broker.plant.lan:8883"}\n  plant:',
    [
      'millgate.yaml:25:3 uplinks.plant.clientId: uplink "other" (millgate.yaml:24:3) already connects to this broker as "millgate-press-shop-1", and a broker accepts each client ID only once: write for example clientId: millgate-press-shop-1-2 in one of the two',
    ],
  ],
  [
    'an API open to the plant',
    'store: {',
    'api: {listen: "0.0.0.0:8420"}\nstore: {',
    [
      'millgate.yaml:27:15 api.listen: with 0.0.0.0 other machines can reach the API, unencrypted: write 127.0.0.1:8420, add tls: self-signed or tls: {cert: …, key: …}, or add plaintext: true if you want that',
    ],
  ],
  [
    'an API address without a port',
    'store: {',
    'api: {listen: localhost}\nstore: {',
    ['millgate.yaml:27:15 api.listen: expected HOST:PORT such as 127.0.0.1:8420, or off; got "localhost"'],
  ],
];

describe('a file broken in its uplinks and the API', () => {
  it.each(UPLINKS_AND_THE_API)('%s', (_title, from, to, lines) => {
    expect(linesOf({ 'millgate.yaml': edited(from, to) })).toEqual(lines);
  });
});
