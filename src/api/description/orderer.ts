/** Who orders something: the part of a body that every order has. */
import type { BodyShape } from './shape.ts';

/** Properties of a body that say who orders it. */
export const ORDERER = {
  by: { type: 'string', minLength: 1, maxLength: 100, description: 'who orders it, for the journal' },
  comment: { type: 'string', maxLength: 500 },
} as const;

/** A body that says who orders it, and nothing else. */
export const ORDER = {
  type: 'object',
  required: ['by'],
  properties: ORDERER,
  examples: [{ by: 'ann' }],
} as const satisfies BodyShape;
