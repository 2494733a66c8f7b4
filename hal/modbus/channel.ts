/** The keys of a Modbus channel, and the channel that they make. */
import { z } from 'zod';
import { lazily } from '../../src/core/checked.ts';
import { BROKEN_ADDRESS, durationField, isBrokenAddress } from '../../src/core/fields.ts';
import { characterMsOn, type SerialSettings, serialSettings, serialShape } from '../serial/settings.ts';
import { silenceMsOf } from './line/timing.ts';
import { maxGapField, maxRegistersField } from './map/options.ts';
import type { LineCost } from './map/plan.ts';

/** What every Modbus channel has. */
interface Common {
  readonly timeoutMs: number;
  /** How often a question is asked again after a timeout or a damaged answer. */
  readonly retries: number;
  readonly pauseMs: number;
  /** For devices that do not say it themselves; undefined: 16 and 125. */
  readonly maxGap?: number | undefined;
  readonly maxRegisters?: number | undefined;
  /** Rest after the connection is made, ms. */
  readonly connectPauseMs: number;
  /** The connection is closed when it was idle for so long, ms; undefined: it is kept open. */
  readonly closeAfterMs: number | undefined;
}

/** Paths of PEM files for Modbus TCP over TLS. */
interface TlsFiles {
  /** The authority that signed the certificate of the device; undefined: those that the system trusts. */
  readonly ca: string | undefined;
  /** Our own certificate and its key, for devices that ask who we are. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** A Modbus channel, checked and complete. */
export type ModbusChannel =
  | (Common & { readonly kind: 'serial'; readonly serial: SerialSettings; readonly echo: 'auto' | 'yes' | 'no' })
  | (Common & {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      readonly framing: 'tcp' | 'rtu' | 'udp';
      readonly pipeline: number;
      readonly foreignUnit: 'accept' | 'refuse';
      readonly tls: TlsFiles | undefined;
    });

const commonShape = lazily(() => ({
  timeout: durationField('Longest wait for one answer; wire time comes on top. Default: 1s.', {
    min: '1ms',
    max: '60s',
  }).optional(),
  retries: z
    .int({ error: 'expected a whole number from 0 to 10' })
    .min(0)
    .max(10)
    .optional()
    .describe('How often a question is asked again after a timeout or a damaged answer. Default: 1.'),
  pause: durationField('Rest between an answer and the next question, for slow devices. Default: 0ms.', {
    max: '10s',
  }).optional(),
  maxGap: maxGapField().describe(
    'Most registers that nobody asked for and that one request may span; 0: none. Default: 16. A device may say otherwise.',
  ),
  maxRegisters: maxRegistersField().describe(
    'Most registers that devices answer in one request. Default: 125. A device may say otherwise.',
  ),
  connectPause: durationField('Rest after the connection is made, before the first question. Default: 0ms.', {
    max: '60s',
  }).optional(),
  closeAfter: durationField('The connection is closed when it was idle for so long. Default: it is kept open.', {
    max: '1h',
  }).optional(),
}));

/** Serial settings most slaves leave the factory with. */
const RTU_DEFAULTS = { baud: 19_200, parity: 'even' } as const;

/** Keys of a `modbus-rtu` channel. */
export const rtuChannelShape = lazily(() => ({
  ...serialShape(RTU_DEFAULTS),
  rs485: z
    .enum(['kernel', 'rts', 'none'], {
      error:
        'expected none (the adapter switches direction by itself, as most USB adapters do), kernel (the driver of the port switches it) or rts (Millgate switches it by RTS)',
    })
    .optional()
    .describe(
      'Who switches the direction of an RS-485 transceiver that needs it: the driver of the port, or this program by RTS. Default: none, the adapter does so by itself.',
    ),
  rtsBefore: durationField('With rs485, how long the line is held before the first byte. Default: 0ms.', {
    max: '100ms',
  }).optional(),
  rtsAfter: durationField('With rs485, how long the line is held after the last byte. Default: 0ms.', {
    max: '100ms',
  }).optional(),
  echo: z
    .enum(['auto', 'yes', 'no'], { error: 'expected auto, yes or no' })
    .optional()
    .describe('Whether the adapter gives back what is sent. Default: auto, it is found out.'),
  ...commonShape(),
}));

function pemField(what: string) {
  return z.string({ error: 'expected the path of a PEM file' }).min(1).optional().describe(what);
}

/** Keys of a `modbus-tcp` channel. */
export const tcpChannelShape = lazily(() => ({
  host: z
    .string({ error: 'expected the IP address or the name of the device' })
    .min(1)
    .regex(/^[^\s/]*$/, 'expected only the IP address or the name of the device, without http:// and the like')
    .refine((host) => !/^[^:]*:\d+$/.test(host), {
      error: ({ input }) => {
        const [host, port] = String(input).split(':');
        return `host and port have a key each: write host: ${host}, port: ${port}`;
      },
    })
    .refine((host) => !isBrokenAddress(host), { error: ({ input }) => `${input} ${BROKEN_ADDRESS}` })
    .describe('IP address or host name.'),
  port: z
    .int({ error: 'expected a port from 1 to 65535' })
    .min(1)
    .max(65_535)
    .optional()
    .describe('TCP port. Default: 502.'),
  framing: z
    .enum(['tcp', 'rtu', 'udp'], { error: 'expected tcp, rtu for RTU frames over TCP, or udp' })
    .optional()
    .describe(
      'tcp is Modbus TCP; rtu is for converters that pass serial frames through; udp is Modbus TCP in datagrams. Default: tcp.',
    ),
  foreignUnit: z
    .enum(['accept', 'refuse'], {
      error: 'expected accept (take an answer that names another unit) or refuse (drop it)',
    })
    .optional()
    .describe(
      'What becomes of an answer that names another unit than was asked. Default: accept, and it is said once.',
    ),
  tls: z
    .strictObject({
      ca: pemField('The authority that signed the certificate of the device.'),
      cert: pemField('Our own certificate, for devices that ask who we are.'),
      key: pemField('The key of our certificate.'),
    })
    .refine(({ cert, key }) => (cert === undefined) === (key === undefined), {
      error: 'a client certificate needs both cert and key: write the one that is missing',
    })
    .optional()
    .describe('Modbus TCP over TLS, by PEM files. The port of such devices is 802 unless they say otherwise.'),
  pipeline: z
    .int({ error: 'expected a whole number from 1 to 16' })
    .min(1)
    .max(16)
    .optional()
    .describe('Questions under way at once; only for devices that allow it. Default: 1.'),
  ...commonShape(),
}));

/** Options that passed {@link rtuChannelShape}, and {@link tcpChannelShape}. */
export type RtuOptions = z.output<z.ZodObject<ReturnType<typeof rtuChannelShape>>>;
export type TcpOptions = z.output<z.ZodObject<ReturnType<typeof tcpChannelShape>>>;

/** Defaults of the channel options (contract, section 1). */
const DEFAULT_TIMEOUT_MS = 1000;
const DEFAULT_RETRIES = 1;
const DEFAULT_PORT = 502;
/** Modbus/TCP Security Protocol Specification V36, 6. */
const DEFAULT_TLS_PORT = 802;

/** The channel from options that passed {@link rtuChannelShape}. */
export function rtuChannel(options: RtuOptions): ModbusChannel {
  return {
    kind: 'serial',
    ...common(options),
    serial: { ...serialSettings(options, RTU_DEFAULTS), rs485: rs485Of(options) },
    echo: options.echo ?? 'auto',
  };
}

function rs485Of({ rs485, rtsBefore, rtsAfter }: RtuOptions): SerialSettings['rs485'] {
  if (rs485 === undefined || rs485 === 'none') return undefined;
  return { by: rs485, beforeMs: rtsBefore ?? 0, afterMs: rtsAfter ?? 0 };
}

/** The channel from options that passed {@link tcpChannelShape}. */
export function tcpChannel(options: TcpOptions): ModbusChannel {
  return {
    kind: 'tcp',
    ...common(options),
    host: options.host,
    port: options.port ?? (options.tls ? DEFAULT_TLS_PORT : DEFAULT_PORT),
    framing: options.framing ?? 'tcp',
    pipeline: options.pipeline ?? 1,
    foreignUnit: options.foreignUnit ?? 'accept',
    tls: options.tls && { ca: options.tls.ca, cert: options.tls.cert, key: options.tls.key },
  };
}

function common(options: {
  timeout?: number;
  retries?: number;
  pause?: number;
  maxGap?: number;
  maxRegisters?: number;
  connectPause?: number;
  closeAfter?: number;
}): Common {
  return {
    timeoutMs: options.timeout ?? DEFAULT_TIMEOUT_MS,
    retries: options.retries ?? DEFAULT_RETRIES,
    pauseMs: options.pause ?? 0,
    maxGap: options.maxGap,
    maxRegisters: options.maxRegisters,
    connectPauseMs: options.connectPause ?? 0,
    closeAfterMs: options.closeAfter,
  };
}

/** Typical times of a slave, ms: to begin its answer on a serial line, and to answer over a plant network. */
const TYPICAL_TURNAROUND_MS = 5;
const TYPICAL_NETWORK_MS = 5;

/** A register over a network costs next to nothing, but not nothing, so that plans prefer the smaller request. */
const NETWORK_REGISTER_MS = 0.002;

/** Bytes of question and answer without data: unit, function, address, count, checksum; unit, function, count, checksum. */
const FRAME_BYTES = 8 + 5;

/** What requests cost on a channel, for the planner and for `check`. */
export function lineCostOf(channel: ModbusChannel): LineCost {
  if (channel.kind === 'tcp') {
    return {
      requestMs: TYPICAL_NETWORK_MS + channel.pauseMs,
      registerMs: NETWORK_REGISTER_MS,
      bitMs: NETWORK_REGISTER_MS / 16,
    };
  }
  const characterMs = characterMsOn(channel.serial);
  const silencesMs = 2 * silenceMsOf(channel.serial.baud);
  return {
    requestMs: FRAME_BYTES * characterMs + silencesMs + TYPICAL_TURNAROUND_MS + channel.pauseMs,
    registerMs: 2 * characterMs,
    bitMs: characterMs / 8,
  };
}
