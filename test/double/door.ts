import { connect, createServer, type Socket } from 'node:net';

/** A door in front of a server: who comes while it is shut is turned away, who is inside stays connected. */
export interface Door {
  readonly port: number;
  isOpen: boolean;
  close(): void;
}

/** Opens a door on a free loopback port that leads to `targetPort`. */
export function openDoor(targetPort: number): Promise<Door> {
  const sockets = new Set<Socket>();
  const server = createServer((outer) => {
    if (!door.isOpen) {
      outer.destroy();
      return;
    }
    const inner = connect(targetPort, '127.0.0.1');
    for (const [one, other] of [
      [outer, inner],
      [inner, outer],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  const door = {
    port: 0,
    isOpen: true,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address && typeof address === 'object') door.port = address.port;
      resolve(door);
    });
  });
}
