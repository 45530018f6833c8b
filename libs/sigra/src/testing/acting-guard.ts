import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { type AdmissionSettings, admit, type Principal } from '../index.js';
import { type ActingPrincipal, toPrincipal } from './acting-principal.js';

/**
 * Stands in for Sigra's guards. It takes the caller from the test instead of from the request, and does everything else
 * as they do, by the same code. Made by `actingAs()`.
 *
 * @typeParam User the host's user type
 */
export class ActingGuard<User extends object = object> implements CanActivate {
  private readonly settings: AdmissionSettings;
  private principal: Principal | undefined;

  constructor(caller: ActingPrincipal<User> | 'anonymous', settings: Partial<AdmissionSettings> = {}) {
    this.settings = { realm: settings.realm ?? 'api', writeImpliesRead: settings.writeImpliesRead ?? false };
    this.as(caller);
  }

  /**
   * Changes who makes the requests from now on; `anonymous` ones have no credential.
   *
   * @throws TypeError when nothing says who the user is
   */
  as(caller: ActingPrincipal<User> | 'anonymous'): this {
    this.principal = caller === 'anonymous' ? undefined : toPrincipal(caller);
    return this;
  }

  canActivate(context: ExecutionContext): Promise<boolean> {
    return admit(context, this.settings, () => this.principal);
  }
}
