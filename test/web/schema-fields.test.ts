import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { installed } from '../../src/core/file-system.ts';
import { entryOf, kindsOf, type Schema } from '../../src/web/schema-fields.ts';

const SCHEMA = JSON.parse(readFileSync(installed('config/millgate.schema.json'), 'utf8')) as Schema;

const kind = (section: string, title: string) => kindsOf(SCHEMA, section).find((one) => one.title === title)!;

describe('a form made from the schema', () => {
  it('has the required fields of a channel first, and gives numbers as numbers', () => {
    const rtu = kind('channels', 'modbus-rtu channel');
    expect([rtu.fixed, rtu.fields[0]?.key, rtu.beyond]).toEqual([{ driver: 'modbus-rtu' }, 'port', []]);
    const typed = {
      port: '/dev/ttyUSB0',
      baud: '9600',
      parity: 'even',
      stopBits: '2',
      timeout: '',
      description: ' 12 ',
    };
    expect(entryOf(rtu, typed)).toEqual({
      ...{ driver: 'modbus-rtu', port: '/dev/ttyUSB0', baud: 9600, parity: 'even', stopBits: 2, description: '12' },
    });
  });

  it('offers every kind of channel and uplink, and says what it cannot give', () => {
    expect(kindsOf(SCHEMA, 'channels').every(({ fixed }) => 'driver' in fixed)).toBe(true);
    expect(kindsOf(SCHEMA, 'uplinks').every(({ fixed }) => 'type' in fixed || 'preset' in fixed)).toBe(true);
    expect(kind('uplinks', 'ThingsBoard').beyond).toEqual(['token']);
    expect(kindsOf(SCHEMA, 'store')).toEqual([]);
  });

  it('knows closed lists and switches', () => {
    const { fields } = kind('alarms', 'Alarm');
    const options = (key: string) => fields.find((one) => one.key === key)?.options;
    expect(options('priority')).toEqual(['low', 'medium', 'high', 'critical']);
    expect(options('ack')).toEqual(['true', 'false']);
    expect(entryOf(kind('alarms', 'Alarm'), { tag: 'a/b', above: '1', ack: 'false' })).toEqual({
      ...{ tag: 'a/b', above: 1, ack: false },
    });
  });
});
