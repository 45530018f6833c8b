import { Injectable } from '@nestjs/common';
import { Clock, hasExpired } from '../common/clock.js';
import { deadlineOf } from '../common/deadline.js';
import { ownerIdOf, type AnyPrincipal, type Principal } from '../common/principal.js';
import { hashSecret } from '../common/secret.js';
import { refuse, SigraError } from '../common/sigra-error.js';
import { keyHeadersOf } from '../config/credentials.section.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { CredentialOptions, ForeignToken, SessionRequest } from '../config/sigra-options.js';
import { AccessTokenVerifier, type IdentifiedToken } from '../jwt/access-token.verifier.js';
import { ForeignTokenVerifier } from '../jwt/foreign-token.verifier.js';
import { ScopeCeiling } from '../owners/scope.ceiling.js';
import { OwnerStateReader } from '../persistence/owner-state.reader.js';
import { UserDirectory } from '../persistence/user-directory.js';
import { ApiTokenVerifier } from '../tokens/api-token.verifier.js';
import { IssueReplayer } from '../tokens/issue.replayer.js';
import { type AuthorizationHeader, readAuthorization } from './authorization-header.js';
import { DpopService } from './dpop.service.js';
import { askHost, askHostAgain, type CheckedCredential } from './host-credential.js';
import { type GuardedCall, HttpCaller, type HttpRequest } from './http-exchange.js';
import { type ReadAhead, type SignedToken, takeAhead } from './read-ahead.js';
import { mayActWithCookie } from './same-origin.js';
import { ofAccessToken, ofApiToken, ofOwner } from './stamped-principals.js';
import { withStoredSession } from './stored-session.js';

/** Which credentials a route accepts. */
export interface AcceptedCredentials {
  readonly bearer: boolean;
  readonly session: boolean;
}

const NO_ORIGINS: ReadonlySet<string> = new Set();

/**
 * Finds the principal of a request. A header with a credential decides alone: an invalid one is refused even beside a valid
 * session, and the two are never merged. Without such a header, the session counts.
 */
@Injectable()
export class Authenticator {
  private readonly keyHeaders: readonly string[];
  /** Of owners. */
  private readonly type: string;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly apiTokens: ApiTokenVerifier,
    private readonly accessTokens: AccessTokenVerifier,
    private readonly foreignTokens: ForeignTokenVerifier,
    private readonly users: UserDirectory,
    private readonly owners: OwnerStateReader,
    private readonly ceiling: ScopeCeiling,
    private readonly replayer: IssueReplayer,
    private readonly dpop: DpopService,
    private readonly clock: Clock,
  ) {
    this.keyHeaders = keyHeadersOf(config.credentials);
    this.type = config.users.type;
  }

  /**
   * @param call the call of a handler that several guards can stand before: they read a credential once
   * @returns undefined for a request without a credential that the route accepts
   * @throws SigraError `invalid_request`, `invalid_token`, `token_revoked`, `token_expired`, `epoch_mismatch`,
   * `invalid_dpop_proof`, `cross_origin`, `unavailable`
   */
  authenticate(
    request: HttpRequest,
    accepted: AcceptedCredentials,
    call: GuardedCall = {},
  ): AnyPrincipal | undefined | Promise<AnyPrincipal | undefined> {
    const ahead = takeAhead(this, request, call);
    const authorization = ahead ? ahead.sent : this.credentialOf(request);
    switch (authorization.kind) {
      case 'absent':
        return accepted.session ? this.byHost(request, call, true, () => this.bySession(request, call)) : undefined;
      case 'bearer':
        return accepted.bearer ? this.byBearer(authorization.credential, request, call, ahead?.signed) : undefined;
      case 'key':
        return accepted.bearer ? this.byKey(authorization.credential, request, call) : undefined;
      case 'dpop':
        if (!accepted.bearer) return undefined;
        return this.config.dpop
          ? this.byDpop(authorization.credential, request, call, ahead?.signed)
          : this.byHost(request, call, false, () => undefined);
      case 'foreign':
        // Browsers also attach credentials of Basic and Negotiate to what other sites cause.
        return accepted.bearer ? this.byHost(request, call, true, () => undefined) : undefined;
    }
  }

  /**
   * Finds the principal of a credential of the host, such as the user that a guard of Passport has put on the request.
   * Sigra's own credentials do not count.
   *
   * @param call as for `authenticate`
   * @returns undefined without such a credential
   * @throws SigraError `invalid_request`, `invalid_token`, `token_expired`, `cross_origin`, `unavailable`
   */
  authenticateHost(
    request: HttpRequest,
    call: GuardedCall,
  ): AnyPrincipal | undefined | Promise<AnyPrincipal | undefined> {
    const sent = this.credentialOf(request);
    const isOwn = 'credential' in sent && this.apiTokens.recognizes(sent.credential);
    return isOwn ? undefined : this.byHost(request, call, !('credential' in sent), () => undefined);
  }

  /**
   * Reads the credential in the headers of a request, for a guard that calls another one: that one does not read it again.
   * Nothing of it is verified.
   *
   * @throws SigraError `invalid_request`
   */
  readAhead(request: HttpRequest, call: GuardedCall): ReadAhead {
    return (call.ahead = { by: this, request, sent: this.credentialOf(request) });
  }

  /**
   * Whether the credential is a JWT that this application, or an issuer that it trusts, has signed, and that has not
   * expired. It asks nothing of the database. The guard that takes over what was read does not verify the signature again.
   */
  async isSigned(ahead: ReadAhead): Promise<boolean> {
    if (!('credential' in ahead.sent)) return false;
    const { credential } = ahead.sent;
    try {
      const issuer = this.foreignTokens.issuerOf(credential);
      if (issuer !== undefined) ahead.signed = { foreign: await this.foreignTokens.read(credential, issuer) };
      else if (this.accessTokens.recognizes(credential)) ahead.signed = { own: this.accessTokens.read(credential) };
      return ahead.signed !== undefined;
    } catch (error) {
      if (error instanceof SigraError) return false;
      throw error;
    }
  }

  /** The credential in the headers of a request. @throws SigraError `invalid_request` */
  private credentialOf(request: HttpRequest): AuthorizationHeader {
    return readAuthorization(request, this.keyHeaders, this.config.apiTokens.foreignFormats);
  }

  /**
   * The form of a bearer credential alone decides its kind, and the issuer that a JWT names decides who verifies it. The
   * host is asked about all others.
   */
  private byBearer(
    credential: string,
    request: HttpRequest,
    call: GuardedCall,
    signed?: SignedToken,
  ): AnyPrincipal | undefined | Promise<AnyPrincipal | undefined> {
    if (this.apiTokens.recognizes(credential)) {
      return this.once(call, credential, () => this.byApiToken(credential, request));
    }
    const issuer = this.foreignTokens.issuerOf(credential);
    if (issuer !== undefined) {
      return this.once(call, credential, () => this.byForeignToken(credential, issuer, request, signed?.foreign));
    }
    return this.byHost(request, call, false, () => {
      if (this.accessTokens.recognizes(credential)) {
        return this.once(call, credential, () => this.byAccessToken(credential, undefined, request, signed?.own));
      }
      throw refuse('invalid_token', 'The credential does not have the format of a token of this API.');
    });
  }

  private byKey(credential: string, request: HttpRequest, call: GuardedCall) {
    if (this.apiTokens.recognizes(credential)) return this.byBearer(credential, request, call);
    throw refuse('invalid_token', 'The header of the credential accepts API tokens only.');
  }

  /** Only access tokens are bound to keys. The proof is used up last: a request without a valid token makes no row. */
  private byDpop(
    credential: string,
    request: HttpRequest,
    call: GuardedCall,
    signed?: SignedToken,
  ): Promise<AnyPrincipal> {
    if (call.carrier !== undefined) {
      throw refuse(
        'invalid_request',
        'A DPoP proof is for one HTTP request; messages need a credential without a key.',
      );
    }
    if (!this.accessTokens.recognizes(credential)) {
      throw refuse('invalid_token', 'The credential does not have the format of an access token.');
    }
    // A bearer credential has no space.
    return this.once(call, `DPoP ${credential}`, async () => {
      const { thumbprint } = this.dpop.read(request, credential);
      const principal = await this.byAccessToken(credential, thumbprint, request, signed?.own);
      await this.dpop.use(request, credential);
      return principal;
    });
  }

  /**
   * Finds the principal of a token that was rotated, if it asks for the answer to that rotation again.
   *
   * @param refusal the error of `authenticate`
   * @throws the refusal in all other cases; SigraError `unavailable`
   */
  async afterRotation(request: HttpRequest, idempotencyKey: string, refusal: unknown): Promise<AnyPrincipal> {
    const deadline = deadlineOf(new HttpCaller(request), this.config.lookupTimeout);
    return deadline.limit(this.findRotated(request, idempotencyKey, refusal));
  }

  private async findRotated(request: HttpRequest, idempotencyKey: string, refusal: unknown): Promise<AnyPrincipal> {
    const authorization = this.credentialOf(request);
    if (!isEnded(refusal) || !('credential' in authorization)) throw refusal;
    const { credential } = authorization;
    const caller = new HttpCaller(request);
    const rotated = this.apiTokens.recognizes(credential)
      ? await this.apiTokens.findRotated(credential, caller)
      : undefined;
    if (!rotated || !(await this.replayer.isRotationOf(rotated.token, idempotencyKey))) throw refusal;
    return ofApiToken(rotated, caller, this.type);
  }

  /**
   * Finds the principal of a client that authenticates with an API token (RFC 6749 section 2.3.1).
   *
   * @param id the id of the token
   * @param secret the raw token
   * @throws SigraError `invalid_token`, `token_revoked`, `token_expired`, `unavailable`
   */
  async authenticateClient(id: string, secret: string, request: HttpRequest): Promise<Principal> {
    const principal = await this.byApiToken(secret, request);
    // Nothing that a client gets says that its owner is not a user.
    if (!principal.user) throw refuse('invalid_token', 'Only tokens of users are clients.');
    if (principal.tokenId !== id) throw refuse('invalid_token', 'The secret is that of another client.');
    return principal;
  }

  private async byApiToken(credential: string, request: HttpRequest): Promise<AnyPrincipal> {
    const caller = new HttpCaller(request);
    return ofApiToken(await this.apiTokens.verify(credential, caller), caller, this.type);
  }

  private async byAccessToken(
    credential: string,
    thumbprint: string | undefined,
    request: HttpRequest,
    identified: IdentifiedToken | undefined,
  ): Promise<AnyPrincipal> {
    const caller = new HttpCaller(request);
    const verified = await this.accessTokens.verify(credential, thumbprint, caller, identified);
    return ofAccessToken(verified, credential, caller, this.type);
  }

  private async byForeignToken(
    credential: string,
    issuer: string,
    request: HttpRequest,
    signed: ForeignToken | undefined,
  ): Promise<AnyPrincipal> {
    const verified = await this.foreignTokens.verify(credential, issuer, new HttpCaller(request), signed);
    const { token, user, record, scopes, allowedIps, resources } = verified;
    const made = { method: 'jwt', scopes, issuer, ...(resources && { resources }) } as const;
    const jwtHash = hashSecret(credential);
    return ofOwner(user, record, made, { endsAt: token.endsAt, jwtHash, allowedIps }, this.type);
  }

  /**
   * Asks the host first, if it has credentials of its own.
   *
   * @param isAmbient whether a browser may have attached the credential by itself
   */
  private byHost(
    request: HttpRequest,
    call: GuardedCall,
    isAmbient: boolean,
    otherwise: () => AnyPrincipal | undefined | Promise<AnyPrincipal | undefined>,
  ): AnyPrincipal | undefined | Promise<AnyPrincipal | undefined> {
    const { resolve } = this.config.credentials;
    if (!resolve) return otherwise();
    if (call.host?.by !== this) call.host = { by: this, credential: askHost(resolve, request) };
    return call.host.credential.then((found) => {
      if (!found) return otherwise();
      if (isAmbient && !mayActWithCookie(request, this.config.session?.trustedOrigins ?? NO_ORIGINS, call.carrier)) {
        throw refuse(
          'cross_origin',
          'A credential of a browser can change something only from the pages of this origin.',
        );
      }
      // Neither a bearer credential nor what stands for a session begins like this.
      return this.once(call, `host ${found.userId}`, () => this.ofHost(resolve, found, request));
    });
  }

  private async ofHost(
    resolve: NonNullable<CredentialOptions['resolve']>,
    found: CheckedCredential,
    request: HttpRequest,
  ): Promise<AnyPrincipal> {
    const { id: credentialId, userId: given, resources, expiresAt: endsAt } = found;
    if (hasExpired(endsAt ?? null, this.clock.now())) throw refuse('token_expired', 'The credential has expired.');
    const { record, user } = (await this.owners.findForRequest(this.users.canonicalId(given), () => true)) ?? {};
    if (!record || !user) throw refuse('invalid_token', 'The credential belongs to no active user.');
    const scopes = this.ceiling.limit(user, found.scopes);
    const isLive = async () => {
      const now = await askHostAgain(resolve, request);
      return now?.userId === given && now.id === credentialId;
    };
    const limited = resources !== undefined && { resources };
    const made = { method: 'host', scopes, ...limited, ...(credentialId !== undefined && { credentialId }) } as const;
    return ofOwner(user, record, made, { endsAt, isLive }, this.type);
  }

  private async bySession(request: HttpRequest, call: GuardedCall): Promise<AnyPrincipal | undefined> {
    const { session } = this.config;
    if (call.carrier === 'microservice') return undefined;
    if (!session) return undefined;
    const known = call.session?.by === this ? call.session.userId : undefined;
    const given = known ?? ownerIdOf(await session.userId(request as unknown as SessionRequest));
    if (given === undefined) return undefined;
    call.session = { by: this, userId: given };
    if (!mayActWithCookie(request, session.trustedOrigins, call.carrier)) {
      throw refuse('cross_origin', 'A session can change something only from the pages of this origin.');
    }
    // A bearer credential has no space.
    return this.once(call, ` ${given}`, () => this.ofSession(session, given, request));
  }

  private async ofSession(
    session: NonNullable<SigraConfig['session']>,
    given: string,
    request: HttpRequest,
  ): Promise<AnyPrincipal | undefined> {
    // A session can have another spelling of the id than credentials, such as an upper-case UUID.
    const { record, user } = (await this.owners.findForRequest(this.users.canonicalId(given), () => true)) ?? {};
    if (!record || !user) return undefined;
    const scopes = this.ceiling.limit(user, session.scopes);
    const isLive = async () =>
      ownerIdOf(await session.userId(await withStoredSession(request as unknown as SessionRequest))) === given;
    return ofOwner(user, record, { method: 'session', scopes }, { isLive }, this.type);
  }

  private once<P extends AnyPrincipal | undefined>(
    call: GuardedCall,
    credential: string,
    read: () => Promise<P>,
  ): Promise<P> {
    const { identified } = call;
    if (identified?.by === this && identified.credential === credential) return identified.principal as Promise<P>;
    const principal = read();
    call.identified = { by: this, credential, principal };
    return principal;
  }
}

function isEnded(error: unknown): boolean {
  return error instanceof SigraError && (error.code === 'token_revoked' || error.code === 'token_expired');
}
