/** Azure IoT Hub over MQTT 3.1.1: the topic with its property bag, and a password that is minted for each session. */
import { createHmac } from 'node:crypto';
import type { MqttPreset, SecretRef } from '../../config/config.ts';
import type { Clock } from '../../core/clock.ts';
import type { Credentials, MqttForm } from './preset-form.ts';

/** The version of the service that the user name names. https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub */
const API_VERSION = '2021-04-12';

/** How long a password holds, and when the session is made anew with the next: well before, as the hub ends it to the second. */
const TOKEN_MS = 3_600_000;
const RENEW_MS = 0.8 * TOKEN_MS;

/** What it needs to sign in. */
interface HubDeps {
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly secrets: (ref: SecretRef) => string | Promise<string>;
}

/**
 * Device-to-cloud messages; the property bag names the type and the character set of the body, so that routes can look
 * into it, and whether it holds readings or an event. There is no topic for a status, and nothing is retained.
 */
export function hubForm(
  plain: MqttForm,
  { hub, device, key }: Extract<MqttPreset, { kind: 'azure-iot-hub' }>,
  { clock, secrets }: HubDeps,
): MqttForm {
  const username = `${hub}/${device}/?api-version=${API_VERSION}`;
  const credentials = async (): Promise<Credentials> => {
    if (!key) return { username };
    const endsAtS = Math.floor((clock.wallMs() + TOKEN_MS) / 1000);
    return { username, password: sasToken(hub, device, await secrets(key), endsAtS), endsInMs: RENEW_MS };
  };
  return {
    takesTexts: plain.takesTexts,
    hasStatus: false,
    topicOf: ({ kind }) =>
      `devices/${device}/messages/events/$.ct=application%2Fjson&$.ce=utf-8&kind=${kind === 'event' ? 'event' : 'readings'}`,
    payload: plain.payload,
    credentials,
    refusalHint: () =>
      key
        ? ` The password is made from the clock of the gateway, which shows ${new Date(clock.wallMs()).toISOString()}: a wrong clock is refused like a wrong key.`
        : '',
  };
}

/**
 * A shared access signature: HMAC-SHA256 over the resource and the end, by the key of the device.
 *
 * @param key base64, as the portal shows it
 * @param endsAtS seconds since 1970
 */
function sasToken(hub: string, device: string, key: string, endsAtS: number): string {
  const resource = encodeURIComponent(`${hub}/devices/${device}`);
  const secret = Buffer.from(key.trim(), 'base64');
  const mac = createHmac('sha256', secret).update(`${resource}\n${endsAtS}`).digest('base64');
  return `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(mac)}&se=${endsAtS}`;
}
