import type { Target } from '../../auth/route-metadata.js';
import type { SigraConfig } from '../../config/sigra-config.js';
import { ApiTokenAdminController } from '../../http/api-token-admin.controller.js';
import { ApiTokenController, ScopeController } from '../../http/api-token.controller.js';
import { JwksController } from '../../http/jwks.controller.js';
import { JwtController } from '../../http/jwt.controller.js';
import { LeakController } from '../../http/leak.controller.js';
import { OAuthController } from '../../http/oauth.controller.js';
import { adminOperations } from './admin.operations.js';
import { jwtOperations } from './jwt.operations.js';
import { jwksOperations, leakOperations, oauthOperations } from './oauth.operations.js';
import type { Operation } from './operation.js';
import { scopeOperations, tokenOperations } from './token.operations.js';

/** A description, whatever its handler returns. */
export type ReadyMadeOperation = Operation<never>;

/** The descriptions of the ready-made routes by their handlers. A method that a subclass declares anew has none. */
export function operationsOf(config: SigraConfig): ReadonlyMap<Target, ReadyMadeOperation> {
  const tables: readonly (readonly [Target, object])[] = [
    [ApiTokenController, tokenOperations(config)],
    [ScopeController, scopeOperations],
    [ApiTokenAdminController, adminOperations(config)],
    [JwtController, jwtOperations(config)],
    [OAuthController, oauthOperations],
    [JwksController, jwksOperations],
    [LeakController, leakOperations],
  ];
  return new Map(
    tables.flatMap(([controller, operations]) => {
      const handlers = controller.prototype as Readonly<Record<string, Target>>;
      return Object.entries(operations as Readonly<Record<string, ReadyMadeOperation>>).flatMap(([name, operation]) => {
        const handler = handlers[name];
        return handler ? [[handler, operation] as const] : [];
      });
    }),
  );
}
