import { APP_GUARD } from '@nestjs/core';
import { type JwtCheck, SigraAuthGuard, SigraJwtService, type SigraModuleOptions } from 'nestjs-sigra';
import type { HttpContestant, HttpFactory } from './contestant.js';
import { bearer } from './contestant.js';
import { rawToken, userId } from '../../harness/tokens.js';
import { EVERY_POLICY, JWT_OPTIONS, sigraModule, typeOrmModule, type User } from '../host.js';

/** The dual guard for all routes, for every kind of credential. */
export const sigra = (databaseUrl: string, options?: Partial<SigraModuleOptions<User>>): HttpContestant['module'] => ({
  imports: [typeOrmModule(databaseUrl), sigraModule(options)],
  providers: [{ provide: APP_GUARD, useExisting: SigraAuthGuard }],
});

export const sigraToken: HttpFactory = (databases) => ({
  module: sigra(databases.sigra),
  credential: ({ token }) => bearer(rawToken(token)),
});

export const sigraPolicies: HttpFactory = (databases) => ({
  module: sigra(databases.policies, EVERY_POLICY),
  credential: ({ token }) => bearer(rawToken(token)),
});

const jwt =
  (check: JwtCheck): HttpFactory =>
  (databases) => ({
    module: sigra(databases.sigra, { jwt: { ...JWT_OPTIONS, check } }),
    credential: async ({ user }, app) => {
      const scopes = ['read:projects', 'write:projects'];
      return bearer((await app.get(SigraJwtService).generateTokens(userId(user), scopes)).accessToken);
    },
  });

export const sigraJwtStateless = jwt('stateless');
export const sigraJwtEpoch = jwt('epoch');

/** A header is the host's session here, so that only Sigra's part of the work is measured. */
export const sigraSession: HttpFactory = (databases) => ({
  module: sigra(databases.sigra),
  credential: ({ user }) => ({ 'x-session-user': userId(user) }),
});
