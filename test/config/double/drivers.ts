import { z } from 'zod';
import type { DriverType } from '../../../hal/driver.ts';
import { failed, passed } from '../../../src/core/checked.ts';
import { durationField } from '../../../src/core/fields.ts';

interface Register {
  readonly unit: number;
  readonly table: string;
  readonly start: number;
  readonly type: string;
}

/** Milliseconds of one request on the doubles' line: 8 bytes out, 5 back and a little silence, as at 19200 baud. */
export const REQUEST_MS = 10;

const address = z.string().meta({ description: 'Register, such as holding:100.', examples: ['holding:100'] });

const notHere = (): never => {
  throw new Error('the configuration must not touch hardware');
};

/** A driver with the keys of Modbus, simple enough to be judged at a glance: registers one by one, 10 ms a request. */
function modbus(type: string, channelShape: DriverType['channelShape']): DriverType {
  const checked: DriverType<unknown, Register> = {
    type,
    simulated: false,
    channelShape,
    deviceShape: {
      unit: z
        .int()
        .min(0)
        .max(247)
        .meta({ description: 'Unit id.', examples: [3] }),
      order: z.enum(['ABCD', 'CDAB', 'BADC', 'DCBA']).optional(),
      maxRegisters: z.int().min(1).max(125).optional(),
    },
    tagShape: {
      address,
      type: z.enum(['bool', 'int16', 'uint16', 'int32', 'uint32', 'float32']).meta({ examples: ['int16'] }),
      order: z.enum(['ABCD', 'CDAB', 'BADC', 'DCBA']).optional(),
      invalid: z.array(z.int()).optional(),
    },
    checkChannel: (options) =>
      options.baud === 1200 && options.parity === 'odd'
        ? failed(['parity'], 'odd does not go with 1200 baud')
        : passed(options),
    checkTag: ({ options, deviceOptions }) => {
      const match = /^(coil|discrete|input|holding):(\d{1,5})$|^([0134])(\d{4})$/.exec(String(options.address));
      if (!match)
        return failed(['address'], `"${options.address}" is no address: write for example holding:100 or "40101"`);
      const table = match[1] ?? { 0: 'coil', 1: 'discrete', 3: 'input', 4: 'holding' }[match[3]!]!;
      const start = match[1] ? Number(match[2]) : Number(match[4]) - 1;
      return passed({ unit: Number(deviceOptions.unit), table, start, type: String(options.type) });
    },
    describeAddress: ({ table, start }) =>
      `${table}:${start} = ${{ holding: 4, input: 3, discrete: 1 }[table] ?? 0}${String(start + 1).padStart(4, '0')}`,
    isEventful: () => false,
    estimate: (_channel, tags) => ({
      requests: tags.map((tag) => ({
        device: tag.device,
        text: `unit ${tag.address.unit} ${tag.address.table}:${tag.address.start}`,
        tags: [tag.id],
        lineMs: REQUEST_MS,
      })),
    }),
    create: notHere,
  };
  return checked as DriverType;
}

/** Modbus over a serial line. */
export const rtu = modbus('modbus-rtu', {
  port: z
    .string()
    .min(1)
    .meta({ description: 'Serial port.', examples: ['/dev/serial/by-id/usb-FTDI_A10'] }),
  baud: z.int().min(300).max(1_000_000).default(19_200),
  parity: z.enum(['none', 'even', 'odd']).default('even'),
  stopBits: z.literal([1, 2]).default(1),
  timeout: durationField('Deadline of a request.', { min: '10ms', max: '60s' }).optional(),
});

/** Modbus over TCP. */
export const tcp = modbus('modbus-tcp', {
  host: z
    .string()
    .min(1)
    .meta({ description: 'Host name or address.', examples: ['192.168.1.20'] }),
  port: z.int().min(1).max(65_535).default(502),
  timeout: durationField('Deadline of a request.').optional(),
});

/** Lines that report their own edges. */
export const gpio: DriverType = {
  type: 'gpio',
  simulated: false,
  channelShape: { chip: z.string().default('auto') },
  deviceShape: {},
  tagShape: {
    address: z.string().meta({ examples: ['GPIO17'] }),
    bias: z.enum(['pull-up', 'pull-down', 'none']).optional(),
    debounce: durationField('Shortest pulse that counts.').optional(),
  },
  checkChannel: passed,
  checkTag: ({ options }) => passed(options.address),
  describeAddress: String,
  isEventful: () => true,
  estimate: () => ({ requests: [] }),
  create: notHere,
};

/** Signals that are made up. */
export const mock: DriverType = {
  type: 'mock',
  simulated: true,
  channelShape: { seed: z.int().optional() },
  deviceShape: {},
  tagShape: { address: z.string().meta({ examples: ['sine(min=0,max=100,period=60s)'] }) },
  checkChannel: passed,
  checkTag: ({ options }) => passed(options.address),
  describeAddress: String,
  isEventful: () => false,
  estimate: (_channel, tags) => ({
    requests: [{ device: 'all', text: 'signals', tags: tags.map(({ id }) => id), lineMs: 0 }],
  }),
  create: notHere,
};

/** All of them. */
export const drivers: readonly DriverType[] = [rtu, tcp, gpio, mock];
