import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { PassportStrategy } from '@nestjs/passport';
// Without a release since 2013, and still the base class that Passport's users know. Only its name and interface are
// used: reading the credential, where it has holes, is Sigra's own.
import { Strategy } from 'passport-http-bearer';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { unauthorized } from './assert-scopes.js';
import { Authenticator } from './authenticator.js';
import type { HttpRequest } from './http-exchange.js';
import { toHttpRefusal } from './http-refusal.js';

type PassportRequest = HttpRequest & { readonly app?: object; readonly server?: object };

const BEARER_ONLY = { bearer: true, session: false };

// Typed by hand, so that our types ask no host for those of passport-http-bearer.
const BearerStrategyBase = PassportStrategy(Strategy, 'bearer') as unknown as new () => {
  authenticate(request: PassportRequest): void;
};

/**
 * Serves hosts that write `AuthGuard('bearer')` of `@nestjs/passport`. `SigraModule` provides it. Add `ScopeGuard` where
 * routes have `@RequireScopes()`.
 */
@Injectable()
export class BearerStrategy extends BearerStrategyBase implements OnModuleInit {
  /**
   * Passport knows one strategy of a name per process, so of two applications the later one would answer for both. The
   * one that is asked hands over to the one that belongs to the request's application.
   */
  private static readonly ofApplications = new WeakMap<object, BearerStrategy>();

  // Passport gives these to the copy of the strategy that it makes for each request.
  declare private readonly success: (user: object) => void;
  declare private readonly error: (error: unknown) => void;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly authenticator: Authenticator,
    private readonly adapterHost: HttpAdapterHost,
  ) {
    super();
  }

  /** Not in the constructor: a testing module makes its providers before the application that they serve. */
  onModuleInit(): void {
    const adapter = this.adapterHost.httpAdapter as HttpAdapterHost['httpAdapter'] | undefined;
    const application: unknown = adapter?.getInstance();
    if (application) BearerStrategy.ofApplications.set(application, this);
  }

  override authenticate(request: PassportRequest): void {
    const strategy = BearerStrategy.of(request) ?? this;
    strategy.identify(request).then(
      (user) => {
        this.success(user);
      },
      (error: unknown) => {
        this.error(error);
      },
    );
  }

  /** Demanded by the base class, and never called: `authenticate` replaces what would call it. */
  validate(): never {
    throw new Error('sigra: BearerStrategy authenticates requests, not bare tokens');
  }

  private async identify(request: PassportRequest): Promise<object> {
    try {
      const principal = await this.authenticator.authenticate(request, BEARER_ONLY);
      if (!principal) throw unauthorized();
      request.sigra = principal;
      return principal.user;
    } catch (error) {
      // An error, not a failure: AuthGuard would turn a failure into a bare 401 without WWW-Authenticate.
      throw error instanceof SigraError ? toHttpRefusal(error, this.config.realm) : error;
    }
  }

  /** Fastify hands out the instance of the route's plugin, which inherits from the application's. */
  private static of({ app, server }: PassportRequest): BearerStrategy | undefined {
    for (let owner = app ?? server; owner; owner = Object.getPrototypeOf(owner) as object | undefined) {
      const strategy = BearerStrategy.ofApplications.get(owner);
      if (strategy) return strategy;
    }
    return undefined;
  }
}
