/** Routes that make, list and revoke the tokens of the API. */
import type { EventBody } from '../../core/event.ts';
import { ok, Refused, type Route } from '../answer.ts';
import { ORDER, ORDERER } from '../description/orderer.ts';
import type { BodyShape } from '../description/shape.ts';
import type { GatewayView } from '../view.ts';
import type { Tokens } from './tokens.ts';
import { ROLES, type TokenOrders } from './tokens-view.ts';

/** @param event puts an event into the journal */
export function tokenOrders(tokens: Tokens, event: (body: EventBody) => void): TokenOrders {
  return {
    list: () => tokens.list(),
    create(name, role, by) {
      const { token, view } = tokens.create(name, role);
      const message = `API token ${view.id} of the role ${role} made for ${name} by ${by}`;
      event({ kind: 'audit', what: 'token-created', message, id: view.id, name, role, by });
      return { ...view, token };
    },
    revoke(id, by) {
      const view = tokens.revoke(id);
      const message = `API token ${id} of ${view.name} revoked by ${by}`;
      event({ kind: 'audit', what: 'token-revoked', message, id, name: view.name, role: view.role, by });
      return view;
    },
  };
}

const NEW_TOKEN = {
  type: 'object',
  required: ['name', 'role', 'by'],
  properties: { name: { type: 'string', minLength: 1, maxLength: 60 }, role: { enum: ROLES }, by: ORDERER.by },
  examples: [{ name: 'tablet press 1', role: 'technician', by: 'ann' }],
} as const satisfies BodyShape;

/** Routes of the tokens. */
export const TOKEN_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/api/v1/tokens',
    summary: 'Every token of this API, without the token itself.',
    role: 'admin',
    answers: 'tokens',
    answer: (view) => ok({ tokens: orders(view).list() }),
  },
  {
    method: 'post',
    path: '/api/v1/tokens',
    summary: 'Makes a token, which is told this once.',
    requestBody: NEW_TOKEN,
    changes: true,
    role: 'admin',
    answers: 'newToken',
    answer: async (view, request) => {
      const { name, role, by } = await request.body(NEW_TOKEN);
      return ok(orders(view).create(name, role, by));
    },
  },
  {
    method: 'post',
    path: '/api/v1/tokens/{id}/revoke',
    summary: 'Makes a token worthless at once.',
    requestBody: ORDER,
    changes: true,
    role: 'admin',
    answers: 'token',
    answer: async (view, request) => ok(orders(view).revoke(request.params.id!, (await request.body(ORDER)).by)),
  },
];

function orders({ tokens }: GatewayView): TokenOrders {
  if (tokens) return tokens;
  throw new Refused(404, 'this gateway has no tokens', 'It answers on its Unix socket only.');
}
