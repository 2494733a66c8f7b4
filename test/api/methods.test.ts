import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ROUTES } from '../../src/api/routes.ts';
import { EXIT } from '../../src/core/errors.ts';
import { ask } from '../double/ask.ts';
import { serve } from '../double/command-line.ts';
import { fakeGateway } from '../double/fake-gateway.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE'];

/** The bodies that clients send, each as the bytes behind the request line. */
const BODIES: readonly (readonly [form: string, bytes: string])[] = [
  ['no body and no length', '\r\n'],
  ['length 0', 'Content-Length: 0\r\n\r\n'],
  ['JSON without a length', 'Content-Type: application/json\r\n\r\n'],
  ['JSON with its length', 'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'],
  [
    'JSON in chunks',
    'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n',
  ],
  ['no chunk at all', 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a form', 'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=1'],
];

/** The status of the answer to these bytes. */
function statusOf(socketPath: string, bytes: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath }, () => socket.write(bytes));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(data.toString('latin1'))?.[1]));
    });
    socket.on('error', reject);
    socket.on('end', () => reject(new Error(`no answer to ${bytes}`)));
  });
}

describe('every route, with every method and every form of a body', () => {
  it.each(ROUTES.map(({ method, path }) => [method, path] as const))(
    '%s %s answers without a bug, and 405 to a method it does not have',
    async (_method, path) => {
      const { socketPath } = await serve(fakeGateway());
      const known = ROUTES.filter((route) => route.path === path).map((route) => route.method.toUpperCase());
      const where = path.replaceAll(/\{\w+\}/g, 'nothing');
      for (const method of METHODS)
        for (const [form, body] of BODIES) {
          const status = await statusOf(socketPath, `${method} ${where} HTTP/1.1\r\nHost: localhost\r\n${body}`);
          const isKnown = known.includes(method === 'HEAD' ? 'GET' : method);
          if (isKnown) expect(status, `${method} ${where}, ${form}`).toBeLessThan(500);
          else expect(status, `${method} ${where}, ${form}`).toBe(405);
        }
    },
  );

  it.each([
    ['a method that it does not have', 'PUT /api/v1/status', 2],
    ['a body that is too large', 'POST /api/v1/read', 1_100_000],
  ])('%s is answered before the body is whole, and the rest of it is taken', async (_, target, length) => {
    const { socketPath } = await serve(fakeGateway());
    const socket = connect({ path: socketPath });
    const told = await new Promise<string>((resolve, reject) => {
      let text = '';
      const head = `Content-Type: application/json\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`;
      socket.write(`${target} HTTP/1.1\r\nHost: localhost\r\n${head}{`);
      socket.on('data', (data) => {
        if (text === '') setImmediate(() => socket.write(' '.repeat(length - 1)));
        text += data.toString('latin1');
      });
      socket.on('error', reject);
      socket.on('end', () => resolve(text));
    });
    expect(told).toMatch(/^HTTP\/1\.1 (405|413) /);
    expect(socket.bytesWritten).toBeGreaterThan(length);
  });

  it('says which methods there are', async () => {
    const where = await serve(fakeGateway());
    const answer = await ask(where, '/api/v1/status', { method: 'DELETE' });
    expect([answer.status, answer.headers.allow, answer.body]).toEqual([
      405,
      'GET',
      {
        type: 'about:blank',
        title: 'Method Not Allowed',
        status: 405,
        detail: 'DELETE is not for /api/v1/status',
        remedy: 'Use GET.',
        code: EXIT.usage,
      },
    ]);
  });

  it.each(['/api/v1/tags/%E0%A4%A/temp/history', '//', '/%', '/api/v1/tags/..%2f..%2fetc/passwd/history?from=%'])(
    'the path %s is no bug',
    async (path) => {
      const { socketPath } = await serve(fakeGateway());
      const status = await statusOf(socketPath, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      expect([400, 404]).toContain(status);
    },
  );
});
