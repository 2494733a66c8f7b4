/** The options of Modbus channels. */
import { z } from 'zod';
import { durationField } from '../../src/core/fields.ts';
import { characterMsOn, type SerialSettings, serialSettings, serialShape } from '../serial/settings.ts';
import { silenceMsOf } from './line/timing.ts';
import type { LineCost } from './map/plan.ts';

/** What every Modbus channel has. */
interface Common {
  readonly timeoutMs: number;
  /** How often a question is asked again after a timeout or a damaged answer. */
  readonly retries: number;
  readonly pauseMs: number;
}

/** A Modbus channel, checked and complete. */
export type ModbusChannel =
  | (Common & { readonly kind: 'serial'; readonly serial: SerialSettings })
  | (Common & {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      readonly framing: 'tcp' | 'rtu';
      readonly pipeline: number;
    });

const commonShape = {
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
};

/** Serial settings most slaves leave the factory with. */
const RTU_DEFAULTS = { baud: 19_200, parity: 'even' } as const;

/** Keys of a `modbus-rtu` channel. */
export const rtuChannelShape = {
  ...serialShape(RTU_DEFAULTS),
  ...commonShape,
};

/** Keys of a `modbus-tcp` channel. */
export const tcpChannelShape = {
  host: z
    .string({ error: 'expected the IP address or the name of the device' })
    .min(1)
    .describe('IP address or host name.'),
  port: z
    .int({ error: 'expected a port from 1 to 65535' })
    .min(1)
    .max(65_535)
    .optional()
    .describe('TCP port. Default: 502.'),
  framing: z
    .enum(['tcp', 'rtu'], { error: 'expected tcp, or rtu for RTU frames over TCP' })
    .optional()
    .describe('tcp is Modbus TCP; rtu is for converters that pass serial frames through. Default: tcp.'),
  pipeline: z
    .int({ error: 'expected a whole number from 1 to 16' })
    .min(1)
    .max(16)
    .optional()
    .describe('Questions under way at once; only for devices that allow it. Default: 1.'),
  ...commonShape,
};

const rtuOptions = z.object(rtuChannelShape);
const tcpOptions = z.object(tcpChannelShape);

/** Defaults of the channel options (contract, section 1). */
const DEFAULT_TIMEOUT_MS = 1000;
const DEFAULT_RETRIES = 1;
const DEFAULT_PORT = 502;

/** The channel from options that passed {@link rtuChannelShape}. */
export function rtuChannel(options: z.output<typeof rtuOptions>): ModbusChannel {
  return {
    kind: 'serial',
    ...common(options),
    serial: serialSettings(options, RTU_DEFAULTS),
  };
}

/** The channel from options that passed {@link tcpChannelShape}. */
export function tcpChannel(options: z.output<typeof tcpOptions>): ModbusChannel {
  return {
    kind: 'tcp',
    ...common(options),
    host: options.host,
    port: options.port ?? DEFAULT_PORT,
    framing: options.framing ?? 'tcp',
    pipeline: options.pipeline ?? 1,
  };
}

function common(options: { timeout?: number; retries?: number; pause?: number }): Common {
  return {
    timeoutMs: options.timeout ?? DEFAULT_TIMEOUT_MS,
    retries: options.retries ?? DEFAULT_RETRIES,
    pauseMs: options.pause ?? 0,
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
