import { z } from 'zod';
import type { DriverType } from '../../../hal/driver-type.ts';
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

/** A field with a description that keeps its examples. */
function described<T extends z.ZodType>(field: T, description: string): T {
  return field.meta({ ...field.meta(), description });
}

const notHere = (): never => {
  throw new Error('the configuration must not touch hardware');
};

/** A driver with the keys of Modbus, simple enough to be judged at a glance: registers one by one, 10 ms a request. */
function modbus(type: string, channelShape: ReturnType<DriverType['channelShape']>): DriverType {
  const checked: DriverType<unknown, Register> = {
    type,
    simulated: false,
    channelShape: () => channelShape,
    deviceShape: () => ({
      unit: z
        .int()
        .min(0)
        .max(247)
        .meta({ description: 'Unit id.', examples: [3] }),
      order: described(z.enum(['ABCD', 'CDAB', 'BADC', 'DCBA']).optional(), 'Order of the bytes.'),
      maxRegisters: described(z.int().min(1).max(125).optional(), 'Largest block.'),
    }),
    tagShape: () => ({
      address,
      type: described(
        z.enum(['bool', 'int16', 'uint16', 'int32', 'uint32', 'float32']).meta({ examples: ['int16'] }),
        'Type of the value.',
      ),
      order: described(z.enum(['ABCD', 'CDAB', 'BADC', 'DCBA']).optional(), 'Order of the bytes.'),
      invalid: described(z.array(z.int()).optional(), 'Raw values that mean nothing.'),
    }),
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
  baud: described(z.int().min(300).max(1_000_000).default(19_200), 'Speed.'),
  parity: described(z.enum(['none', 'even', 'odd']).default('even'), 'Parity.'),
  stopBits: described(z.literal([1, 2]).default(1), 'Stop bits.'),
  timeout: durationField('Deadline of a request.', { min: '10ms', max: '60s' }).optional(),
});

/** Modbus over TCP. */
export const tcp = modbus('modbus-tcp', {
  host: z
    .string()
    .min(1)
    .meta({ description: 'Host name or address.', examples: ['192.168.1.20'] }),
  port: described(z.int().min(1).max(65_535).default(502), 'TCP port.'),
  timeout: durationField('Deadline of a request.').optional(),
});

/** Lines that report their own edges. */
export const gpio: DriverType = {
  type: 'gpio',
  simulated: false,
  channelShape: () => ({ chip: described(z.string().default('auto'), 'Chip.') }),
  deviceShape: () => ({}),
  tagShape: () => ({
    address: z.string().meta({ description: 'Line.', examples: ['GPIO17'] }),
    bias: described(z.enum(['pull-up', 'pull-down', 'none']).optional(), 'Bias.'),
    debounce: durationField('Shortest pulse that counts.').optional(),
  }),
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
  channelShape: () => ({ seed: described(z.int().optional(), 'Seed.') }),
  deviceShape: () => ({}),
  tagShape: () => ({
    address: z.string().meta({ description: 'Signal.', examples: ['sine(min=0,max=100,period=60s)'] }),
  }),
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
