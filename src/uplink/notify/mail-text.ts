/** Writes a mail as it goes over the wire (RFC 5322, 2045, 2047): no text of an alarm can become a header of it. */
import { randomUUID } from 'node:crypto';

/** A mail. */
interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly body: string;
  /** UTC ms. */
  readonly atMs: number;
  /** Name of the gateway, for the id of the mail. */
  readonly gateway: string;
}

/** Bytes of text in one encoded word of a header, which takes 75 characters at most. */
const WORD_BYTES = 39;

/** Headers and body, lines ended by CRLF; nothing but ASCII, no line longer than 76 characters but those of addresses. */
export function mailText({ from, to, subject, body, atMs, gateway }: Mail): string {
  const headers = [
    `From: ${from}`,
    `To: ${to.join(',\r\n ')}`,
    `Subject: ${encodedWords(subject)}`,
    `Date: ${new Date(atMs).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${randomUUID()}@${gateway}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    // Nobody's absence is answered to a machine (RFC 3834).
    'Auto-Submitted: auto-generated',
  ];
  const text = Buffer.from(body.replaceAll(/\r?\n/g, '\r\n'), 'utf8').toString('base64');
  return `${headers.join('\r\n')}\r\n\r\n${text.match(/.{1,76}/g)?.join('\r\n') ?? ''}`;
}

/** A text of any characters as encoded words, cut between characters. Line breaks become spaces. */
function encodedWords(text: string): string {
  const words: string[] = [];
  let word = '';
  for (const letter of text.replaceAll(/\p{Cc}+/gu, ' ')) {
    if (Buffer.byteLength(word + letter) > WORD_BYTES) {
      words.push(word);
      word = '';
    }
    word += letter;
  }
  words.push(word);
  return words.map((one) => `=?utf-8?B?${Buffer.from(one, 'utf8').toString('base64')}?=`).join('\r\n ');
}
