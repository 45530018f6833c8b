import { Injectable, Logger } from '@nestjs/common';
import { ownerRef } from '../common/owner-reference.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { CredentialService } from '../owners/credential.service.js';
import { OwnerRepository } from '../persistence/owner.repository.js';
import { OwnerDirectories } from '../persistence/owner-directories.js';
import type { UserDirectory } from '../persistence/user-directory.js';
import { ownersKept, type OwnersKept } from '../telemetry/channels.js';

/** The run of clean-up that this is a part of. */
export interface CleanupSteps {
  /** Whether the run goes on. */
  readonly complete: boolean;
  /** Runs one step. @returns undefined when the run does not go on */
  tried<T>(step: () => Promise<T>): Promise<T | undefined>;
}

/** Owners in the order of their ids. */
interface Batch {
  readonly ids: readonly string[];
  /** Those without a user. */
  readonly missing: readonly string[];
}

/** As many as a `UserProvider` is asked for at once. */
const OWNERS_PER_BATCH = 512;
/** So many owners are not all deleted by chance. Fewer can be all users of a small installation. */
const SUSPICIOUSLY_MANY = 10;
const WHY: Readonly<Record<OwnersKept['reason'], string>> = {
  row_security:
    'row-level security hides users from this connection, which then look deleted. Set cleanup.forgetOwners to true if it sees all, and to false if it does not',
  no_owner_exists:
    'the users’ table has no owner of any credential, as if it were emptied, hidden or the wrong one. If all of them were deleted, call CredentialService.forget() for each',
};

/** Forgets the owners that no longer exist, unless it looks as if the users were only not found. */
@Injectable()
export class FormerOwnerCleaner {
  private readonly logger = new Logger(FormerOwnerCleaner.name);

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly owners: OwnerDirectories,
    private readonly known: OwnerRepository,
    private readonly credentials: CredentialService,
  ) {}

  /**
   * @param before only counts owners with a credential that was created before this time
   * @returns the number of owners
   */
  async clean(run: CleanupSteps, before: Date): Promise<number> {
    let count = 0;
    for (const { type, source } of this.config.ownerTypes) {
      const { forgetOwners = source.kind === 'entity' } = this.config.cleanup;
      const directory = this.owners.of(type);
      if (forgetOwners && directory) count += await this.cleanType(run, directory, before);
    }
    return count;
  }

  private async cleanType(run: CleanupSteps, users: UserDirectory, before: Date): Promise<number> {
    let count = 0;
    for await (const batch of this.batches(run, users, before)) {
      const doubt = batch.missing.length === 0 ? undefined : await this.doubt(run, users, batch, before);
      if (!run.complete) return count;
      if (doubt) {
        this.keep(users.type, doubt);
        return count;
      }
      for (const id of batch.missing) {
        const isForgotten = await run.tried(() => this.credentials.forget(ownerRef(users.type, id)).then(() => true));
        if (!isForgotten) return count;
        count++;
      }
    }
    return count;
  }

  /** Why the missing users of a batch can exist nevertheless. */
  private async doubt(
    run: CleanupSteps,
    users: UserDirectory,
    { ids, missing }: Batch,
    before: Date,
  ): Promise<OwnersKept['reason'] | undefined> {
    const isDecided = this.config.cleanup.forgetOwners !== undefined;
    if (!isDecided && (await run.tried(() => users.areHidden()))) return 'row_security';
    if (missing.length < SUSPICIOUSLY_MANY || missing.length < ids.length) return undefined;
    for await (const batch of this.batches(run, users, before)) {
      if (batch.missing.length < batch.ids.length) return undefined;
    }
    return 'no_owner_exists';
  }

  private async *batches(run: CleanupSteps, users: UserDirectory, before: Date): AsyncGenerator<Batch> {
    let after = '';
    for (;;) {
      const ids = await run.tried(() => this.known.listIds(users.type, after, before, OWNERS_PER_BATCH));
      const last = ids?.at(-1);
      if (!ids || last === undefined) return;
      const missing = await run.tried(() => users.missing(ids));
      if (!missing) return;
      yield { ids, missing };
      if (ids.length < OWNERS_PER_BATCH) return;
      after = last;
    }
  }

  private keep(type: string, reason: OwnersKept['reason']): void {
    this.logger.warn(`Clean-up forgets no owners of type ${type}: ${WHY[reason]}`);
    const message: OwnersKept = { ownerType: type, reason };
    ownersKept.publish(message);
  }
}
