import { Injectable } from '@nestjs/common';
import { ownerMembers, type SigraAuditAction } from '../audit/audit-event.js';
import type { Caller } from '../common/caller.js';
import type { CursorPosition } from '../common/cursor.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { AuditEventRepository } from '../persistence/audit-event.repository.js';
import type { CredentialKind } from '../persistence/lineage.repository.js';
import { OwnerDirectories, type OwnerRef } from '../persistence/owner-directories.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import type { AuditEvent } from '../persistence/tables.js';
import { ownerChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { CredentialRevoker } from './credential.revoker.js';
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
 * Audit rows of what makes credentials, and the id of the new one. Of a rotation, that of the first token: clean-up can have
 * deleted the new one, which its successors survive.
 */
const MADE: readonly (readonly [SigraAuditAction, CredentialKind, (event: AuditEvent) => unknown])[] = [
  ['api.token_create', 'api_token', ({ targetId }) => targetId],
  ['api.token_rotate', 'api_token', ({ metadata }) => metadata.originId],
  ['api.jwt_issue', 'refresh_family', ({ targetId }) => targetId],
];
const EVENTS_AT_ONCE = 500;
/** No request waits for a search of the audit trail. */
const SEARCH_TIMEOUT_MS = 60_000;

/**
 * Ends all credentials of an owner: API tokens, JWTs and refresh tokens. Each method is in force for the next request on
 * every node when it resolves, however many credentials the owner has. Sessions are the application's own: end them too.
 */
@Injectable()
export class CredentialService {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly owners: OwnerDirectories,
    private readonly revoker: EpochRevoker,
    private readonly credentials: CredentialRevoker,
    private readonly events: AuditEventRepository,
    private readonly database: SigraDatabase,
  ) {}

  /**
   * Revokes every credential of an owner, with the audit row `api.lock_out` in the same transaction: for an account that was
   * taken over, or an employee who has left. The owner can get new credentials afterwards; to prevent that, make
   * `users.isActive` return false first. With `jwt.check: 'stateless'`, access tokens stay valid until they expire.
   *
   * @param user the owner: a user, its id, or another owner as `ownerRef()` names it
   * @param caller where the call comes from, for the audit row
   * @throws SigraError `not_found` when no such user exists and none ever had credentials: an id has one spelling;
   * `insufficient_scope` when the caller's principal does not hold all scopes of these credentials, other than a session of the
   * owner; `unavailable`: then nothing has changed
   */
  async lockOut(user: OwnerRef, caller: Caller = {}): Promise<void> {
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
   * @param user the owner: a user, its id, or another owner as `ownerRef()` names it; it can be deleted already
   * @param caller where the call comes from, for the audit row
   * @throws SigraError `insufficient_scope` as `lockOut`; `unavailable`: then nothing has changed
   */
  async forget(user: OwnerRef, { anonymizeAudit = false }: ForgetOptions = {}, caller: Caller = {}): Promise<void> {
    const task = anonymizeAudit ? 'forget_and_anonymize' : 'forget';
    await this.end(user, 'api.forget', caller, { anonymizeAudit }, [{ task }]);
  }

  /**
   * Revokes everything that any JWT has made or rotated since a time, and what was made with that: for a signing key that leaked,
   * because forged JWTs can have made it. It finds these credentials in the audit trail, so do not delete that before, and they
   * end one after the other. Call it when no node accepts the old key any more; after an error, call it again.
   *
   * @param from the time of the leak, or earlier
   * @param caller where the call comes from, for the audit rows
   * @returns the number of credentials found, those included that were revoked already
   * @throws TypeError when `from` is not a valid date, or `audit.enabled` is false; SigraError `unavailable`;
   * `insufficient_scope` when the caller's principal does not hold all scopes of one of the tokens
   */
  async revokeMadeWithJwts(from: Date, caller: Caller = {}): Promise<number> {
    if (!(from instanceof Date) || Number.isNaN(from.getTime()))
      throw new TypeError('sigra: from must be a valid date');
    if (!this.config.audit.enabled) {
      throw new TypeError('sigra: with audit.enabled of false, it is not known what JWTs have made; call lockOut()');
    }
    const owner = this.owners.anyOwner;
    let count = 0;
    for (const [action, kind, idOf] of MADE) {
      for await (const event of this.eventsSince(from, action)) {
        const id = event.metadata.method === 'jwt' ? idOf(event) : undefined;
        if (typeof id === 'string' && (await this.credentials.lockOut(kind, id, owner, caller))) count++;
      }
    }
    return count;
  }

  /**
   * Resolves when the application's own changes to users are in force for the next request on every node: call it after the commit
   * that disables, deletes or narrows them. It waits for the lease of `replicas`; without that option, it resolves at once.
   */
  async settled(): Promise<void> {
    await this.database.settled();
  }

  private async *eventsSince(from: Date, action: SigraAuditAction): AsyncGenerator<AuditEvent> {
    let page: readonly AuditEvent[];
    let position: CursorPosition | undefined;
    do {
      page = await this.events.find({ action, from }, 'oldest', EVENTS_AT_ONCE, position, SEARCH_TIMEOUT_MS);
      yield* page;
      const last = page.at(-1);
      position = last && { createdAt: last.occurredAt, id: last.id };
    } while (page.length === EVENTS_AT_ONCE);
  }

  private async end(
    user: OwnerRef,
    action: 'api.lock_out' | 'api.forget',
    caller: Caller,
    metadata: Readonly<Record<string, unknown>>,
    sweeps: EpochRevocation['sweeps'],
  ): Promise<void> {
    const owner = this.owners.ownerOf(user);
    // A user can be deleted before it is forgotten.
    const requiresOwner = action === 'api.lock_out';
    const kinds = { tokens: true, families: true } as const;
    await traced(
      action === 'api.forget' ? ownerChannels.forget : ownerChannels.lockOut,
      ownerMembers(owner, this.config.users.type),
      () => this.revoker.end(owner, { kinds, action, sweeps, metadata: () => metadata, requiresOwner }, caller),
      () => undefined,
    );
  }
}
