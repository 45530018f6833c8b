import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditWriter } from '../audit/audit.writer.js';
import { inheritIps } from '../common/allowed-ips.js';
import type { Caller } from '../common/caller.js';
import { earliest, later } from '../common/clock.js';
import type { Owner } from '../common/principal.js';
import { refuse } from '../common/sigra-error.js';
import { isFor, kindMember } from '../common/token-kinds.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { CredentialSweeper } from '../owners/credential.sweeper.js';
import { LineageRevoker } from '../owners/lineage.revoker.js';
import { type Mint, MintingGate } from '../owners/minting.gate.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import { LineageRepository } from '../persistence/lineage.repository.js';
import type { OwnerFilter } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { type ApiToken, makerIdOf, type Making, makingOf, ownerOf } from '../persistence/tables.js';
import { apiTokenChannels, tokenTrace } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { ApiTokenCreator } from './api-token.creator.js';
import { ApiTokenLocker } from './api-token.locker.js';
import { type IssuedApiToken, IssueReplayer } from './issue.replayer.js';
import { propertiesOf } from './token-properties.js';
import { parseExpiry, parseGrace, sameLifetime, timeOf } from './token-lifetime.js';

/** The options of a rotation. */
export interface RotateApiToken {
  /** How long the old token stays valid, in seconds, 0 to 2,592,000, but never beyond its expiry. @default 0 */
  readonly graceSeconds?: number | undefined;
  /**
   * The new token is rejected from this time on. @default now plus the old token's lifetime, but not later than the end of
   * the principal's own credential, nor of the credential that made the old token
   */
  readonly expiresAt?: Date | null | undefined;
  /**
   * Repeats the answer when the same credential sends the same request again with this key, within ten minutes: 16 to 255 visible
   * ASCII characters, such as a random UUID. It is a secret, because it opens the sealed answer.
   */
  readonly idempotencyKey?: string | undefined;
}

/** Replaces tokens with successors. Only one of several concurrent rotations of a token succeeds. */
@Injectable()
export class ApiTokenRotator {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly database: SigraDatabase,
    private readonly gate: MintingGate,
    private readonly locker: ApiTokenLocker,
    private readonly tokens: ApiTokenRepository,
    private readonly lineage: LineageRepository,
    private readonly revoker: LineageRevoker,
    private readonly sweeper: CredentialSweeper,
    private readonly creator: ApiTokenCreator,
    private readonly replayer: IssueReplayer,
    private readonly audit: AuditWriter,
  ) {}

  /**
   * Rotates a token. See `ApiTokenService.rotate`.
   *
   * @param owner tokens of other owners count as missing
   */
  async rotate(tokenId: string, request: RotateApiToken, caller: Caller, owner: OwnerFilter): Promise<IssuedApiToken> {
    const graceSeconds = parseGrace(request.graceSeconds);
    const idempotent = this.replayer.identify(
      request.idempotencyKey,
      { kind: 'rotate', tokenId },
      [graceSeconds, timeOf(request.expiresAt)],
      owner,
      caller,
    );
    return traced(
      apiTokenChannels.rotate,
      tokenTrace(tokenId),
      async () => {
        const deadline = this.database.deadlineOf(caller);
        await deadline.limit(this.gate.assertMakerLives(caller.principal));
        let left: Owner | undefined;
        let made: IssuedApiToken | undefined;
        const issue = async (manager: EntityManager) => {
          const { issued, isComplete } = await this.replace(
            manager,
            tokenId,
            { ...request, graceSeconds },
            caller,
            owner,
          );
          made = issued;
          if (!isComplete) left = ownerOf(issued.token);
          await this.replayer.keep(manager, { request: idempotent, issued });
          return issued;
        };
        const answer = await this.replayer.once(idempotent, caller, deadline, () =>
          this.database.transaction(issue, deadline.left),
        );
        if (left) await this.sweeper.begin(left, deadline);
        // The rotation that it repeats can be waiting.
        if (answer !== made) await this.database.settled();
        return answer;
      },
      (issued) => issued.token,
    );
  }

  private async replace(
    manager: EntityManager,
    tokenId: string,
    request: RotateApiToken & { readonly graceSeconds: number },
    caller: Caller,
    filter: OwnerFilter,
  ): Promise<{ readonly issued: IssuedApiToken; readonly isComplete: boolean }> {
    const { kinds } = this.config.apiTokens;
    const { graceSeconds } = request;
    const { token: old, owner, mint, makerEndsAt, now } = await this.locker.lock(manager, tokenId, filter, caller);
    const kind = kinds.of(old);
    if (!kind) throw refuse('invalid_kind', 'The kind of the token is not configured any more; create another one.');
    if (!isFor(kind, owner.type)) {
      throw refuse('invalid_kind', 'Tokens of this kind are not for this type of owners any more; create another one.');
    }
    const endsAt = earliest(mint.endsAt, makerEndsAt);
    const expiresAt =
      request.expiresAt === undefined ? earliest(sameLifetime(old, now, kind.maxTtl), endsAt) : request.expiresAt;
    // Until its grace period ends, the old token is active, too.
    if (graceSeconds > 0) await this.creator.assertBelowCap(manager, owner, now);
    const successorId = uuidv7();
    // Another token that rotates this one gets the raw successor, which is limited like it.
    const allowedIps = inheritIps(old.allowedIps, mint.allowedIps);
    const successor = {
      ...propertiesOf(old),
      allowedIps,
      id: successorId,
      originId: makerIdOf(old),
      expiresAt: parseExpiry(expiresAt, now, kind, endsAt),
      createdAt: now,
    };
    await this.creator.assertMayMake(manager, kind, mint);
    const making = await this.makingOf(manager, old, mint);
    const { rawToken, row } = this.creator.draft(kind, { ...mint, ...making }, owner, successor);
    const token = await this.tokens.insert(manager, row);
    await this.tokens.update(manager, old.id, {
      replacedBy: successorId,
      ...(graceSeconds === 0
        ? { revokedAt: now, revokeReason: 'rotated' }
        : { expiresAt: earliest(old.expiresAt, later(now, graceSeconds)) }),
    });
    await this.audit.record(
      manager,
      {
        action: 'api.token_rotate',
        targetId: old.id,
        targetType: 'api_token',
        owner,
        metadata: {
          ...kindMember(old),
          name: old.name,
          replacedBy: successorId,
          originId: makerIdOf(old),
          graceSeconds,
        },
      },
      caller,
    );
    if (allowedIps !== old.allowedIps) await this.revoker.narrowMadeBy(manager, makerIdOf(old), { allowedIps });
    // The descendants of a token must not outlive its successor either.
    const { isComplete } = await this.revoker.limitMadeByToken(manager, old, token.expiresAt, now);
    return { issued: { rawToken, token }, isComplete };
  }

  /**
   * The maker of a successor: another credential that rotates the token holds the successor, which ends with that one. A token
   * that rotates itself, and a person, leave the maker as it is.
   */
  private async makingOf(
    manager: EntityManager,
    old: ApiToken,
    mint: Mint,
  ): Promise<Making & Pick<Mint, 'descendsFrom'>> {
    const line = makerIdOf(old);
    const isOther = (mint.madeByTokenId !== null && mint.madeByTokenId !== line) || mint.madeByFamilyId !== null;
    if (!isOther) {
      return { ...makingOf(old), descendsFrom: await this.lineage.ancestorsOf(manager, 'api_token', old.id) };
    }
    // A descendant of the token itself can rotate it: the successor then ends with what both descend from.
    return { ...makingOf(mint), descendsFrom: mint.descendsFrom.filter((id) => id !== line) };
  }
}
