/** What goes wrong between gateway and broker, as one line for a technician: what, cause, remedy. */
import { codeOf, messageOf } from '../core/errors.ts';

/** What the messages name. Nothing here is secret. */
export interface BrokerContext {
  /** `host:port`. */
  readonly address: string;
  readonly secure: boolean;
  readonly clientId: string;
  readonly username: string | undefined;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  /** What is at the address. Default: a broker. */
  readonly peer?: 'broker' | 'server';
}

/** Reason codes of MQTT 5 table 2-6 and return codes of MQTT 3.1.1 table 3.1, in words. */
const REASONS: Record<number, string> = {
  128: 'unspecified error',
  129: 'malformed packet',
  130: 'protocol error',
  131: 'the broker’s own reason',
  135: 'not authorised',
  136: 'broker unavailable',
  137: 'broker busy',
  139: 'broker shutting down',
  141: 'keep-alive timeout',
  142: 'session taken over',
  144: 'topic name not accepted',
  147: 'too many messages under way',
  149: 'packet too large',
  150: 'message rate too high',
  151: 'quota exceeded',
  152: 'ended by an administrator',
  153: 'payload format not accepted',
  154: 'retained messages not supported',
  155: 'quality of service not supported',
  156: 'use another broker',
  157: 'the broker has moved',
  159: 'connection rate exceeded',
  160: 'maximum connect time',
};

/** MQTT 5 reason code of a packet above the broker's limit. */
export const PACKET_TOO_LARGE = 149;

/** MQTT 5 reason code of a broker without retained messages. */
export const RETAIN_NOT_SUPPORTED = 154;

/** MQTT 5 reason code of a session taken over. */
export const SESSION_TAKEN_OVER = 142;

/** Reason codes of a PUBACK that pass by themselves: nothing is wrong with the message, and it is sent again. */
const PASSING = new Set([136, 137, 139, 147, 150, 151]);

/** A reason code of MQTT 5 in words. */
export function reasonText(code: number): string {
  return REASONS[code] ?? `reason code ${code}`;
}

/** The reason code of an error of the MQTT library; undefined when it has none. */
export function reasonCodeOf(error: unknown): number | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'number' ? code : undefined;
}

/** True when a PUBACK with this code says that the message will never be taken as it is. */
export function isRefusal(code: number): boolean {
  return code >= 128 && !PASSING.has(code);
}

/** Why a message was refused, with what to do about it. */
export function explainRefusal(code: number, topic: string): string {
  if (code === 135) return `not authorised to publish to ${topic}; give this user write permission in the broker`;
  return `the broker refused it on ${topic}: ${reasonText(code)}`;
}

/** An error of the connection as one line: what, cause, remedy. */
export function explainTrouble(error: unknown, broker: BrokerContext): string {
  const refused = reasonCodeOf(error);
  if (refused !== undefined) return explainConnack(refused, broker);
  const text = explainTls(error, broker) ?? explainNetwork(error, broker) ?? explainStranger(error, broker);
  return text ?? `connection to ${broker.address} failed: ${messageOf(error)}.`;
}

/** What answers is no broker: the words of the library for bytes that are no packet say nothing to a technician. */
function explainStranger(error: unknown, { address, secure, peer = 'broker' }: BrokerContext): string | undefined {
  const isNoPacket = /^(Invalid header flag|Invalid packet|Cannot parse|Malformed|Not supported|Packet must)/;
  if (peer !== 'broker' || codeOf(error) !== undefined || !isNoPacket.test(messageOf(error))) return undefined;
  return `${address} does not speak MQTT. Check the address and the port in url; a broker is usually on ${secure ? 8883 : 1883}.`;
}

/** Whether a CONNACK refused the version of the protocol: code 1 of MQTT 3.1.1, 132 of MQTT 5. */
export function isVersionRefusal(error: unknown): boolean {
  const code = reasonCodeOf(error);
  return code === 1 || code === 132;
}

/** The broker closed before it said anything. */
export function explainSilentClose(broker: BrokerContext): string {
  const hint = broker.secure
    ? 'Is this the broker’s TLS port, and does it ask for a client certificate?'
    : 'Is this the MQTT port, or one that wants TLS (mqtts://)?';
  return `${broker.address} closed the connection before it accepted it. Is the broker running behind a proxy? ${hint}`;
}

/** The broker hung up on the same message again. */
export function explainHangUp(topic: string, { address, username, clientId }: BrokerContext): string {
  const who = username === undefined ? `client "${clientId}"` : `user "${username}"`;
  return `${address} closes the connection on a message to ${topic}: ${who} may lack the permission to write there, or the message is too large for it. Look at the broker's access list and its log`;
}

/** The broker ended sessions that had nothing under way, soon after it accepted them. */
export function explainEarlyCloses(times: number, { address, clientId }: BrokerContext): string {
  return `${address} closed the connection ${times} times in a row soon after it accepted it. The broker's log says why; a second client with the id "${clientId}" would be one cause, a limit or an access list another.`;
}

/** What to tell when another client with the same id came. */
export function takeoverText(clientId: string): string {
  return `another client with the id "${clientId}" took the session over. Give each gateway an id of its own.`;
}

function explainConnack(code: number, { address, username, clientId }: BrokerContext): string {
  switch (code) {
    case 1:
    case 132:
      return `${address} does not speak this version of MQTT. Write version: "3.1.1" or leave version out.`;
    case 2:
    case 133:
      return `${address} does not accept the client id "${clientId}". Set clientId to one it knows.`;
    case 4:
    case 134:
      return `${address} refused the user ${username ? `"${username}"` : '(none given)'} or its password. Check username, and the password's file or variable.`;
    case 5:
    case 135:
      return `${address} does not authorise the ${username ? `user "${username}"` : 'client without a user name'}. Check username and password, and the broker's access list.`;
    case 3:
    case 136:
    case 137:
      return `${address} says that it is unavailable. Look at the broker.`;
    case RETAIN_NOT_SUPPORTED:
      return `${address} keeps no retained messages, and refuses a will that asks for it.`;
    case 138:
      return `${address} has banned this client. Ask the broker's administrator.`;
    default:
      return `${address} ended the session: ${reasonText(code)}.`;
  }
}

function explainNetwork(error: unknown, { address, peer = 'broker' }: BrokerContext): string | undefined {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return `${address} refuses connections. Is the ${peer} running, and is the port right?`;
    case 'ENOTFOUND':
      return `the name of ${address} is not known. Check url, and the gateway's DNS server.`;
    case 'EAI_AGAIN':
      return `the name of ${address} could not be looked up. Check the network and the gateway's DNS server.`;
    case 'ETIMEDOUT':
      return `${address} does not answer. Check the address, the cable and firewalls on the way.`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `there is no way to ${address}. Check the cable, the gateway's address and its default route.`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `${address} broke the connection off. Look at the ${peer}'s log; it may refuse this client's certificate or port.`;
    default:
      return undefined;
  }
}

function explainTls(error: unknown, { address, ca, cert, peer = 'broker' }: BrokerContext): string | undefined {
  const code = codeOf(error) ?? '';
  if (code === 'CERT_HAS_EXPIRED') {
    return `the certificate of ${address} has expired. Renew it on the ${peer}; check the gateway's clock.`;
  }
  if (code === 'CERT_NOT_YET_VALID') {
    return `the certificate of ${address} is not valid yet. Check the gateway's clock; it may not have been set yet.`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the certificate of ${address} is for another name. Write the name that is in the certificate in url, or, where it cannot be reached by that name, in tls.serverName.`;
  }
  if (/^(UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|CERT_UNTRUSTED|CERT_SIGNATURE)/.test(code)) {
    const remedy = ca
      ? `Is ${ca} the authority that signed it?`
      : 'Set tls.ca to the file of the authority that signed it.';
    return `the certificate of ${address} is from an unknown authority. ${remedy}`;
  }
  if (code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH') {
    return `tls.key does not belong to ${cert ?? 'tls.cert'}. Use the key that the certificate was made for.`;
  }
  if (/ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE|HANDSHAKE_FAILURE)/.test(code)) {
    const remedy = cert
      ? `Is ${cert} still valid and signed by an authority the ${peer} knows?`
      : 'It asks for a client certificate: set tls.cert and tls.key.';
    return `${address} refused this gateway's certificate. ${remedy}`;
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return `${address} does not speak TLS. ${peer === 'server' ? 'Write http:// in url, or the port of the server that does, often 443' : "Use mqtt://, or the broker's TLS port, often 8883"}.`;
  }
  if (code.startsWith('ERR_OSSL') || code.startsWith('ERR_SSL')) {
    return `TLS with ${address} failed: ${messageOf(error)}. Check the files under tls.`;
  }
  return undefined;
}
