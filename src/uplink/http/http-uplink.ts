/** An uplink to an HTTP server. Certificates, token and password are read anew for each session. */
import type { Duplex } from 'node:stream';
import type { HttpConfig } from '../../config/config.ts';
import { type Clock, underBoth } from '../../core/clock.ts';
import { EXIT, Fault } from '../../core/errors.ts';
import type { Alarms } from '../../core/event.ts';
import type { Logger } from '../../core/log.ts';
import { formatDuration } from '../../core/quantity.ts';
import type { Random } from '../../core/random.ts';
import { CommandDesk, type UplinkCommands } from '../commands/command-desk.ts';
import { HttpCommands } from '../commands/http-commands.ts';
import { createJsonEncoder } from '../json.ts';
import { createDialer, type Dial } from '../mqtt-dial.ts';
import { Certificates, type ReadFile, type ReadSecret, tlsOptions } from '../mqtt-tls.ts';
import { type BrokerContext, explainTrouble } from '../mqtt-trouble.ts';
import type { Uplink, UplinkSession } from '../uplink.ts';
import type { HttpForm } from './http-form.ts';
import { HttpSession } from './http-session.ts';
import { formOf } from './http-targets.ts';
import { throughProxy } from './proxy.ts';

/** What an HTTP uplink needs beside its configuration. */
interface HttpDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  /** `gateway.id`. */
  readonly gateway: string;
  /** Version of the program. */
  readonly version: string;
  /** Hash of the configuration in force; asked for each batch, as it may change while the gateway runs. */
  readonly configHash: string;
  readonly secrets: ReadSecret;
  readonly readFile: ReadFile;
  /** Where trouble that an event should tell of is raised. */
  readonly alarms: Alarms;
  /** What may be ordered over it. Default: nothing. */
  readonly orders?: UplinkCommands | undefined;
  /** Opens the stream to the server. Default: sockets of this machine. */
  readonly dial?: Dial;
}

/** From the call of `connect` to an open connection, with TLS where the server has it. */
const CONNECT_TIMEOUT_MS = 15_000;

/** One request: records and fields at most. The forwarder also aims at 64 KiB. */
const LIMITS = { records: 500, fields: 5000 } as const;

/** An uplink to an HTTP server; see {@link Uplink}. */
export function createHttpUplink(config: HttpConfig, deps: HttpDeps): Uplink {
  return new HttpUplink(config, deps);
}

class HttpUplink implements Uplink {
  readonly name: string;
  readonly limits = LIMITS;
  readonly takesTexts: boolean;
  private readonly config: HttpConfig;
  private readonly deps: HttpDeps;
  private readonly url: URL;
  private readonly context: BrokerContext;
  private readonly form: HttpForm;
  private readonly dial: Dial;
  private readonly commands: HttpCommands | undefined;
  private readonly certificates: Certificates;

  constructor(config: HttpConfig, deps: HttpDeps) {
    this.config = config;
    this.deps = deps;
    this.name = config.name;
    this.url = new URL(config.url);
    this.context = contextOf(config);
    const sender = {
      gateway: deps.gateway,
      get config() {
        return deps.configHash;
      },
    };
    const encoder = createJsonEncoder(sender, config.layout);
    this.form = formOf(config, { gateway: deps.gateway, encoder });
    this.takesTexts = this.form.takesTexts;
    const { orders, clock, log } = deps;
    const desk = orders && new CommandDesk({ ...orders, name: this.name, clock, log: log.scoped(config.name) });
    this.commands = desk && new HttpCommands(desk, deps.gateway, this.url);
    this.dial = throughProxy(deps.dial ?? createDialer(deps.clock), config.proxy, deps.secrets);
    this.certificates = new Certificates({
      ...deps,
      log: deps.log.scoped(config.name),
      name: config.name,
      tls: config.tls,
    });
  }

  async connect(signal: AbortSignal): Promise<UplinkSession> {
    const { config, deps, context, form } = this;
    signal.throwIfAborted();
    const files = await this.certificates.load();
    const headers = { 'user-agent': `millgate/${deps.version}`, ...(await this.authorization()) };
    signal.throwIfAborted();
    const host = this.url.hostname.replace(/^\[|\]$/g, '');
    const name = config.tls?.serverName ?? (/^[\d.]+$|:/.test(host) ? undefined : host);
    const tls = context.secure ? tlsOptions(files, name) : undefined;
    const port = Number(this.url.port) || (context.secure ? 443 : 80);
    const open = (until: AbortSignal) => this.opened({ host, port, tls }, until);
    const first = await open(signal).catch((error: unknown) => {
      if (signal.aborted) throw signal.reason;
      if (error instanceof Fault) throw error;
      throw new Fault(explainTrouble(error, context), '', EXIT.failed, { cause: error });
    });
    const session = new HttpSession({
      first,
      open,
      config,
      form,
      headers,
      credentials: config.token ? 'token' : config.password ? 'password' : undefined,
      address: context.address,
      explain: (error) => (error instanceof Fault ? error.message : explainTrouble(error, context)),
      clock: deps.clock,
      random: deps.random,
      commands: this.commands,
    });
    this.certificates.watch(session.ended);
    return session;
  }

  /** A connection, within its deadline. */
  private async opened(target: Parameters<Dial>[0], signal: AbortSignal): Promise<Duplex> {
    const limit = new AbortController();
    const { address } = this.context;
    const late = `${address} did not answer within ${formatDuration(CONNECT_TIMEOUT_MS)}. Check the address, and firewalls on the way.`;
    const cancel = this.deps.clock.after(CONNECT_TIMEOUT_MS, () => limit.abort(new Fault(late, '')));
    try {
      return await underBoth(limit.signal, signal, (either) => this.dial(target, either));
    } finally {
      cancel();
    }
  }

  private async authorization(): Promise<Record<string, string>> {
    const { token, username, password } = this.config;
    const { secrets } = this.deps;
    if (token) return { authorization: `${this.form.tokenWord} ${(await secrets(token)).trim()}` };
    if (!password) return {};
    const pair = Buffer.from(`${username ?? ''}:${await secrets(password)}`).toString('base64');
    return { authorization: `Basic ${pair}` };
  }
}

/** Who and where, for the texts of what goes wrong. */
function contextOf(config: HttpConfig): BrokerContext {
  const { protocol, hostname, port } = new URL(config.url);
  const secure = protocol === 'https:';
  return {
    address: `${hostname}:${port || (secure ? 443 : 80)}`,
    secure,
    clientId: '',
    username: config.username,
    ca: config.tls?.ca,
    cert: config.tls?.cert ?? config.tls?.pfx,
    peer: 'server',
  };
}
