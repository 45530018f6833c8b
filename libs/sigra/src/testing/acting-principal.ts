import { randomUUID } from 'node:crypto';
import type { AuthMethod, Principal } from '../index.js';

/** How the caller got in, and what it may do; everything has a default. */
export interface ActingCredential {
  /** @default 'api_token' with a `tokenId`, else 'session' */
  readonly method?: AuthMethod;
  /** @default ['*'], as a user has who acts in person */
  readonly scopes?: readonly string[];
  /** @default a random one with method 'api_token', else none */
  readonly tokenId?: string;
}

/**
 * Who makes a request, as far as a test cares: a `userId`, a `user` with an `id`, or both. Without a user,
 * `@CurrentUser()` gives `{ id: userId }`.
 *
 * @typeParam User the host's user type
 */
export type ActingPrincipal<User extends object = object> = ActingCredential &
  ({ readonly userId: string; readonly user?: User } | { readonly userId?: string; readonly user: User });

/** @throws TypeError when nothing says who the user is */
export function toPrincipal(acting: ActingPrincipal): Principal {
  const userId = acting.userId ?? idOf(acting.user);
  if (userId === undefined) {
    throw new TypeError('actingAs() needs to know the user: give a userId, or a user with an id');
  }
  const method = acting.method ?? (acting.tokenId === undefined ? 'session' : 'api_token');
  const tokenId = acting.tokenId ?? (method === 'api_token' ? randomUUID() : undefined);
  return {
    user: acting.user ?? { id: userId },
    userId,
    method,
    scopes: [...(acting.scopes ?? ['*'])],
    ...(tokenId !== undefined && { tokenId }),
  };
}

function idOf(user: object | undefined): string | undefined {
  const id = (user as { readonly id?: unknown } | undefined)?.id;
  return typeof id === 'string' || typeof id === 'number' || typeof id === 'bigint' ? String(id) : undefined;
}
