import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { PassportStrategy } from '@nestjs/passport';
// Its last release is of 2013, and it is still the base class that users of Passport know. Only its name and interface are
// used: Sigra reads the credential itself, because this package also takes it from the query and the body.
import { Strategy } from 'passport-http-bearer';
import { stateOfProcess } from '../common/package-copies.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { unauthorized } from '../scopes/assert-scopes.js';
import { assertOwner } from './owner-requirement.js';
import { withRules } from '../scopes/can.js';
import { Authenticator } from './authenticator.js';
import { callOfStrategy } from './call-request.js';
import type { HttpRequest } from './http-exchange.js';
import { throwRefusal } from './http-refusal.js';

type PassportRequest = HttpRequest & { readonly app?: object; readonly server?: object };

const BEARER_ONLY = { bearer: true, session: false };

// Typed by hand, so that hosts need no types of passport-http-bearer.
const BearerStrategyBase = PassportStrategy(Strategy, 'bearer') as unknown as new () => {
  authenticate(request: PassportRequest): void;
};

/**
 * The strategy behind `AuthGuard('bearer')` of `@nestjs/passport`. `SigraModule` provides it. Add `ScopeGuard` where routes
 * have `@RequireScopes()`.
 */
@Injectable()
export class BearerStrategy extends BearerStrategyBase implements OnModuleInit {
  /**
   * Passport keeps one strategy of each name per process, so the later of two applications would answer for both. The
   * strategy that Passport calls delegates to the one of the request's application.
   */
  private static readonly ofApplications = stateOfProcess(
    'bearerStrategies',
    () => new WeakMap<object, BearerStrategy>(),
  );

  // Passport sets these on the copy of the strategy that it makes for each request.
  declare private readonly success: (user: object) => void;
  declare private readonly error: (error: unknown) => void;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly authenticator: Authenticator,
    private readonly adapterHost: HttpAdapterHost,
  ) {
    super();
  }

  /** Not in the constructor: a testing module creates its providers before the application that they serve. */
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

  /** Required by the base class and never called: `authenticate` replaces its caller. */
  validate(): never {
    throw new Error('sigra: BearerStrategy authenticates requests, not bare tokens');
  }

  private async identify(request: PassportRequest): Promise<object> {
    try {
      const principal = await this.authenticator.authenticate(request, BEARER_ONLY, callOfStrategy(request));
      if (!principal) throw unauthorized();
      // Passport knows no handler, so it is not known which owners this one accepts.
      assertOwner(principal, undefined, this.config.users.type);
      request.sigra = withRules(principal, this.config.apiTokens.rules);
      return principal.user ?? principal.owner.entity;
    } catch (error) {
      // An error, not a failure: AuthGuard would turn a failure into a bare 401 without WWW-Authenticate.
      throwRefusal(error, this.config);
    }
  }

  /** On Fastify, `server` is the instance of the route's plugin, which inherits from the application's. */
  private static of({ app, server }: PassportRequest): BearerStrategy | undefined {
    for (let owner = app ?? server; owner; owner = Object.getPrototypeOf(owner) as object | undefined) {
      const strategy = BearerStrategy.ofApplications.get(owner);
      if (strategy) return strategy;
    }
    return undefined;
  }
}
