import { describe, expect, it } from 'vitest';
import { parseNumbers, parseParities, parseTarget } from '../../../src/cli/scan/scan-target.ts';
import { EXIT, Fault } from '../../../src/core/errors.ts';

const hostsOf = (text: string) => {
  const target = parseTarget(text);
  return target.kind === 'hosts' ? target.hosts : target.kind;
};

describe('what can be scanned', () => {
  it('tells a port, a bus, a host and a name by their form', () => {
    expect(parseTarget('/dev/ttyUSB0')).toEqual({ kind: 'serial', port: '/dev/ttyUSB0' });
    expect(parseTarget('ttyUSB0')).toEqual({ kind: 'serial', port: '/dev/ttyUSB0' });
    expect(parseTarget('i2c-1')).toEqual({ kind: 'i2c', bus: 1 });
    expect(parseTarget('/dev/i2c-22')).toEqual({ kind: 'i2c', bus: 22 });
    expect(parseTarget('192.168.1.20:1502')).toEqual({ kind: 'hosts', hosts: ['192.168.1.20'], port: 1502 });
    expect(parseTarget('plc.lan:503')).toEqual({ kind: 'hosts', hosts: ['plc.lan'], port: 503 });
    expect(parseTarget('line-a')).toEqual({ kind: 'name', name: 'line-a', port: 502 });
  });

  it('counts the hosts of a network without its own and its broadcast address', () => {
    expect(hostsOf('192.168.1.7/30')).toEqual(['192.168.1.5', '192.168.1.6']);
    expect(hostsOf('10.0.0.0/24')).toHaveLength(254);
    expect(hostsOf('10.0.0.9/32')).toEqual(['10.0.0.9']);
    expect(hostsOf('10.0.0.250-253')).toEqual(['10.0.0.250', '10.0.0.251', '10.0.0.252', '10.0.0.253']);
    expect(hostsOf('10.0.0.254-10.0.1.1')).toEqual(['10.0.0.254', '10.0.0.255', '10.0.1.0', '10.0.1.1']);
  });

  it.each([
    '',
    ' ',
    'a b',
    '10.0.0.0/33',
    '10.0.0.0/x',
    '10.0.0.9-3',
    '10.0.0.1-300',
    '10.0.255.254-10.0.256.1',
    'plc:0',
    'plc:99999',
    '-x',
  ])('refuses %j and shows what to write', (text) => {
    expect(() => parseTarget(text)).toThrow(/nothing to scan\. Write a channel of the file/);
  });

  it('refuses more hosts than a neighbourhood has', () => {
    expect(() => parseTarget('10.0.0.0/16')).toThrow('more than 256 hosts');
    expect(() => parseTarget('10.0.0.0-10.0.9.0')).toThrow('more than 256 hosts');
  });
});

describe('lists on the command line', () => {
  it('reads numbers and ranges, each once and in their order', () => {
    expect(parseNumbers('units', '7,1-3,2', 1, 247)).toEqual([7, 1, 2, 3]);
  });

  it.each(['', '0', '248', '3-1', '1-', 'x', '1;2', '1.5'])('refuses %j as units', (text) => {
    const attempt = () => parseNumbers('units', text, 1, 247);
    expect(attempt).toThrow(Fault);
    expect(attempt).toThrow(/^--units .*expected numbers from 1 to 247/);
  });

  it('takes parities by name or letter', () => {
    expect(parseParities('N,even,o')).toEqual(['none', 'even', 'odd']);
    expect(() => parseParities('mark')).toThrow(expect.objectContaining({ code: EXIT.usage }));
  });
});
