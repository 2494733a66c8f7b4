/** Routes that make, list and revoke the tokens of the API. */
import type { EventBody } from '../../core/event.ts';
import { type Answer, asObject, ok, Refused, type Route, type RouteRequest } from '../answer.ts';
import { ordererOf } from '../rule-routes.ts';
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

const BY = { type: 'string', maxLength: 100, description: 'who orders it, for the journal' };

/** Routes of the tokens. */
export const TOKEN_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/api/v1/tokens',
    summary: 'Every token of this API, without the token itself.',
    role: 'admin',
    answer: (view) => ok({ tokens: orders(view).list() }),
  },
  {
    method: 'post',
    path: '/api/v1/tokens',
    summary: 'Makes a token, which is told this once.',
    requestBody: {
      type: 'object',
      required: ['name', 'role', 'by'],
      properties: { name: { type: 'string', minLength: 1, maxLength: 60 }, role: { enum: ROLES }, by: BY },
    },
    changes: true,
    role: 'admin',
    answer: create,
  },
  {
    method: 'post',
    path: '/api/v1/tokens/{id}/revoke',
    summary: 'Makes a token worthless at once.',
    requestBody: { type: 'object', required: ['by'], properties: { by: BY } },
    changes: true,
    role: 'admin',
    answer: async (view, request) =>
      ok(orders(view).revoke(request.params.id!, ordererOf(asObject(await request.body())).by)),
  },
];

async function create(view: GatewayView, request: RouteRequest): Promise<Answer> {
  const body = asObject(await request.body());
  const { by } = ordererOf(body);
  const role = ROLES.find((known) => known === body.role);
  if (typeof body.name !== 'string' || role === undefined)
    throw new Refused(
      400,
      'the body names no token',
      `Send {"name":"WHOSE","role":"${ROLES.join(' | ')}","by":"NAME"}.`,
    );
  return ok(orders(view).create(body.name, role, by));
}

function orders({ tokens }: GatewayView): TokenOrders {
  if (tokens) return tokens;
  throw new Refused(404, 'this gateway has no tokens', 'It answers on its Unix socket only.');
}
