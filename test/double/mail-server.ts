import { createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

/** How a mail server behaves. */
export interface MailBehaviour {
  /** Key and certificate: STARTTLS is offered, or TLS is spoken from the start. */
  readonly tls?: { readonly key: Buffer; readonly cert: Buffer; readonly fromTheStart?: boolean };
  /** Who may send; AUTH is offered only once the line is secure. */
  readonly user?: { readonly name: string; readonly password: string; readonly ways?: string };
  /** Answers in place of what would be said to a command that begins like this. `hang`: none, `cut`: the line is cut. */
  readonly instead?: Readonly<Record<string, string>>;
  /** What is sent in the clear behind the answer to STARTTLS, as an attacker would. */
  readonly injected?: string;
}

/** A mail server that keeps what it is sent. */
export interface MailServer {
  readonly port: number;
  readonly mails: {
    readonly from: string;
    readonly to: readonly string[];
    readonly data: string;
    readonly secure: boolean;
  }[];
  /** Every command, as it came. */
  readonly commands: string[];
  behaviour: MailBehaviour;
  close(): Promise<void>;
}

export async function startMailServer(behaviour: MailBehaviour = {}): Promise<MailServer> {
  const sockets = new Set<Socket>();
  const mails: MailServer['mails'] = [];
  const commands: string[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    const { tls } = double.behaviour;
    if (tls?.fromTheStart) serve(encrypted(socket, tls), true);
    else serve(socket, false);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const double: MailServer = {
    ...{ port: address.port, mails, commands, behaviour },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  const serve = (socket: Socket, secure: boolean, isGreeted = false): void => {
    let text = '';
    let data: string[] | undefined;
    let from = '';
    let to: string[] = [];
    let login: string[] | undefined;
    let isKnown = double.behaviour.user === undefined;
    const say = (line: string) => socket.write(`${line}\r\n`);
    const signedIn = (name: string | undefined, password: string | undefined): void => {
      const { user } = double.behaviour;
      isKnown = name === user?.name && password === user?.password;
      say(isKnown ? '235 welcome' : '535 5.7.8 authentication failed');
    };
    const answer = (line: string): void => {
      const { tls, user, instead = {}, injected } = double.behaviour;
      commands.push(line);
      const other = Object.entries(instead).find(([word]) => line.toUpperCase().startsWith(word))?.[1];
      if (other === 'hang') return;
      if (other === 'cut') return void socket.destroy();
      if (other !== undefined) return void say(other);
      if (login) {
        login.push(Buffer.from(line, 'base64').toString());
        if (login.length === 1) return void say('334 UGFzc3dvcmQ6');
        const [name, password] = login;
        login = undefined;
        signedIn(name, password);
        return;
      }
      const ways = user?.ways ?? 'PLAIN LOGIN';
      if (/^EHLO /i.test(line)) {
        say('250-mail.test');
        if (tls && !secure) say('250-STARTTLS');
        if (user && secure) say(`250-AUTH ${ways}`);
        say('250 8BITMIME');
      } else if (/^STARTTLS$/i.test(line) && tls) {
        socket.write(`220 go ahead\r\n${injected ?? ''}`);
        socket.removeAllListeners('data');
        serve(encrypted(socket, tls), true, true);
      } else if (/^AUTH PLAIN /i.test(line)) {
        const [, name, password] = Buffer.from(line.slice(11), 'base64').toString().split('\0');
        signedIn(name, password);
      } else if (/^AUTH LOGIN$/i.test(line)) {
        login = [];
        say('334 VXNlcm5hbWU6');
      } else if (/^MAIL FROM:/i.test(line)) {
        from = line.slice(11, -1);
        to = [];
        say(isKnown ? '250 ok' : '530 5.7.0 authentication required');
      } else if (/^RCPT TO:/i.test(line)) {
        to.push(line.slice(9, -1));
        say('250 ok');
      } else if (/^DATA$/i.test(line)) {
        data = [];
        say('354 go on');
      } else if (/^QUIT$/i.test(line)) {
        say('221 bye');
        socket.end();
      } else say('500 what?');
    };
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n'); end !== -1; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (data === undefined) answer(line);
        else if (line !== '.') data.push(line.replace(/^\.\./, '.'));
        else {
          mails.push({ from, to, data: data.join('\r\n'), secure });
          data = undefined;
          say('250 taken');
        }
      }
    });
    if (!isGreeted) say('220 mail.test ESMTP');
  };
  return double;
}

function encrypted(socket: Socket, { key, cert }: NonNullable<MailBehaviour['tls']>): Socket {
  const secure = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext({ key, cert }) });
  secure.on('error', () => {});
  return secure;
}
