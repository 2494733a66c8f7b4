import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redact } from '../../../src/cli/support/redact.ts';

const KEY =
  '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQDV\n-----END PRIVATE KEY-----';

describe('secrets go', () => {
  it.each([
    ['a YAML value', 'password: hunter2', 'password: [redacted]'],
    ['with commas', 'password: a,b}c', 'password: [redacted]'],
    ['in quotes', `  password: "hunt\\"er2" # mine`, '  password: "[redacted]" # mine'],
    ['in braces', 'plant: {password: hunter2, format: json}', 'plant: {password: [redacted], format: json}'],
    ['in the next line', 'password:\n  hunter2\nformat: json', 'password:\n  [redacted]\nformat: json'],
    ['in a block', 'token: |\n  abc\n  def\nformat: json', 'token: |\n  [redacted]\n  [redacted]\nformat: json'],
    ['that goes on', 'secret: one\n  two\nx: 1', 'secret: [redacted]\n  [redacted]\nx: 1'],
    ['in JSON', '"apiKey": "abc", "a": 1', '"apiKey": "[redacted]", "a": 1'],
    ['a variable', 'MQTT_PASSWORD=hunter2', 'MQTT_PASSWORD=[redacted]'],
    ['a URL', 'to mqtts://user:pw@broker:8883 now', 'to mqtts://[redacted]@broker:8883 now'],
    ['a query', 'GET /api?token=abc&x=1 200', 'GET /api?token=[redacted]&x=1 200'],
    ['a header', 'Authorization: Bearer abc.def', 'Authorization: [redacted]'],
    ['a bearer', 'sent Bearer abcdefgh12 to it', 'sent Bearer [redacted] to it'],
    ['an option', 'mqtt --password hunter2 -v', 'mqtt --password [redacted] -v'],
    ['a PEM block', `key:\n${KEY}\nend`, 'key:\n[redacted PEM: PRIVATE KEY]\nend'],
    ['a PEM block cut off', KEY.slice(0, 60), '[redacted PEM: PRIVATE KEY]'],
    ['a PEM block in JSON', JSON.stringify({ a: KEY }), '{"a":"[redacted PEM: PRIVATE KEY]"}'],
    ['a JSON web token', 'got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_-1', 'got [redacted]'],
    ['a key by its looks', 'using 9fK2mQx7Lr4TzB8vN1cYw3Ae', 'using [redacted]'],
  ])('%s', (_name, text, expected) => {
    expect(redact(text).text).toBe(expected);
  });

  it('that are known, in every form they are written in', () => {
    const secret = 'pä ss"wörd&1';
    const forms = [secret, JSON.stringify(secret), encodeURIComponent(secret), Buffer.from(secret).toString('base64')];
    const { text, counts } = redact(`say ${forms.join(' or ')}`, [secret]);
    expect(text).toMatch(/^say \[redacted\] or "\[redacted\]" or \[redacted\] or \[redacted\]=*$/);
    expect(counts).toEqual({ 'value of a configured secret': 4 });
  });

  it('whatever surrounds them, when they are known', () => {
    const word = fc.stringMatching(/^[A-Za-z0-9!%&/()=?+*#.,;:_-]{8,40}$/);
    fc.assert(
      fc.property(word, fc.string(), fc.string(), (secret, before, after) => {
        expect(redact(`${before}${secret}${after}`, [secret]).text).not.toContain(secret);
      }),
    );
  });

  it('random keys go wherever they stand', () => {
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 48 });
    let missed = 0;
    const runs = 500;
    fc.assert(
      fc.property(bytes, (key) => {
        const text = Buffer.from(key).toString('base64url');
        if (redact(`key ${text} end`).text.includes(text)) missed++;
      }),
      { numRuns: runs, seed: 1 },
    );
    expect(missed / runs).toBeLessThan(0.02);
  });
});

describe('what is no secret stays', () => {
  it.each([
    'password: {file: /run/credentials/mqtt}',
    'password: {env: MQTT_PASSWORD}',
    'password:\n  file: /run/credentials/mqtt',
    '"password": {\n  "file": "/run/x"\n}',
    'port: /dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10K2ABC-if00-port0',
    'epoch 0f6c1d0a-9b1e-4a77-8a6e-1d2c3b4a5f60',
    'the broker refused the user or its password. Check username',
    'compass: north',
    'pass: {address: "holding:3"}',
    'tag press-1/oil-temp-of-the-gear-box-at-the-left-side good 45.2',
    'topic millgate/press-shop-1/readings/long-name-of-a-machine-in-the-hall',
    '2026-11-23T16:20:00.000Z line-a: /dev/ttyUSB0: the port is gone. Is the adapter plugged in?',
  ])('%s', (text) => {
    expect(redact(text)).toEqual({ text, counts: {} });
  });
});
