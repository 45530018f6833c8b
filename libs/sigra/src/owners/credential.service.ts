import { Injectable } from '@nestjs/common';
import type { Caller } from '../common/caller.js';
import { UserDirectory, type UserRef } from '../persistence/user-directory.js';
import { ownerChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { type EpochRevocation, EpochRevoker } from './epoch.revoker.js';

/** The options of `forget`. */
export interface ForgetOptions {
  /**
   * Whether the owner's id, addresses and user agents are also removed from the audit rows in which it is the actor or the
   * target. @default false
   */
  readonly anonymizeAudit?: boolean | undefined;
}

/**
 * Ends all credentials of an owner: API tokens, JWTs and refresh tokens. Each method is in force for the next request on
 * every node when it resolves, however many credentials the owner has. Sessions are the application's own: end them too.
 */
@Injectable()
export class CredentialService {
  constructor(
    private readonly users: UserDirectory,
    private readonly revoker: EpochRevoker,
  ) {}

  /**
   * Revokes every credential of an owner, with the audit row `api.lock_out` in the same transaction: for an account that was
   * taken over, or an employee who has left. The owner can get new credentials afterwards; to prevent that, make
   * `users.isActive` return false first. With `jwt.check: 'stateless'`, access tokens stay valid until they expire.
   *
   * @param user the owner, or its id
   * @param caller where the call comes from, for the audit row
   * @throws SigraError `not_found` when no such user exists and none ever had credentials: an id has one spelling;
   * `unavailable`: then nothing has changed
   */
  async lockOut(user: UserRef, caller: Caller = {}): Promise<void> {
    const reason = 'locked_out';
    await this.end(user, 'api.lock_out', caller, {}, [
      { task: 'mark_tokens', reason },
      { task: 'mark_families', reason },
    ]);
  }

  /**
   * Deletes every credential of an owner that the application deletes, with the audit row `api.forget`. A later owner with
   * the same id inherits nothing. The epochs of the owner stay: without them, an old JWT would be valid for that later owner.
   * Audit rows stay, too. Rows are deleted in the background, in batches; they are refused from now on.
   *
   * @param user the owner, or its id; it can be deleted already
   * @param caller where the call comes from, for the audit row
   * @throws SigraError `unavailable`: then nothing has changed
   */
  async forget(user: UserRef, { anonymizeAudit = false }: ForgetOptions = {}, caller: Caller = {}): Promise<void> {
    const task = anonymizeAudit ? 'forget_and_anonymize' : 'forget';
    await this.end(user, 'api.forget', caller, { anonymizeAudit }, [{ task }]);
  }

  private async end(
    user: UserRef,
    action: 'api.lock_out' | 'api.forget',
    caller: Caller,
    metadata: Readonly<Record<string, unknown>>,
    sweeps: EpochRevocation['sweeps'],
  ): Promise<void> {
    const owner = this.users.ownerOf(user);
    // A user can be deleted before it is forgotten.
    const requiresOwner = action === 'api.lock_out';
    const kinds = { tokens: true, families: true } as const;
    await traced(
      action === 'api.forget' ? ownerChannels.forget : ownerChannels.lockOut,
      { userId: owner.id },
      () => this.revoker.end(owner, { kinds, action, sweeps, metadata: () => metadata, requiresOwner }, caller),
      () => undefined,
    );
  }
}
