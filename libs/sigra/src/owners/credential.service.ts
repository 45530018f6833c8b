import { Injectable } from '@nestjs/common';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import { OwnerRepository } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { UserDirectory, type UserRef } from '../persistence/user-directory.js';
import { ownerChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { CredentialSweeper, type SweepRequest } from './credential.sweeper.js';

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
    private readonly clock: Clock,
    private readonly users: UserDirectory,
    private readonly database: SigraDatabase,
    private readonly owners: OwnerRepository,
    private readonly sweeper: CredentialSweeper,
    private readonly audit: AuditWriter,
  ) {}

  /**
   * Revokes every credential of an owner, with the audit row `api.lock_out` in the same transaction: for an account that was
   * taken over, or an employee who has left. The owner can get new credentials afterwards; to prevent that, make
   * `users.isActive` return false first. With `jwt.check: 'stateless'`, access tokens stay valid until they expire.
   *
   * @param user the owner, or its id
   * @param caller where the call comes from, for the audit row
   * @throws SigraError `unavailable`: then nothing has changed
   */
  async lockOut(user: UserRef, caller: Caller = {}): Promise<void> {
    const at = this.clock.now();
    const reason = 'locked_out';
    await this.end(user, 'api.lock_out', caller, {}, [
      { task: 'mark_tokens', reason, at },
      { task: 'mark_families', reason, at },
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
    await this.end(user, 'api.forget', caller, { anonymizeAudit }, [{ task, at: this.clock.now() }]);
  }

  private async end(
    user: UserRef,
    action: 'api.lock_out' | 'api.forget',
    caller: Caller,
    metadata: Readonly<Record<string, unknown>>,
    sweeps: readonly SweepRequest[],
  ): Promise<void> {
    const owner = this.users.ownerOf(user);
    await traced(
      action === 'api.forget' ? ownerChannels.forget : ownerChannels.lockOut,
      { userId: owner.id },
      () =>
        this.database.transaction(async (manager) => {
          const epochs = await this.owners.bump(manager, owner, { tokens: true, families: true });
          await this.sweeper.request(manager, owner, epochs, ...sweeps);
          await this.audit.record(manager, { action, targetId: owner.id, targetType: owner.type, metadata }, caller);
        }),
      () => undefined,
    );
    await this.sweeper.begin(owner);
  }
}
