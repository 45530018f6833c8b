import { Injectable } from '@nestjs/common';
import type { Caller } from '../common/caller.js';
import { deadlineOf, unanswered } from '../common/deadline.js';
import type { Principal } from '../common/principal.js';
import { refuse } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { HostRequest } from '../config/sigra-options.js';
import { assertScopes } from '../scopes/assert-scopes.js';
import { assertHoldsResource } from '../scopes/resource-requirement.js';

/** The scope of administrators. Every session with `*` has it, so the application names the administrators as well. */
export const ADMIN_SCOPE = 'api_tokens:admin';
const REQUIREMENTS = [{ match: 'all', scopes: [ADMIN_SCOPE] }] as const;

/** Admits administrators, as the option `admin` names them. */
@Injectable()
export class AdministratorGate {
  constructor(@InjectSigraConfig() private readonly config: SigraConfig) {}

  /**
   * Checks the principal of a call. Without one, the application itself acts.
   *
   * @throws SigraError `insufficient_scope`, `not_administrator`; `unavailable` when the application does not answer in time
   */
  async admit(caller: Caller): Promise<void> {
    const { principal } = caller;
    if (!principal) return;
    assertScopes(principal, REQUIREMENTS, this.config.apiTokens.rules);
    assertHoldsResource(principal.resources, undefined);
    const { canAdminister } = this.config.admin ?? {};
    if (!principal.user) throw refuse('not_administrator', 'Only administrators can do this.');
    const answer: unknown = await this.limit(caller, canAdminister?.(principal));
    // Another value, such as an object, must not pass as an administrator.
    if (answer !== true) throw refuse('not_administrator', 'Only administrators can do this.');
  }

  /**
   * Checks that the person of a request has just been authenticated again, where the application requires it.
   *
   * @throws SigraError `step_up_required`, `unavailable`; also what `admin.requireStepUp` throws
   */
  async stepUp(principal: Principal, request: HostRequest, caller: Caller): Promise<void> {
    const { requireStepUp } = this.config.admin ?? {};
    if (!requireStepUp) return;
    const answer: unknown = await this.limit(caller, requireStepUp(principal, request));
    if (answer !== true) throw refuse('step_up_required', 'Authenticate again to do this.');
  }

  private limit<T>(caller: Caller, answer: T | Promise<T>): Promise<T> {
    return deadlineOf(caller, this.config.lookupTimeout).limit(Promise.resolve(answer), unanswered);
  }
}
