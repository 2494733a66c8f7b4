/** A kernel that has no file left for a connection that somebody makes: Node.js tells the server that listens. */
import { Server } from 'node:net';
import { onTestFinished, vi } from 'vitest';

/** Follows which servers are made to listen from now on; gives what refuses each of them a connection. */
export function refusingAccepts(): () => void {
  const listen = vi.spyOn(Server.prototype, 'listen');
  onTestFinished(() => listen.mockRestore());
  return () => {
    for (const server of new Set(listen.mock.contexts as Server[]))
      server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE', syscall: 'accept' }));
  };
}
