import { createSocket } from 'node:dgram';
import type { ModbusSlaves } from './modbus-slave.ts';

/** A Modbus device on a UDP port of this machine: each datagram carries one frame of Modbus TCP. */
export interface UdpDevice {
  readonly port: number;
  /** Takes the port away: from then on the kernel refuses what is sent there. */
  close(): Promise<void>;
}

export async function udpDevice(slaves: ModbusSlaves, port = 0): Promise<UdpDevice> {
  const socket = createSocket('udp4');
  socket.on('message', (question, asker) => {
    const answer = slaves.answer(question[6]!, question.subarray(7));
    if (!answer) return;
    const length = answer.length + 1;
    const header = Uint8Array.of(...question.subarray(0, 4), length >> 8, length & 0xff, question[6]!);
    socket.send(Uint8Array.of(...header, ...answer), asker.port, asker.address);
  });
  await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve));
  let closed: Promise<void> | undefined;
  return {
    port: socket.address().port,
    close() {
      closed ??= new Promise((resolve) => socket.close(resolve));
      return closed;
    },
  };
}
