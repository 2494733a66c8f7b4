/** What has to be set up on the other side of an uplink, as texts to paste. */
import type { Config, MqttConfig, UplinkConfig } from '../../config/config.ts';

/** Something to paste, and where. */
export interface Paste {
  readonly where: string;
  readonly text: string;
}

/** What of a product's bill the messages are counted in; bytes a unit. */
interface BilledUnit {
  readonly bytes: number;
  readonly name: string;
}

/**
 * https://aws.amazon.com/iot-core/pricing/, https://azure.microsoft.com/pricing/details/iot-hub/ and
 * https://azure.microsoft.com/pricing/details/event-grid/
 */
const UNITS: Partial<Record<string, BilledUnit>> = {
  'aws-iot': { bytes: 5 * 1024, name: 'messages of 5 KB' },
  'azure-iot-hub': { bytes: 4 * 1024, name: 'messages of 4 KB' },
  'azure-event-grid': { bytes: 64 * 1024, name: 'MQTT operations of 64 KB' },
};

/** How the product counts what it bills; undefined where it does not bill messages, or nobody says how. */
export function billedUnitOf(uplink: UplinkConfig): BilledUnit | undefined {
  return uplink.type === 'mqtt' && uplink.preset ? UNITS[uplink.preset.kind] : undefined;
}

/** What to paste on the other side. */
export function pastesFor(config: Config, uplink: UplinkConfig): Paste[] {
  if (uplink.type === 'http') {
    switch (uplink.target.kind) {
      case 'influxdb':
        return [{ where: 'a shell on the database’s machine', text: influxCommand(uplink.target) }];
      case 'kafka-rest':
        return [
          {
            where: 'a shell on a machine of Kafka',
            text: `kafka-topics --bootstrap-server localhost:9092 --create --topic ${uplink.target.topic} --partitions 6`,
          },
        ];
      default:
        return [{ where: 'Postgres or Timescale, behind what takes the batches', text: postgresTable() }];
    }
  }
  if (uplink.sparkplug) {
    const { group, node, primaryHost } = uplink.sparkplug;
    const host = primaryHost === undefined ? '' : `\nspBv1.0/STATE/${primaryHost}   the gateway reads`;
    const own = ['NBIRTH', 'NDATA', 'NDEATH', 'DBIRTH', 'DDATA', 'DDEATH'].map((word) =>
      word.startsWith('N') ? `spBv1.0/${group}/${word}/${node}` : `spBv1.0/${group}/${word}/${node}/#`,
    );
    const orders = `spBv1.0/${group}/NCMD/${node}   the gateway reads\nspBv1.0/${group}/DCMD/${node}/#   the gateway reads${host}`;
    return [
      {
        where: 'the broker’s access list',
        text: `${own.map((topic) => `${topic}   the gateway writes`).join('\n')}\n${orders}`,
      },
    ];
  }
  switch (uplink.preset?.kind) {
    case 'aws-iot':
      return [{ where: 'AWS IoT Core, as the policy of the certificate', text: awsPolicy(uplink) }];
    case 'azure-iot-hub':
      return [
        {
          where: 'a shell with the Azure CLI',
          text: `az iot hub device-identity create --hub-name ${uplink.preset.hub.split('.')[0]} --device-id ${uplink.preset.device}\naz iot hub device-identity show --hub-name ${uplink.preset.hub.split('.')[0]} --device-id ${uplink.preset.device} --query authentication.symmetricKey.primaryKey --output tsv`,
        },
      ];
    case 'azure-event-grid':
      return [
        {
          where: 'the namespace, as a topic space with permission bindings to publish and to subscribe',
          text: `${uplink.topic}/#`,
        },
      ];
    case 'thingsboard':
      return [
        {
          where: 'ThingsBoard',
          text: `Devices → + → name ${config.gateway.id}, tick "Is gateway"; Manage credentials → Access token: the content of the token’s file`,
        },
      ];
    case 'home-assistant':
      return [];
    default:
      return [{ where: 'Postgres or Timescale, behind a consumer of the topics', text: postgresTable() }];
  }
}

function influxCommand(
  target: Extract<Extract<UplinkConfig, { type: 'http' }>['target'], { kind: 'influxdb' }>,
): string {
  if (target.version === 2) return `influx bucket create --org ${target.org} --name ${target.bucket} --retention 365d`;
  if (target.version === 3) return `influxdb3 create database ${target.database}`;
  return `influx -execute 'CREATE DATABASE "${target.database}" WITH DURATION 365d'`;
}

/** The least that the gateway needs; retained messages, and a retained will, have a right of their own. */
function awsPolicy({ clientId, topic, url }: MqttConfig): string {
  const region = /\.iot\.([a-z0-9-]+)\./.exec(url)?.[1] ?? '*';
  const arn = (kind: string, name: string): string => `arn:aws:iot:${region}:*:${kind}/${name}`;
  const allow = (Action: readonly string[], Resource: string) => ({ Effect: 'Allow', Action, Resource });
  const Statement = [
    allow(['iot:Connect'], arn('client', clientId)),
    allow(['iot:Publish', 'iot:RetainPublish'], arn('topic', `${topic}/*`)),
    allow(['iot:Subscribe'], arn('topicfilter', `${topic}/status`)),
    allow(['iot:Receive'], arn('topic', `${topic}/status`)),
  ];
  return JSON.stringify({ Version: '2012-10-17', Statement }, null, 2);
}

/** A table whose key is what tells records apart, so that what comes twice is stored once. */
function postgresTable(): string {
  return `CREATE TABLE readings (
  gateway text NOT NULL,
  epoch   text NOT NULL,
  seq     bigint NOT NULL,
  time    timestamptz NOT NULL,
  device  text NOT NULL,
  v       jsonb NOT NULL,
  uncertain jsonb,
  bad     jsonb,
  PRIMARY KEY (gateway, epoch, seq, time)
);
-- Timescale: SELECT create_hypertable('readings', 'time');
-- $1 is one batch as it comes; the i-th record has the number seq + i.
INSERT INTO readings (gateway, epoch, seq, time, device, v, uncertain, bad)
SELECT b->>'gateway', b->>'epoch', (b->>'seq')::bigint + r.i - 1, to_timestamp((r.o->>'t')::bigint / 1000.0),
       r.o->>'device', r.o->'v', r.o->'uncertain', r.o->'bad'
FROM (SELECT $1::jsonb AS b) AS batch, jsonb_array_elements(b->'records') WITH ORDINALITY AS r(o, i)
ON CONFLICT DO NOTHING;`;
}
