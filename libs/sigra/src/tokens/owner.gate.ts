import { Injectable } from '@nestjs/common';
import type { Caller } from '../common/caller.js';
import { deadlineOf, unanswered } from '../common/deadline.js';
import { type OwnerReference, ownerRef } from '../common/owner-reference.js';
import { isOwnerId } from '../common/principal.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { OwnerDirectories } from '../persistence/owner-directories.js';

/** Admits users who manage the tokens of other owners, as the option `canManage` decides. */
@Injectable()
export class OwnerGate {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly owners: OwnerDirectories,
  ) {}

  /**
   * Checks that the principal of a call can manage an owner.
   *
   * @returns the owner
   * @throws SigraError `not_found` for an unknown type, an id that no owner can have, and an owner that the principal cannot manage; `unavailable` when the
   * application does not answer in time; also what `canManage` throws
   */
  async admit(type: string | undefined, id: string | undefined, caller: Caller): Promise<OwnerReference> {
    const { canManage, lookupTimeout, users } = this.config;
    const directory = type === undefined || type === users.type ? undefined : this.owners.of(type);
    const { principal } = caller;
    if (!canManage || !directory || !principal?.user || !isOwnerId(id)) throw notFound();
    const owner = Object.freeze(directory.ownerOf(id));
    // The query of the application would fail, or find the owner of another spelling.
    if (!directory.canHold(owner.id)) throw notFound();
    const answer: unknown = await deadlineOf(caller, lookupTimeout).limit(
      Promise.resolve(canManage(principal, owner)),
      unanswered,
    );
    // Another value, such as an object, must not pass as a yes.
    if (answer !== true) throw notFound();
    return ownerRef(owner.type, owner.id);
  }
}

/** One description, because the answer must not reveal which owners exist. */
function notFound(): SigraError {
  return new SigraError('not_found', 'There is no such owner.');
}
