import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { NotifyTarget } from '../../../src/config/config.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { mailText } from '../../../src/uplink/notify/mail-text.ts';
import type { NoticeText } from '../../../src/uplink/notify/notice-text.ts';
import { createSender } from '../../../src/uplink/notify/senders.ts';
import { startHttpTarget } from '../../double/http-target.ts';
import { type MailBehaviour, type MailServer, startMailServer } from '../../double/mail-server.ts';
import { type SelfSigned, selfSigned } from '../../double/self-signed.ts';

const NEVER = new AbortController().signal;
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

const TEXT: NoticeText = { subject: 'Öl: 82 °C', body: 'Oil at 82 °C\n.\nQUIT', json: '{"text":"hot"}' };
const DEPS = {
  ...{ clock: systemClock, gateway: 'press-shop-1', secrets: () => 'tell me' },
  readFile: (path: string) => readFile(path),
};

type Mail = Extract<NotifyTarget, { kind: 'mail' }>;

async function server(behaviour: MailBehaviour = {}): Promise<MailServer> {
  const started = await startMailServer(behaviour);
  cleanUp.push(started.close);
  return started;
}

async function certified(): Promise<SelfSigned> {
  const files = await selfSigned();
  cleanUp.push(files.remove);
  return files;
}

const mailTo = (port: number, change: Partial<Mail> = {}): Mail => ({
  ...{ kind: 'mail', host: '127.0.0.1', port, security: 'none', from: 'gw@acme.example', to: ['shift@acme.example'] },
  ...{ username: undefined, password: undefined, tls: undefined },
  ...change,
});
const send = (target: NotifyTarget, text = TEXT) => createSender({ target }, DEPS)(text, NEVER);
const trust = (certPath: string) => ({ ca: certPath, cert: undefined, key: undefined });
const LOGIN = { username: 'gw', password: { env: 'X' } } as const;

/** Headers and body of a mail as its reader sees them. */
function readMail(data: string): { subject: string; body: string; headers: string[] } {
  const [head, body = ''] = data.split('\r\n\r\n');
  const headers = head!.replaceAll('\r\n ', ' ').split('\r\n');
  const words = headers
    .find((line) => line.startsWith('Subject: '))!
    .slice(9)
    .split(' ');
  const subject = words.map((word) => Buffer.from(word.slice(10, -2), 'base64').toString()).join('');
  return { subject, body: Buffer.from(body, 'base64').toString(), headers };
}

describe('a mail', () => {
  it('arrives with its letters, whatever they are, and lines that are commands are text', async () => {
    const { port, mails } = await server();
    await send(mailTo(port, { to: ['a@acme.example', 'b@acme.example'] }));
    expect(mails).toMatchObject([{ from: 'gw@acme.example', to: ['a@acme.example', 'b@acme.example'] }]);
    expect(readMail(mails[0]!.data)).toMatchObject({ subject: TEXT.subject, body: 'Oil at 82 °C\r\n.\r\nQUIT' });
  });

  it('takes no header and no command out of the message of an alarm', async () => {
    const { port, mails, commands } = await server();
    const subject = 'hot\r\nBcc: spy@evil.example\r\n\r\nboo\r\n.\r\nMAIL FROM:<x@y.example>';
    await send(mailTo(port), { ...TEXT, subject });
    const { headers } = readMail(mails[0]!.data);
    expect(headers.map((line) => line.slice(0, line.indexOf(':')))).toEqual([
      ...['From', 'To', 'Subject', 'Date', 'Message-ID', 'MIME-Version', 'Content-Type'],
      ...['Content-Transfer-Encoding', 'Auto-Submitted'],
    ]);
    expect(commands.filter((line) => line.startsWith('MAIL')).length).toBe(1);
  });

  it('has no line that a server would refuse, however long the text', () => {
    const long = '°'.repeat(3000);
    const data = mailText({ from: 'a@b.c', to: ['a@b.c'], subject: long, body: long, atMs: 0, gateway: 'g' });
    expect(Math.max(...data.split('\r\n').map((line) => Buffer.byteLength(line)))).toBeLessThanOrEqual(76);
    expect(data).toMatch(/^[\x20-\x7e\r\n]*$/);
    expect(readMail(data).subject).toBe(long);
  });

  it.each(['PLAIN LOGIN', 'LOGIN'])('goes over STARTTLS, and the password (%s) only then', async (ways) => {
    const files = await certified();
    const { port, mails, commands } = await server({ tls: files, user: { name: 'gw', password: 'tell me', ways } });
    await send(mailTo(port, { security: 'starttls', ...LOGIN, tls: trust(files.certPath) }));
    expect(mails).toMatchObject([{ secure: true }]);
    expect(commands.findIndex((line) => line.startsWith('AUTH'))).toBeGreaterThan(commands.indexOf('STARTTLS'));
  });

  it('goes over TLS from the start', async () => {
    const files = await certified();
    const { port, mails } = await server({ tls: { ...files, fromTheStart: true } });
    await send(mailTo(port, { security: 'tls', tls: trust(files.certPath) }));
    expect(mails).toMatchObject([{ secure: true }]);
  });

  it.each([
    ['a server without STARTTLS', {}, { security: 'starttls' }, 'STARTTLS'],
    ['a refused recipient', { instead: { RCPT: '550 5.1.1 no such user' } }, {}, '550'],
    ['a full mailbox', { instead: { DATA: '452 4.2.2 mailbox full' } }, {}, '452'],
    ['a server that hangs up', { instead: { 'MAIL FROM': 'cut' } }, {}, 'closed the connection'],
    ['a server of something else', { instead: { EHLO: 'HTTP/1.1 400 Bad Request' } }, {}, 'does not speak SMTP'],
    ['a server that wants a user', { user: { name: 'a', password: 'b' } }, {}, '530'],
  ] as [string, MailBehaviour, Partial<Mail>, string][])('names %s', async (_what, behaviour, change, said) => {
    const { port, mails } = await server(behaviour);
    await expect(send(mailTo(port, change))).rejects.toThrow(said);
    expect(mails).toEqual([]);
  });

  it('names a wrong password, without showing it', async () => {
    const files = await certified();
    const { port } = await server({ tls: files, user: { name: 'gw', password: 'another' } });
    const sent = send(mailTo(port, { security: 'starttls', ...LOGIN, tls: trust(files.certPath) }));
    const error = await sent.then(() => '', String);
    expect(error).toContain('Check username and the file of the password');
    expect(error).not.toContain('tell me');
  });

  it('names a certificate of an unknown authority, and sends nothing', async () => {
    const files = await certified();
    const { port, commands } = await server({ tls: files });
    await expect(send(mailTo(port, { security: 'starttls' }))).rejects.toThrow('unknown authority');
    expect(commands.at(-1)).toBe('STARTTLS');
  });

  it('is not sent where somebody answers in the clear behind STARTTLS', async () => {
    const files = await certified();
    const { port, mails } = await server({ tls: files, injected: '250 ok\r\n' });
    const target = mailTo(port, { security: 'starttls', tls: trust(files.certPath) });
    await expect(send(target)).rejects.toThrow('before the connection is secure');
    expect(mails).toEqual([]);
  });
});

describe('a message to a web server', () => {
  it('is posted as JSON, with its token', async () => {
    const target = await startHttpTarget();
    cleanUp.push(target.close);
    await send({ kind: 'webhook', url: `http://127.0.0.1:${target.port}/hook`, token: { env: 'X' }, tls: undefined });
    expect(target.posted).toMatchObject([
      {
        path: '/hook',
        body: TEXT.json,
        headers: { authorization: 'Bearer tell me', 'content-type': 'application/json' },
      },
    ]);
  });

  it('to Telegram goes to the chat, and the token is never shown', async () => {
    const target = await startHttpTarget();
    cleanUp.push(target.close);
    const url = `http://127.0.0.1:${target.port}`;
    const chat = { kind: 'telegram', url, chat: '-100', token: { env: 'X' } } as const;
    const sender = createSender({ target: chat }, { ...DEPS, secrets: () => '123:ABC' });
    target.answer(() => ({ status: 200, body: '{"ok":true}' }));
    await sender(TEXT, NEVER);
    expect(target.posted).toMatchObject([{ path: '/bot123:ABC/sendMessage' }]);
    expect(JSON.parse(target.posted[0]!.body)).toMatchObject({ chat_id: '-100', text: expect.stringContaining('Öl') });
    target.answer(() => ({ status: 403, body: '{"ok":false,"description":"bot was kicked"}' }));
    const error = await sender(TEXT, NEVER).then(() => '', String);
    expect(error).toContain('bot was kicked');
    expect(error).not.toContain('ABC');
  });
});
