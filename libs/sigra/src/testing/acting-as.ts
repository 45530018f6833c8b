import { randomUUID } from 'node:crypto';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { type AdmissionSettings, admit } from '../auth/admit.js';
import { EnforcesScopes } from '../auth/auth.decorators.js';
import { WithToken } from '../auth/stamped-principals.js';
import {
  type AnyPrincipal,
  type AuthMethod,
  type Owner,
  OwnerWithEntity,
  type Principal,
  type PrincipalToken,
} from '../common/principal.js';

/** The credential of the acting principal. Every property has a default. */
export interface ActingCredential {
  /** @default 'api_token' with a `tokenId`, 'jwt' with a `familyId`, else 'session' */
  readonly method?: AuthMethod;
  /** @default ['*'] */
  readonly scopes?: readonly string[];
  /** The resources that the scopes are limited to. Not with the method `session`. @default all */
  readonly resources?: readonly string[];
  /** Only with the method `api_token`. @default a random UUID */
  readonly tokenId?: string;
  /** Only with the method `api_token`: the kind of the token. @default none */
  readonly tokenKind?: string;
  /** Only with the method `api_token`: what is noted about the token. @default the name `test` and no metadata */
  readonly token?: Partial<PrincipalToken>;
  /** Only with the method `jwt`. @default a random UUID */
  readonly familyId?: string;
  /** Only with the method `host`. @default none */
  readonly credentialId?: string;
}

/**
 * Who makes a request: a `userId`, a `user` with an `id`, or both. Without a `user`, `@CurrentUser()` returns
 * `{ id: userId }`. Or another `owner` with an API token; without an `entity`, that is `{ id }`.
 *
 * @typeParam User the host's user type
 */
export type ActingPrincipal<User extends object = object> = ActingCredential &
  (
    | { readonly userId: string; readonly user?: User; readonly owner?: undefined }
    | { readonly userId?: string; readonly user: User; readonly owner?: undefined }
    | { readonly owner: Owner & { readonly entity?: object }; readonly userId?: undefined; readonly user?: undefined }
  );

/**
 * Creates a guard to replace `SigraAuthGuard`, `BearerAuthGuard` or `SessionAuthGuard`, for tests of controllers without
 * tokens and without a database. It sets what `@CurrentPrincipal()` and `@CurrentUser()` return, and enforces
 * `@AllowOwners()`, `@RequireScopes()`, `@RequireKind()`, `@OptionalAuth()` and `@AllowAnonymous()` with the answers of the real guards. It
 * ignores the headers, the cookies and the origin of the request.
 *
 * @typeParam User the host's user type
 * @param principal who makes the requests, or `anonymous` for requests without a credential
 * @param settings the application's own settings. @default realm `api`, and no scope but a wildcard grants another
 * @throws TypeError if no `userId`, `user.id` or `owner` is given, for a session with `resources`, and for an `owner` without an API token
 *
 * @example
 * const acting = actingAs({ userId: '1', scopes: ['read:projects'] });
 * const module = await Test.createTestingModule({ controllers: [ProjectController] })
 *   .overrideGuard(SigraAuthGuard)
 *   .useValue(acting)
 *   .compile();
 *
 * await request(app.getHttpServer()).post('/projects').expect(403);
 * acting.as({ userId: '1', scopes: ['write:projects'] });
 * await request(app.getHttpServer()).post('/projects').expect(201);
 * acting.as('anonymous');
 * await request(app.getHttpServer()).post('/projects').expect(401);
 *
 * @example
 * // Replaces a global guard: { provide: APP_GUARD, useExisting: SigraAuthGuard }
 * Test.createTestingModule({ imports: [AppModule] })
 *   .overrideProvider(SigraAuthGuard)
 *   .useValue(actingAs({ user: ada }));
 */
export function actingAs<User extends object = object>(
  principal: ActingPrincipal<User> | 'anonymous',
  settings?: Partial<AdmissionSettings>,
): ActingGuard<User> {
  return new ActingGuard(principal, settings);
}

/**
 * Replaces one of Sigra's guards. The test sets the principal; the same code as in the real guards does the rest. Created
 * by `actingAs()`.
 *
 * @typeParam User the host's user type
 */
@EnforcesScopes()
export class ActingGuard<User extends object = object> implements CanActivate {
  private readonly settings: AdmissionSettings;
  private principal: AnyPrincipal | undefined;

  constructor(principal: ActingPrincipal<User> | 'anonymous', settings: Partial<AdmissionSettings> = {}) {
    this.settings = { ...settings, realm: settings.realm ?? 'api' };
    this.as(principal);
  }

  /**
   * Changes who makes the requests from now on.
   *
   * @param principal who makes the requests, or `anonymous` for requests without a credential
   * @throws TypeError if no `userId`, `user.id` or `owner` is given, for a session with `resources`, and for an `owner` without an API token
   */
  as(principal: ActingPrincipal<User> | 'anonymous'): this {
    this.principal = principal === 'anonymous' ? undefined : toPrincipal(principal);
    return this;
  }

  canActivate(context: ExecutionContext): Promise<boolean> {
    return admit(context, this.settings, () => this.principal);
  }
}

function toPrincipal(acting: ActingPrincipal): AnyPrincipal {
  const { scopes = ['*'], resources, owner } = acting;
  const credential = credentialOf(owner ? { method: 'api_token', ...acting } : acting);
  if (resources && credential.method === 'session') throw new TypeError('actingAs(): a session holds all resources');
  const facts = { scopes: [...scopes], ...(resources && { resources: [...resources] }), ...credential };
  if (owner) {
    if (credential.method !== 'api_token')
      throw new TypeError('actingAs(): an owner besides users has API tokens only');
    return withToken({ owner: new OwnerWithEntity(owner, owner.entity ?? { id: owner.id }), ...facts }, acting);
  }
  const userId = acting.userId ?? idOf(acting.user);
  if (userId === undefined) throw new TypeError('actingAs() needs a userId, or a user with an id');
  const { user = { id: userId } } = acting;
  return withToken({ user, userId, ...facts }, acting);
}

function withToken(principal: AnyPrincipal, { token }: ActingPrincipal): AnyPrincipal {
  if (principal.method !== 'api_token') return principal;
  return Object.assign(new WithToken({ name: 'test', description: null, metadata: {}, ...token }), principal);
}

/** Exactly the properties that a real principal of the method has. */
function credentialOf({
  tokenId,
  tokenKind,
  familyId,
  credentialId,
  method = tokenId !== undefined ? 'api_token' : familyId !== undefined ? 'jwt' : 'session',
}: ActingCredential): Pick<Principal, 'method' | 'tokenId' | 'tokenKind' | 'familyId' | 'credentialId'> {
  switch (method) {
    case 'session':
      return { method };
    case 'host':
      return { method, ...(credentialId !== undefined && { credentialId }) };
    case 'api_token':
      return { method, tokenId: tokenId ?? randomUUID(), ...(tokenKind !== undefined && { tokenKind }) };
    case 'jwt':
      return { method, familyId: familyId ?? randomUUID() };
  }
}

function idOf(user: object | undefined): string | undefined {
  const id = (user as { readonly id?: unknown } | undefined)?.id;
  return typeof id === 'string' || typeof id === 'number' || typeof id === 'bigint' ? String(id) : undefined;
}
