import { MAX_ID_LENGTH, ownerIdOf } from '../common/principal.js';
import { isResourceList } from '../common/resource-limit.js';
import { isScopeList, MAX_SCOPES } from '../common/scope-grammar.js';
import type { CredentialOptions, HostCredential, HostRequest } from '../config/sigra-options.js';
import type { HttpRequest } from './http-exchange.js';
import { withStoredSession } from './stored-session.js';

/** A credential of the host that has the form which its resolver promises. */
export interface CheckedCredential {
  readonly id: string | undefined;
  readonly userId: string;
  readonly scopes: readonly string[];
  readonly resources: readonly string[] | undefined;
  readonly expiresAt: Date | undefined;
}

type Resolve = NonNullable<CredentialOptions['resolve']>;

/** What a guard of the host had put on a request before a guard of Sigra put its user there. */
const HOST_USER = Symbol.for('nestjs-sigra:hostUser');

/**
 * Asks the host whether a request has a credential of its own.
 *
 * @throws TypeError for an answer that leaves open whose credential it is, or what it allows
 */
export async function askHost(resolve: Resolve, request: HttpRequest): Promise<CheckedCredential | undefined> {
  return checked(await resolve(asHostLeftIt(request) as HostRequest));
}

/** Asks again, with the session as it is in its store now. */
export async function askHostAgain(resolve: Resolve, request: HttpRequest): Promise<CheckedCredential | undefined> {
  return checked(await resolve(await withStoredSession(asHostLeftIt(request) as HostRequest)));
}

function checked(found: HostCredential | null | undefined): CheckedCredential | undefined {
  if (found === undefined || found === null) return undefined;
  const { id, userId: given, scopes, resources, expiresAt } = found as Partial<Record<keyof HostCredential, unknown>>;
  const userId = ownerIdOf(given);
  if (userId === undefined) throw wrong('the id of a user as userId');
  if (!isScopeList(scopes)) throw wrong(`scopes, an array of at most ${MAX_SCOPES} scopes`);
  if (resources !== undefined && !isResourceList(resources)) {
    throw wrong('resources, an array of resources such as project:42, or none');
  }
  if (expiresAt !== undefined && !(expiresAt instanceof Date && !Number.isNaN(expiresAt.getTime()))) {
    throw wrong('a valid Date as expiresAt, or none');
  }
  if (id !== undefined && !(typeof id === 'string' && id !== '' && id.length <= MAX_ID_LENGTH)) {
    throw wrong(`a string of 1 to ${MAX_ID_LENGTH} characters as id, or none`);
  }
  return { id, userId, scopes: [...scopes], resources: resources && [...resources], expiresAt };
}

function wrong(expected: string): TypeError {
  return new TypeError(`sigra: credentials.resolve must return undefined, or ${expected}`);
}

/**
 * The request without what a guard of Sigra has put there for another call, such as another field of a GraphQL query: its
 * user would look like one that a guard of the host has found.
 */
function asHostLeftIt(request: HttpRequest): unknown {
  const holder = request as HttpRequest & { [HOST_USER]?: { readonly user: unknown } };
  const isOfSigra = request.sigra !== undefined && request.user === request.sigra.user;
  if (!isOfSigra) {
    holder[HOST_USER] = { user: request.user };
    return request;
  }
  return Object.create(request, {
    user: { value: holder[HOST_USER]?.user, enumerable: true },
    sigra: { value: undefined },
  }) as unknown;
}
