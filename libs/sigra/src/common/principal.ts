import type { AllowedIps } from './allowed-ips.js';
import { isStorable } from './storable-text.js';

/** How the principal was authenticated; `host` by `credentials.resolve`. */
export type AuthMethod = 'session' | 'api_token' | 'jwt' | 'host';

/**
 * Who makes a request, and what the credential allows.
 *
 * @typeParam User the host's user type
 */
export interface Principal<User extends object = object> extends CredentialFacts {
  /** The user, read for this request. With a JWT and `check: 'stateless'`, an object with only the id. */
  readonly user: User;
  /** The user's id as a string, as stored in `sigra_api_tokens.owner_id`. */
  readonly userId: string;
  /** The user as an owner of credentials. Missing in a principal that the application made without it. */
  readonly owner?: PrincipalOwner<User>;
}

/**
 * A principal that is not a user, such as an organization whose API token makes a request. Only handlers with `@AllowOwners()`
 * get one.
 *
 * @typeParam Entity the host's type of these owners
 */
export interface OwnerPrincipal<Entity extends object = object> extends CredentialFacts {
  readonly user?: undefined;
  readonly userId?: undefined;
  readonly owner: PrincipalOwner<Entity>;
}

/** Who makes a request: a user, or another owner of credentials. */
export type AnyPrincipal = Principal | OwnerPrincipal;

/** The owner of the credential of a principal. */
export interface PrincipalOwner<Entity extends object = object> extends Owner {
  /** The owner, read for this request: a user, an organization, and so on. JSON and copies of the object omit it. */
  readonly entity: Entity;
}

/** JSON and copies leave out the getter: an application that omits the user from an answer must not send it as the owner. */
export class OwnerWithEntity implements PrincipalOwner {
  readonly type: string;
  readonly id: string;
  readonly #entity: object;

  constructor({ type, id }: Owner, entity: object) {
    this.type = type;
    this.id = id;
    this.#entity = entity;
  }

  get entity(): object {
    return this.#entity;
  }
}

/** What the credential of a principal is, and allows. */
interface CredentialFacts {
  readonly method: AuthMethod;
  /**
   * The scopes of the token or JWT; for a session, `session.scopes`; those that the host states. Without those that
   * `users.scopes` excludes.
   */
  readonly scopes: readonly string[];
  /**
   * The resources that the scopes are limited to, such as `['project:42', 'document:*']`; see `can()`. An empty array holds
   * none. Missing for a credential without a limit, which holds all, as every session does.
   */
  readonly resources?: readonly string[];
  /** The id of the API token: when `method` is `api_token`, and of a JWT that an API token got by `client_credentials`. */
  readonly tokenId?: string;
  /**
   * The kind of the API token, when `method` is `api_token`; see `apiTokens.kinds`. Missing without kinds. A JWT never has
   * one, also if an API token got it.
   */
  readonly tokenKind?: string;
  /**
   * The texts and metadata of the API token, read for this request, when `method` is `api_token`. Missing with a JWT, also if
   * an API token got it. JSON and copies of the principal omit it.
   */
  readonly token?: PrincipalToken;
  /** The id of the JWT's refresh family, when `method` is `jwt` and no API token got the JWT. */
  readonly familyId?: string;
  /** The issuer of a JWT of `trustedIssuers`. Missing for JWTs of this application. */
  readonly issuer?: string;
  /** The id that `credentials.resolve` gave the credential, when `method` is `host`. Missing if it gave none. */
  readonly credentialId?: string;
}

/** What is noted about the API token of a principal. */
export interface PrincipalToken {
  readonly name: string;
  readonly description: string | null;
  /** Data of the application. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** The members of a principal that identify its credential. */
export type CredentialMembers = Pick<CredentialFacts, 'method' | 'tokenId' | 'familyId' | 'issuer' | 'credentialId'> &
  Partial<Pick<Principal, 'userId'>> & { readonly owner?: Owner };

/**
 * Identifies the credential of a principal among those of its type of owners: an API token with the JWTs that it got, a
 * refresh family with its JWTs, or one JWT that has neither. A person is the same in every session.
 *
 * @returns undefined for a credential of the host without an id: two of them cannot be told apart
 */
export function credentialOf(principal: CredentialMembers): readonly (string | null)[] | undefined {
  const { method, owner, userId = owner?.id ?? null, tokenId, familyId, issuer, credentialId } = principal;
  if (method === 'host') return credentialId === undefined ? undefined : [method, userId, credentialId];
  return [method, userId, issuer ?? null, stampOf(principal)?.jwtHash ?? tokenId ?? familyId ?? null];
}

/** Whose a credential is. */
export interface Owner {
  /** `users.type`, or a type of `owners`. */
  readonly type: string;
  /** The owner's id as a string. */
  readonly id: string;
}

/** Identifies an owner among those of all types. */
export function keyOfOwner({ type, id }: Owner): string {
  // No type has a space, so no two owners have the same key.
  return `${type} ${id}`;
}

/** Each owner once, in the order of the first. */
export function distinctOwners(owners: readonly Owner[]): readonly Owner[] {
  return [...new Map(owners.map((owner) => [keyOfOwner(owner), owner])).values()];
}

/** The longest id, in UTF-16 code units: three bytes each still fit into an entry of a PostgreSQL index. */
export const MAX_ID_LENGTH = 512;

/** Whether a value can be the id of an owner: a string of 1 to 512 code units that PostgreSQL stores unchanged. */
export function isOwnerId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH && isStorable(value);
}

/** `users.type` by default. Access tokens of these owners have no claim `owner_type`. */
export const DEFAULT_OWNER_TYPE = 'user';

/** An id of a user that the application gives, as a string; undefined for values that cannot be an id. */
export function ownerIdOf(value: unknown): string | undefined {
  // An unsafe integer is rounded, so it could be the id of another user.
  const id = typeof value === 'bigint' || Number.isSafeInteger(value) ? String(value) : value;
  return isOwnerId(id) ? id : undefined;
}

/**
 * What made a principal, as it was when the request was authenticated. A credential that the principal makes is compared
 * with it, so that a revocation in between is not outrun.
 */
export interface Stamp {
  readonly owner: Owner;
  /** The owner's epochs. Undefined when they were not read: a JWT with `check: 'stateless'` has no token epoch. */
  readonly tokenEpoch?: number | undefined;
  readonly familyEpoch?: number | undefined;
  /** The id of the API token. */
  readonly tokenId?: string | undefined;
  /** The id of the JWT's refresh family. */
  readonly familyId?: string | undefined;
  /** The SHA-256 of a JWT that has neither a family nor an API token here. Its `jti` can be missing, or that of another token. */
  readonly jwtHash?: string | undefined;
  /** The addresses that the credential was accepted from. @default all */
  readonly allowedIps?: AllowedIps | undefined;
  /** Where the credential was presented, read on demand. @default unknown */
  readonly from?: { readonly ipAddress?: string | undefined } | undefined;
  /** The end of a JWT that has no family here, or of a credential of the host. */
  readonly endsAt?: Date | undefined;
  /** Whether a session or a credential of the host is still that of the owner. */
  readonly isLive?: (() => Promise<boolean>) | undefined;
}

/**
 * The owner of a principal's credential.
 *
 * @param type the type of a principal that the application made itself: `users.type`
 */
export function ownerOfPrincipal(principal: AnyPrincipal, type: string): Owner {
  const { owner } = stampOf(principal) ?? principal;
  return owner ? { type: owner.type, id: owner.id } : { type, id: (principal as Principal).userId };
}

/** Enumerable, so that it survives when the application copies a principal. JSON omits it. */
const STAMP = Symbol.for('nestjs-sigra:stamp');

/** Adds the stamp to a principal that a guard has just made. */
export function stamped<P extends AnyPrincipal>(principal: P, stamp: Stamp): P {
  return Object.assign(principal, { [STAMP]: stamp });
}

/** The stamp of a principal; undefined for a principal that the application made itself. */
export function stampOf(principal: object | undefined): Stamp | undefined {
  return (principal as { readonly [STAMP]?: Stamp } | undefined)?.[STAMP];
}
