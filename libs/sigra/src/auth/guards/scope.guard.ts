import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { SigraError } from '../../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../../config/sigra-config.js';
import { assertScopes } from '../assert-scopes.js';
import { requestOf, responseOf } from '../http-exchange.js';
import { toHttpRefusal } from '../http-refusal.js';
import { routeRules } from '../route-rules.js';

/**
 * Holds a caller that something else has authenticated, such as `AuthGuard('bearer')`, to the route's
 * `@RequireScopes()`. Sigra's own guards do that themselves.
 */
@Injectable()
export class ScopeGuard implements CanActivate {
  constructor(@InjectSigraConfig() private readonly config: SigraConfig) {}

  canActivate(context: ExecutionContext): boolean {
    try {
      const { requirements } = routeRules(context);
      assertScopes(requestOf(context).sigra, requirements, this.config.apiTokens.writeImpliesRead);
      return true;
    } catch (error) {
      if (!(error instanceof SigraError)) throw error;
      throw toHttpRefusal(error, this.config.realm).applyHeaders(responseOf(context));
    }
  }
}
