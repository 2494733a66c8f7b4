/**
 * The closed list of reasons why a value is doubtful or missing, with the OPC UA status code each maps to
 * (OPC 10000-4 table 177 and OPC 10000-8 annex A; values from the OPC Foundation's StatusCode.csv).
 * Payloads, the API and the command line use these words and no others.
 */
export const DOUBTS = {
  'out-of-range': { code: 0x40940000, opcUa: 'UncertainEngineeringUnitsExceeded', means: 'outside the tag’s min…max' },
  'last-usable': { code: 0x40900000, opcUa: 'UncertainLastUsableValue', means: 'the device is busy; last value kept' },
  'counter-reset': { code: 0x40950000, opcUa: 'UncertainSubNormal', means: 'the counter went back; counted from zero' },
  'missed-edges': {
    code: 0x40950000,
    opcUa: 'UncertainSubNormal',
    means: 'edges were lost; the count is a lower bound',
  },
  'other-master': {
    code: 0x40000000,
    opcUa: 'Uncertain',
    means: 'another master asks on the line: the answer may be to its question',
  },
  stuck: { code: 0x40930000, opcUa: 'UncertainSensorNotAccurate', means: 'no change on a signal that always moves' },
} as const;

/** Why a value is doubtful. */
export type Doubt = keyof typeof DOUBTS;

/** Reasons of a bad reading; see {@link DOUBTS}. */
export const FAILURES = {
  timeout: { code: 0x80050000, opcUa: 'BadCommunicationError', means: 'no answer before the deadline' },
  'not-connected': {
    code: 0x80050000,
    opcUa: 'BadCommunicationError',
    means: 'the channel is down, or its connection ended when the device was asked',
  },
  offline: { code: 0x80310000, opcUa: 'BadNoCommunication', means: 'the device is offline and probed now and then' },
  garbled: { code: 0x80050000, opcUa: 'BadCommunicationError', means: 'wrong checksum, length or form' },
  'gateway-path': { code: 0x80310000, opcUa: 'BadNoCommunication', means: 'Modbus exception 0A from a gateway' },
  'gateway-target': { code: 0x80310000, opcUa: 'BadNoCommunication', means: 'Modbus exception 0B from a gateway' },
  'illegal-function': { code: 0x80890000, opcUa: 'BadConfigurationError', means: 'Modbus exception 01' },
  'illegal-address': {
    code: 0x80890000,
    opcUa: 'BadConfigurationError',
    means: 'Modbus exception 02: no such register',
  },
  'illegal-value': { code: 0x80890000, opcUa: 'BadConfigurationError', means: 'Modbus exception 03' },
  'device-failure': {
    code: 0x808b0000,
    opcUa: 'BadDeviceFailure',
    means: 'Modbus exception 04 or 08, or a device fault',
  },
  'device-busy': { code: 0x808b0000, opcUa: 'BadDeviceFailure', means: 'Modbus exception 05 or 06 for too long' },
  'sensor-failure': { code: 0x808c0000, opcUa: 'BadSensorFailure', means: 'sensor checksum, NaN or a sentinel value' },
  'decode-error': { code: 0x80070000, opcUa: 'BadDecodingError', means: 'the raw data is not of the tag’s type' },
  overflow: { code: 0x81120000, opcUa: 'BadNumericOverflow', means: 'the scaled value is not a finite number' },
  waiting: { code: 0x80320000, opcUa: 'BadWaitingForInitialData', means: 'not read yet' },
  'out-of-service': { code: 0x808d0000, opcUa: 'BadOutOfService', means: 'taken out of service by hand' },
} as const;

/** Why there is no value. */
export type Failure = keyof typeof FAILURES;

/** Why numbers that were given, or records that were read, are not there any more, in words. */
export const LOSSES = {
  evicted: 'given up undelivered because the store was full',
  quarantined: 'refused by the broker for good',
  corrupt: 'unreadable on the disk',
  'memory-full': 'dropped before they were written, because the disk stalled',
  unsealed: 'quality records that left the store before a checkpoint that covers them was delivered',
  skipped: 'numbers passed over after damage, so that none is given twice',
} as const;

/** Failures that mean that nobody answered; every other word came from the device or about it. */
export const SILENCES: ReadonlySet<string> = new Set<Failure>([
  'timeout',
  'garbled',
  'gateway-target',
  'gateway-path',
  'not-connected',
  'offline',
]);
