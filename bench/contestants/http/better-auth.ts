import { type CanActivate, type ExecutionContext, Inject, Injectable, UnauthorizedException } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { type BetterAuth, betterAuth } from 'better-auth';
import pg from 'pg';
import { rawApiKey } from '../../harness/tokens.js';
import { betterAuthOptions } from '../better-auth.js';
import type { HttpFactory } from './contestant.js';

interface GuardedRequest {
  readonly headers: { readonly 'x-api-key'?: string };
  user?: unknown;
}

const AUTH = Symbol('AUTH');

/** better-auth in a guard of Nest: reads the key, and then its user. */
@Injectable()
class BetterAuthGuard implements CanActivate {
  constructor(@Inject(AUTH) private readonly auth: BetterAuth) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<GuardedRequest>();
    const { valid, key } = await this.auth.api.verifyApiKey({ body: { key: request.headers['x-api-key'] ?? '' } });
    if (!valid || !key) throw new UnauthorizedException();
    const { internalAdapter } = await this.auth.$context;
    request.user = await internalAdapter.findUserById(key.referenceId);
    return request.user !== null;
  }
}

export const betterAuthGuard: HttpFactory = (databases) => ({
  module: {
    providers: [
      {
        provide: AUTH,
        useFactory: () => betterAuth(betterAuthOptions(new pg.Pool({ connectionString: databases.betterAuth }))),
      },
      { provide: APP_GUARD, useClass: BetterAuthGuard },
    ],
  },
  credential: ({ token }) => ({ 'x-api-key': rawApiKey(token) }),
});
