import { readFileSync } from 'node:fs';
import type { MqttClient } from 'mqtt';
import { EXIT, Fault, messageOf } from '../core/errors.ts';
import { type BrokerContext, explainSilentClose, explainTrouble, isVersionRefusal } from '../uplink/mqtt-trouble.ts';
import type { CliContext } from './context.ts';

/** How a broker is reached; secrets are values here, kept nowhere. */
export interface BrokerLogin {
  readonly url: string;
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** File of the authority that signed the broker's certificate. */
  readonly ca: string | undefined;
}

/** Longest wait for a broker to accept a connection, ms. */
const CONNECT_DEADLINE_MS = 5000;

/**
 * Connects to a broker as the gateway will, and says goodbye; nothing is published.
 *
 * @returns how long it took, ms
 * @throws Fault (exit 69) with cause and remedy; the signal's reason
 */
export async function tryBroker(login: BrokerLogin, context: CliContext): Promise<number> {
  const { url, secure, address } = parsed(login.url);
  const broker: BrokerContext = { address, secure, cert: undefined, ...login };
  const startedMs = context.clock.monoMs();
  const refused: unknown[] = [];
  for (const protocolVersion of [5, 4] as const) {
    try {
      await connectOnce(url, protocolVersion, login, broker, context);
      return context.clock.monoMs() - startedMs;
    } catch (error) {
      if (!(error instanceof VersionRefused)) throw error;
      refused.push(error);
    }
  }
  throw refused[0];
}

/** The broker refused the version of the protocol, or hung up without a word, as those do that know 3.1.1 only. */
class VersionRefused extends Fault {}

function parsed(text: string): { url: URL; secure: boolean; address: string } {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || url.hostname === '' || !/^mqtts?:$/.test(url.protocol))
    throw new Fault(
      `${text}: not the URL of a broker. Write mqtt://broker.plant.lan:1883 or mqtts://…:8883.`,
      EXIT.usage,
    );
  if (url.username !== '' || url.password !== '')
    throw new Fault('user and password do not belong in the URL: give --username and --password-file.', EXIT.usage);
  const secure = url.protocol === 'mqtts:';
  return { url, secure, address: `${url.hostname}:${url.port || (secure ? '8883' : '1883')}` };
}

async function connectOnce(
  url: URL,
  protocolVersion: 4 | 5,
  login: BrokerLogin,
  broker: BrokerContext,
  context: CliContext,
): Promise<void> {
  const { connect } = await import('mqtt');
  const { clientId, username, password, ca } = login;
  const late = `${broker.address} did not answer as a broker within ${CONNECT_DEADLINE_MS / 1000} s. Check the address and firewalls on the way.`;
  let client: MqttClient | undefined;
  let cancel = (): void => {};
  const { signal } = context;
  let onAbort = (): void => {};
  try {
    await new Promise<void>((resolve, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      cancel = context.clock.after(CONNECT_DEADLINE_MS, () => reject(new Fault(late, EXIT.unavailable)));
      client = connect(url.href, {
        protocolVersion,
        clientId,
        clean: true,
        reconnectPeriod: 0,
        rejectUnauthorized: true,
        ...(username !== undefined && { username }),
        ...(password !== undefined && { password }),
        ...(ca !== undefined && { ca: readAuthority(ca) }),
      });
      client.on('connect', () => resolve());
      client.on('error', (error) => {
        const text = explainTrouble(error, broker);
        reject(
          isVersionRefusal(error) ? new VersionRefused(text, EXIT.unavailable) : new Fault(text, EXIT.unavailable),
        );
      });
      client.on('close', () => reject(new VersionRefused(explainSilentClose(broker), EXIT.unavailable)));
    });
  } finally {
    cancel();
    signal.removeEventListener('abort', onAbort);
    client?.end(true);
  }
}

function readAuthority(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Fault(`${file} cannot be read: ${messageOf(error)}. Give --ca a certificate file.`, EXIT.unavailable);
  }
}
