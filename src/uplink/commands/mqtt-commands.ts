/** Commands over MQTT: listens on `ROOT/command`, and answers on `ROOT/reply`. */
import type { MqttClient } from 'mqtt';
import type { Logger } from '../../core/log.ts';
import type { MqttWindow } from '../mqtt-window.ts';
import type { CommandDesk } from './command-desk.ts';

/** What the uplink knows of its topic of commands; it outlives sessions. */
export interface CommandTopicMemory {
  /** Why the broker does not let this gateway listen or answer; undefined: it does, as far as is known. */
  deniedBecause: string | undefined;
}

/** What the commands of a session need. */
export interface MqttCommandsDeps {
  readonly client: MqttClient;
  readonly window: MqttWindow;
  readonly log: Logger;
  /** Topic root. */
  readonly root: string;
  readonly desk: CommandDesk;
  readonly memory: CommandTopicMemory;
}

/** Replies that may wait for the broker; those beyond are not sent, and whoever asks again is answered again. */
const MAX_REPLIES = 50;

/** The commands of one session. */
export class MqttCommands {
  private readonly deps: MqttCommandsDeps;
  private isListening = false;
  private replies = 0;

  constructor(deps: MqttCommandsDeps) {
    this.deps = deps;
  }

  /** Listens from now on, where the file allows any command and the broker is not known to hang up on that. */
  listen(): void {
    const { client, window, root, desk, memory } = this.deps;
    if (this.isListening || !desk.isOpen || memory.deniedBecause !== undefined) return;
    this.isListening = true;
    const topic = `${root}/command`;
    client.on('message', (name, payload, { retain }) => {
      if (name === topic) void this.heard(topic, payload, retain);
    });
    window.ask({ kind: 'command' }, (done) =>
      client.subscribe(topic, { qos: 1 }, (error, granted) => {
        const code = granted?.[0]?.qos ?? 128;
        if (error || code >= 128) this.denied(topic, error?.message);
        if (!client.disconnecting) done();
      }),
    );
  }

  private denied(topic: string, said: string | undefined): void {
    const { client, memory, log } = this.deps;
    if (!client.connected) return;
    memory.deniedBecause = `commands: the broker does not let this gateway read ${topic}${said ? ` (${said})` : ''}: give its user read permission there, and restart the gateway`;
    log.warn(memory.deniedBecause);
  }

  private async heard(topic: string, payload: Buffer, retained: boolean): Promise<void> {
    const { desk, window, root, log } = this.deps;
    const reply = await desk.take(payload, topic, retained);
    if (this.replies >= MAX_REPLIES) return;
    this.replies++;
    await window.publish({ topic: `${root}/reply`, payload: reply, retain: false, about: { kind: 'command' } }).then(
      (result) => {
        if (!result.ok) log.warn(`the reply to a command: ${result.why}`);
      },
      (error: unknown) => log.debug(`the reply to a command: ${String(error)}`),
    );
    this.replies--;
  }
}
