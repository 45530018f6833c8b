import { Injectable, Logger } from '@nestjs/common';
import { callContained, stackOf } from '../common/call-contained.js';
import { type CommittedChange, type HooksOptions } from '../config/sigra-options.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { SigraAuditAction } from './audit-event.js';

/** The hook of each action that has one. */
const HOOKS: Readonly<Partial<Record<string, keyof HooksOptions>>> = {
  'api.token_create': 'onTokenCreated',
  'api.token_rotate': 'onTokenCreated',
  'api.token_revoke': 'onTokenRevoked',
  'api.token_revoke_all': 'onTokenRevoked',
  'api.jwt_refresh_reuse': 'onReuseDetected',
  'api.lock_out': 'onLockedOut',
} satisfies Partial<Record<SigraAuditAction, keyof HooksOptions>>;

/** Calls the application's functions of the option `hooks`. Nothing waits for them, and their errors are logged. */
@Injectable()
export class ChangeHooks {
  private readonly logger = new Logger(ChangeHooks.name);

  constructor(@InjectSigraConfig() private readonly config: SigraConfig) {}

  /** Whether the application has a hook for an action. */
  has(action: string): boolean {
    return this.hookOf(action) !== undefined;
  }

  /** Calls the hook of a change that has committed. Never throws. */
  call(change: CommittedChange): void {
    callContained(
      () => this.hookOf(change.action)?.(change),
      (error) => {
        this.logger.error(`The hook of ${change.action} failed: ${stackOf(error)}`);
      },
    );
  }

  private hookOf(action: string) {
    const name = HOOKS[action];
    return name && this.config.hooks[name];
  }
}
