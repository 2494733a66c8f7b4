/** Commands in the answers of an HTTP server, and the replies that are posted to it. */
import { randomUUID } from 'node:crypto';
import type { HttpMessage } from '../http/http-form.ts';
import type { CommandDesk } from './command-desk.ts';

/** Commands of one answer; the others are passed over, and the server may send them again. */
const MAX_COMMANDS = 20;

/** The commands of one server. */
export class HttpCommands {
  private readonly desk: CommandDesk;
  private readonly gateway: string;
  private readonly url: URL;

  constructor(desk: CommandDesk, gateway: string, url: URL) {
    this.desk = desk;
    this.gateway = gateway;
    this.url = url;
  }

  /**
   * Carries out what the body of a 2xx answer orders: `{"commands":[…]}`, each as on MQTT.
   *
   * @param from the address of the server, for the journal
   * @returns what is to be posted; undefined where nothing was ordered; never rejects
   */
  async replyTo(body: string, from: string): Promise<HttpMessage | undefined> {
    const commands = this.desk.isOpen ? commandsIn(body) : [];
    if (commands.length === 0) return undefined;
    const replies = await Promise.all(
      commands.map((command) => this.desk.take(Buffer.from(JSON.stringify(command)), from)),
    );
    const key = `${this.gateway}/replies/${randomUUID()}`;
    return {
      url: this.url,
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: `{"schema":"millgate/replies/1","gateway":${JSON.stringify(this.gateway)},"replies":[${replies.join(',')}]}`,
    };
  }
}

function commandsIn(body: string): readonly unknown[] {
  if (!body.includes('"commands"')) return [];
  try {
    const { commands } = JSON.parse(body) as { commands?: unknown };
    return Array.isArray(commands) ? commands.slice(0, MAX_COMMANDS) : [];
  } catch {
    return [];
  }
}
