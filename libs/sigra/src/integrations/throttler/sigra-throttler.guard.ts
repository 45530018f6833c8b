import { createHash } from 'node:crypto';
import { type ExecutionContext, HttpException, HttpStatus, Inject, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import {
  InjectThrottlerOptions,
  InjectThrottlerStorage,
  ThrottlerGuard,
  type ThrottlerLimitDetail,
  type ThrottlerModuleOptions,
  type ThrottlerStorage,
} from '@nestjs/throttler';
import { EnforcesScopes } from '../../auth/auth.decorators.js';
import { SigraAuthGuard } from '../../auth/auth.guards.js';
import { Authenticator } from '../../auth/authenticator.js';
import { MessageRefusal, refusalOf, refuseWith } from '../../auth/call-refusal.js';
import { guardedCall, requestOf } from '../../auth/call-request.js';
import { headerOf, type HttpRequest, responseOf } from '../../auth/http-exchange.js';
import { HttpRefusal } from '../../auth/http-refusal.js';
import type { ReadAhead } from '../../auth/read-ahead.js';
import { routeRules } from '../../auth/route-rules.js';
import { keyHeadersOf } from '../../config/credentials.section.js';
import { InjectSigraConfig, type SigraConfig } from '../../config/sigra-config.js';
import { clientAddress } from '../../common/client-address.js';
import type { AnyPrincipal } from '../../common/principal.js';
import { SigraError, withoutStack } from '../../common/sigra-error.js';
import { FailedCredentials } from './failed-credentials.js';

const NAME = 'sigra-failed';

/** How a request presents a credential. */
interface Attempt {
  readonly network: string;
  /** A hash. */
  readonly credential: string;
  /** A hash of the credential and its address. */
  readonly source: string;
  /**
   * The credential, if it is one that can be guessed or kept: in `Authorization` with the scheme Bearer or DPoP, or in a
   * header of keys. Undefined for what only `credentials.resolve` understands, which can differ with each request.
   */
  readonly token: string | undefined;
  readonly ahead: ReadAhead;
}

/**
 * Authenticates as `SigraAuthGuard` does, and limits requests: failed authentication by address, and all others by token or
 * owner, with the limits of `ThrottlerModule`. Use it in place of `SigraAuthGuard` and `ThrottlerGuard`.
 *
 * An address that sends more than `failedLimit` bad credentials within `failedTtl` is answered 429 without a lookup, except
 * for credentials that have not failed from there: honest users behind the same proxy are not locked out. After ten times as
 * many different ones, only JWTs with a valid signature and credentials that were good before are verified.
 *
 * Refusals of other kinds, such as 403, count like the requests that are allowed. A request without a credential needs no
 * lookup: it is limited by address on the routes that accept it, and everywhere with `credentials.resolve`.
 *
 * Every 429 has `Retry-After` and the body `{ statusCode, error: 'too_many_requests', message }`, in the form of the
 * context. Answers to requests that count have `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`, with 429
 * those of the limit that is exceeded.
 *
 * @example
 * imports: [ThrottlerModule.forRoot([{ ttl: 60_000, limit: limitOf((principal) => (principal ? 600 : 60)) }])],
 * providers: [SigraThrottlerGuard, { provide: APP_GUARD, useExisting: SigraThrottlerGuard }],
 */
@Injectable()
@EnforcesScopes()
export class SigraThrottlerGuard extends ThrottlerGuard {
  protected override headerPrefix = 'RateLimit';
  /** How many bad credentials an address can send within `failedTtl`. */
  protected readonly failedLimit: number = 20;
  /** In milliseconds. It is also the time for which an address is blocked. */
  protected readonly failedTtl: number = 60_000;
  private failures: FailedCredentials | undefined;
  // Properties, so that a subclass with a constructor of its own does not have to pass them.
  @InjectSigraConfig()
  declare private readonly config: SigraConfig;
  @Inject(Authenticator)
  declare private readonly authenticator: Authenticator;

  constructor(
    @InjectThrottlerOptions() options: ThrottlerModuleOptions,
    @InjectThrottlerStorage() storage: ThrottlerStorage,
    reflector: Reflector,
    private readonly guard: SigraAuthGuard,
  ) {
    super(options, storage, reflector);
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    // No credential is read there.
    if (routeRules(context).access === 'anonymous') await this.guard.canActivate(context);
    else await this.authenticate(context, this.attemptOf(context));
    return super.canActivate(context);
  }

  /** By token, as `trackByToken`. Override it, or set `getTracker` in the options of `ThrottlerModule`. */
  protected override getTracker(request: Record<string, unknown>): Promise<string> {
    return Promise.resolve(trackByToken(request as unknown as HttpRequest));
  }

  protected override getRequestResponse(context: ExecutionContext) {
    const response = responseOf(context);
    return { req: requestOf(context) as never, res: (response ?? {}) as never };
  }

  protected override throwThrottlingException(
    context: ExecutionContext,
    { limit, timeToBlockExpire }: ThrottlerLimitDetail,
  ): Promise<void> {
    return this.refuse(context, limit, timeToBlockExpire);
  }

  private async authenticate(context: ExecutionContext, attempt: Attempt | undefined): Promise<void> {
    // Only now: a subclass sets its limit after this constructor has run.
    const failures = (this.failures ??= new FailedCredentials(this.failedLimit));
    const block = attempt && failures.blockOf(attempt.network, attempt.credential, attempt.source);
    if (block && (block.hasFailed || (await this.isGuessed(attempt)))) {
      await this.refuse(context, this.failedLimit, block.wait);
    }
    try {
      await this.guard.canActivate(context);
    } catch (error) {
      const refusal = refusalIn(error);
      if (attempt && refusal?.code === 'invalid_token') await this.countFailure(context, failures, attempt);
      else if (refusal && this.needsLimit(refusal)) await super.canActivate(context);
      throw error;
    }
    const method = requestOf(context).sigra?.method;
    // A client can get any number of JWTs, and their signature is enough.
    if (attempt?.token !== undefined && method !== undefined && method !== 'jwt') {
      failures.recordGood(attempt.credential);
    }
  }

  private async countFailure(
    context: ExecutionContext,
    failures: FailedCredentials,
    { network, credential, source }: Attempt,
  ): Promise<void> {
    const { failedTtl: ttl, failedLimit: limit } = this;
    const counted = await this.storageService.increment(`${NAME}:${network}`, ttl, limit, ttl, NAME);
    failures.recordBad(network, credential, source, counted.isBlocked ? counted.timeToBlockExpire : 0);
    if (counted.isBlocked) await this.refuse(context, limit, counted.timeToBlockExpire);
  }

  /** Undefined for a request without a credential, or one that the guard refuses for its form. */
  private attemptOf(context: ExecutionContext): Attempt | undefined {
    const { credentials } = this.config;
    try {
      const request = requestOf(context, keyHeadersOf(credentials));
      const ahead = this.authenticator.readAhead(request, guardedCall(context, request));
      const { sent } = ahead;
      const token = 'credential' in sent ? sent.credential : undefined;
      const name = sent.kind === 'absent' ? 'cookie' : 'authorization';
      // Only a resolver looks at these.
      const credential = token ?? (credentials.resolve && headerOf(request, name));
      return credential === undefined
        ? undefined
        : {
            network: networkOf(request),
            credential: hashOf(credential),
            source: hashOf(`${request.ip ?? ''} ${credential}`),
            token,
            ahead,
          };
    } catch (error) {
      if (error instanceof SigraError) return undefined;
      throw error;
    }
  }

  private async isGuessed({ token, ahead }: Attempt): Promise<boolean> {
    return token !== undefined && !(await this.authenticator.isSigned(ahead));
  }

  /** An outage is not the client's, and a request without a credential costs nothing unless the application looks for one. */
  private needsLimit({ status, code }: Refusal): boolean {
    return status < 500 && (code !== 'unauthorized' || this.config.credentials.resolve !== undefined);
  }

  /** @param seconds until the client can come back */
  private refuse(context: ExecutionContext, limit: number, seconds: number): Promise<never> {
    const wait = String(Math.max(Math.ceil(seconds), 1));
    const names = this.commonOptions.setHeaders === false ? [] : ['Limit', 'Remaining', 'Reset'];
    const values = [String(limit), '0', wait];
    const headers = Object.fromEntries(
      names.map((name, index) => [`${this.headerPrefix}-${name}`, values[index] ?? '']),
    );
    const message = `There were too many requests. Try again in ${wait} s.`;
    const body = { statusCode: HttpStatus.TOO_MANY_REQUESTS, error: 'too_many_requests', message };
    const refusal = withoutStack(() => new HttpRefusal(body.statusCode, body, { ...headers, 'Retry-After': wait }));
    return refuseWith(refusal, context);
  }
}

/**
 * Limits by token: each API token has its own count, and so have each owner's JWTs and sessions together. Requests without a
 * principal count by address.
 */
export function trackByToken(request: HttpRequest): string {
  const tokenId = request.sigra?.tokenId;
  return tokenId === undefined ? trackByOwner(request) : `token:${tokenId}`;
}

/** Limits by owner: all credentials of a user, or of another owner, share one count. Requests without a principal count by address. */
export function trackByOwner(request: HttpRequest): string {
  const { sigra: principal } = request;
  if (!principal) return trackByAddress(request);
  // No type has a colon, so no user's id is read as another owner.
  return principal.user !== undefined
    ? `owner:${principal.userId}`
    : `owner-of:${principal.owner.type}:${principal.owner.id}`;
}

/** Limits by address; IPv6 addresses by their /64. */
export function trackByAddress(request: HttpRequest): string {
  return `address:${networkOf(request)}`;
}

/**
 * Makes a `limit` or `ttl` of `ThrottlerModule` from the principal.
 *
 * @param of called for each request; the principal is undefined for a request without one
 */
export function limitOf(of: (principal: AnyPrincipal | undefined) => number): (context: ExecutionContext) => number {
  return (context) => of(requestOf(context).sigra);
}

function networkOf({ ip }: HttpRequest): string {
  return clientAddress(ip ?? '').network;
}

/** The memory of this process must not hold credentials. */
function hashOf(header: string): string {
  return createHash('sha256').update(header).digest('base64');
}

/** The public part of a refusal. */
interface Refusal {
  readonly status: number;
  readonly code: unknown;
}

/** The refusal of a guard of Sigra, in any context. */
function refusalIn(error: unknown): Refusal | undefined {
  const refusal = error instanceof MessageRefusal ? refusalOf(error) : error;
  if (!(refusal instanceof HttpException)) return undefined;
  return { status: refusal.getStatus(), code: (refusal.getResponse() as { error?: unknown }).error };
}
