import { request } from 'node:http';

/** What a server answered; the body is parsed where it is JSON, else text. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: unknown;
}

/** One HTTP request over a Unix socket, or to a port of this machine. */
export function ask(
  where: { readonly socketPath: string } | { readonly port: number },
  path: string,
  { method = 'GET', headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const target = 'port' in where ? { host: '127.0.0.1', port: where.port } : { socketPath: where.socketPath };
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...target, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        const isJson = response.headers['content-type']?.match(/^application\/(problem\+)?json/);
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          body: isJson ? JSON.parse(text) : text,
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Posts JSON text. */
export function post(where: Parameters<typeof ask>[0], path: string, body: string): Promise<Answer> {
  return ask(where, path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
}
