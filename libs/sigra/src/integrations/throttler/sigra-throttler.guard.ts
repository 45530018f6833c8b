import { createHash } from 'node:crypto';
import { type ExecutionContext, HttpException, HttpStatus, Injectable } from '@nestjs/common';
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
import { requestOf } from '../../auth/call-request.js';
import { headerOf, type HttpRequest, responseOf } from '../../auth/http-exchange.js';
import { keyHeadersOf } from '../../config/credentials.section.js';
import { InjectSigraConfig, type SigraConfig } from '../../config/sigra-config.js';
import { clientAddress } from '../../common/client-address.js';
import type { Principal } from '../../common/principal.js';
import { FailedCredentials } from './failed-credentials.js';

const NAME = 'sigra-failed';

/**
 * Authenticates as `SigraAuthGuard` does, and limits requests: failed authentication by address, and good credentials by token
 * or owner, with the limits of `ThrottlerModule`. Use it in place of `SigraAuthGuard` and `ThrottlerGuard`.
 *
 * An address that sends more than `failedLimit` bad credentials within `failedTtl` is answered 429 without a lookup, except for
 * credentials that have not failed from there: honest users behind the same proxy are not locked out. A request without a
 * credential needs no lookup, and is limited by address on the routes that accept it.
 *
 * Every 429 has `Retry-After` and the body `{ statusCode, error: 'too_many_requests', message }`; other answers have
 * `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`.
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
  // A property, so that a subclass with a constructor of its own does not have to pass it.
  @InjectSigraConfig()
  declare private readonly config: SigraConfig;

  constructor(
    @InjectThrottlerOptions() options: ThrottlerModuleOptions,
    @InjectThrottlerStorage() storage: ThrottlerStorage,
    reflector: Reflector,
    private readonly guard: SigraAuthGuard,
  ) {
    super(options, storage, reflector);
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const keyHeaders = keyHeadersOf(this.config.credentials);
    const request = requestOf(context, keyHeaders);
    const sent = ['authorization', ...keyHeaders]
      .map((name) => headerOf(request, name))
      .filter((each) => each !== undefined);
    if (sent.length === 0) await this.guard.canActivate(context);
    else await this.authenticate(context, networkOf(request), hashOf(sent.join(' ')));
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
    { timeToBlockExpire }: ThrottlerLimitDetail,
  ): Promise<void> {
    return Promise.reject(tooManyRequests(context, timeToBlockExpire));
  }

  private async authenticate(context: ExecutionContext, network: string, credential: string): Promise<void> {
    // Only now: a subclass sets its limit after this constructor has run.
    const failures = (this.failures ??= new FailedCredentials(this.failedLimit));
    const wait = failures.waitOf(network, credential);
    if (wait !== undefined) throw tooManyRequests(context, wait);
    try {
      await this.guard.canActivate(context);
    } catch (error) {
      if (!isBadCredential(error)) throw error;
      const ttl = this.failedTtl;
      const { storageService } = this;
      const counted = await storageService.increment(`${NAME}:${network}`, ttl, this.failedLimit, ttl, NAME);
      failures.recordBad(network, credential, counted.isBlocked ? counted.timeToBlockExpire : 0);
      if (counted.isBlocked) throw tooManyRequests(context, counted.timeToBlockExpire);
      throw error;
    }
    failures.recordGood(credential);
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

/** Limits by owner: all credentials of a user share one count. Requests without a principal count by address. */
export function trackByOwner(request: HttpRequest): string {
  const userId = request.sigra?.userId;
  return userId === undefined ? trackByAddress(request) : `owner:${userId}`;
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
export function limitOf(of: (principal: Principal | undefined) => number): (context: ExecutionContext) => number {
  return (context) => of(requestOf(context).sigra);
}

function networkOf({ ip }: HttpRequest): string {
  return clientAddress(ip ?? '').network;
}

/** The memory of this process must not hold credentials. */
function hashOf(header: string): string {
  return createHash('sha256').update(header).digest('base64');
}

function isBadCredential(error: unknown): boolean {
  if (!(error instanceof HttpException) || error.getStatus() !== (HttpStatus.UNAUTHORIZED as number)) return false;
  return (error.getResponse() as { error?: unknown }).error === 'invalid_token';
}

function tooManyRequests(context: ExecutionContext, seconds: number): HttpException {
  responseOf(context)?.header('Retry-After', String(Math.max(Math.ceil(seconds), 1)));
  const status = HttpStatus.TOO_MANY_REQUESTS;
  const message = 'There were too many requests. Try again later.';
  return new HttpException({ statusCode: status, error: 'too_many_requests', message }, status);
}
