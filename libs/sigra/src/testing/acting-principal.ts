import { randomUUID } from 'node:crypto';
import type { AuthMethod, Principal } from '../index.js';

/** How the caller got in, and what it may do; everything has a default. */
export interface ActingCredential {
  /** @default 'api_token' with a `tokenId`, 'jwt' with a `familyId`, else 'session' */
  readonly method?: AuthMethod;
  /** @default ['*'], as a user has who acts in person */
  readonly scopes?: readonly string[];
  /** Only with method 'api_token'. @default a random one */
  readonly tokenId?: string;
  /** Only with method 'jwt'. @default a random one */
  readonly familyId?: string;
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
  const { user = { id: userId }, scopes = ['*'] } = acting;
  return { user, userId, scopes: [...scopes], ...credentialOf(acting) };
}

/** What a real credential of the method always has, and nothing that it never has. */
function credentialOf({
  tokenId,
  familyId,
  method = tokenId !== undefined ? 'api_token' : familyId !== undefined ? 'jwt' : 'session',
}: ActingCredential): Pick<Principal, 'method' | 'tokenId' | 'familyId'> {
  switch (method) {
    case 'session':
      return { method };
    case 'api_token':
      return { method, tokenId: tokenId ?? randomUUID() };
    case 'jwt':
      return { method, familyId: familyId ?? randomUUID() };
  }
}

function idOf(user: object | undefined): string | undefined {
  const id = (user as { readonly id?: unknown } | undefined)?.id;
  return typeof id === 'string' || typeof id === 'number' || typeof id === 'bigint' ? String(id) : undefined;
}
