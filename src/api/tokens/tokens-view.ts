/** What the API tells of its tokens, as types, and the roles that they can have. */

/** What a token allows, each role also what the one before it does. */
export const ROLES = ['viewer', 'technician', 'admin'] as const;

/** A role of {@link ROLES}. */
export type Role = (typeof ROLES)[number];

/** Whether a role allows what another one does. */
export function allows(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** A token as it is listed; the token itself is known only to whom it was given. Times are UTC ms. */
export interface TokenView {
  readonly id: string;
  /** Who has it: what the journal says of what is done with it. */
  readonly name: string;
  readonly role: Role;
  readonly createdMs: number;
  /** To about ten minutes; undefined: never. */
  readonly lastUsedMs?: number | undefined;
}

/** A token that was just made; `token` is told this once. */
export type NewToken = TokenView & { readonly token: string };

/** What can be done with tokens. Each change leaves an audit event; orders that are refused throw a `Fault`. */
export interface TokenOrders {
  list(): readonly TokenView[];
  create(name: string, role: Role, by: string): NewToken;
  revoke(id: string, by: string): TokenView;
}
