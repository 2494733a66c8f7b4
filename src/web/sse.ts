/** Cuts a stream of text into server-sent events (HTML Living Standard, 9.2.6). */

/** One event of the stream. */
export interface SentEvent {
  readonly name: string;
  readonly data: string;
  readonly id: string | undefined;
}

/** The longest event that is taken, characters: a stream that never ends an event must not fill the memory. */
const MAX_EVENT = 16_000_000;

/** Takes text in pieces as they come, and gives the events that are whole. */
export function createEventCutter(): (piece: string) => SentEvent[] {
  let rest = '';
  return (piece) => {
    rest += piece;
    if (rest.length > MAX_EVENT) throw new Error('an event of the stream is too long');
    const blocks = rest.split('\n\n');
    rest = blocks.pop()!;
    return blocks.flatMap((block) => eventOf(block) ?? []);
  };
}

function eventOf(block: string): SentEvent | undefined {
  let name = 'message';
  let id: string | undefined;
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, '');
    const field = line.slice(0, colon);
    if (field === 'event') name = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id') id = value;
  }
  return data.length > 0 ? { name, data: data.join('\n'), id } : undefined;
}
