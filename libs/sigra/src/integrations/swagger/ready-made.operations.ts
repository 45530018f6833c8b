import type { Target } from '../../auth/route-metadata.js';
import type { SigraConfig } from '../../config/sigra-config.js';
import { ApiTokenAdminController } from '../../http/api-token-admin.controller.js';
import { ApiTokenController, OwnerTokenController, ScopeController } from '../../http/api-token.controller.js';
import { JwksController } from '../../http/jwks.controller.js';
import { JwtController } from '../../http/jwt.controller.js';
import { LeakController } from '../../http/leak.controller.js';
import { OAuthController } from '../../http/oauth.controller.js';
import { adminOperations } from './admin.operations.js';
import { jwtOperations } from './jwt.operations.js';
import { jwksOperations, leakOperations, oauthOperations } from './oauth.operations.js';
import type { Operation } from './operation.js';
import { ownerTokenOperations, scopeOperations, tokenOperations } from './token.operations.js';

/** A description, whatever its handler returns. */
export type ReadyMadeOperation = Operation<never>;

/** Finds the description of a ready-made route. A method that a subclass declares anew has none. */
export type OperationFinder = (controller: Target, handler: Target) => ReadyMadeOperation | undefined;

/** The descriptions of the ready-made routes. */
export function operationsOf(config: SigraConfig): OperationFinder {
  // A subclass stands before its base class, because it has the same handlers.
  const tables: readonly (readonly [Target, object])[] = [
    [OwnerTokenController, ownerTokenOperations(config)],
    [ApiTokenController, tokenOperations(config)],
    [ScopeController, scopeOperations],
    [ApiTokenAdminController, adminOperations(config)],
    [JwtController, jwtOperations(config)],
    [OAuthController, oauthOperations],
    [JwksController, jwksOperations],
    [LeakController, leakOperations],
  ];
  return (controller, handler) => {
    const [described, operations] =
      tables.find(([type]) => controller === type || controller.prototype instanceof type) ?? [];
    const handlers = described?.prototype as Readonly<Record<string, Target>> | undefined;
    return Object.entries((operations ?? {}) as Readonly<Record<string, ReadyMadeOperation>>).find(
      ([name]) => handlers?.[name] === handler,
    )?.[1];
  };
}
