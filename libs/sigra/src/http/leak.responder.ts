import { Injectable, Logger } from '@nestjs/common';
import { callContained, stackOf } from '../common/call-contained.js';
import type { Caller } from '../common/caller.js';
import { Clock, hasExpired, later } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { unlessOutage } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { LeakedCredential, LeakReport } from '../config/sigra-options.js';
import { RefreshTokenRevoker } from '../jwt/refresh-token.revoker.js';
import type { LookedUpApiToken } from '../persistence/tables.js';
import { ApiTokenRevoker } from '../tokens/api-token.revoker.js';
import { ApiTokenVerifier } from '../tokens/api-token.verifier.js';
import { ReportedTokens } from './reported-tokens.js';

/** Transactions at a time: a large report must leave connections to the requests of the application. */
const CONCURRENCY = 4;

/** Why all tokens of an owner have ended. */
const ENDS_ALL: ReadonlySet<unknown> = new Set(['revoke_all', 'locked_out']);

/** Whether a reported string is a credential of the application, in the form that GitHub accepts. */
export interface LeakVerdict {
  /** SHA-256 of the string, in hex. */
  readonly token_hash: string;
  readonly token_type: string | null;
  readonly label: 'true_positive' | 'false_positive';
}

/** Ends what has leaked, and says which strings were credentials. */
@Injectable()
export class LeakResponder {
  private readonly logger = new Logger(LeakResponder.name);

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly apiTokens: ApiTokenVerifier,
    private readonly apiTokenRevoker: ApiTokenRevoker,
    private readonly families: RefreshTokenRevoker,
  ) {}

  /**
   * Locks out each credential of a report that can still be used: a token with its rotations, or the family of a refresh or
   * access token, with all that they made. A report that is repeated changes nothing more.
   *
   * @param reports by raw token
   * @throws SigraError `unavailable`, `outcome_unknown`; some credentials can have ended, and a repetition ends the others
   */
  async respond(reports: ReadonlyMap<string, LeakReport>, caller: Caller): Promise<LeakVerdict[]> {
    const verdicts = new Map<string, LeakVerdict>();
    const reported = new ReportedTokens(reports.keys());
    // A loop that fails also ends the generator, and with it the other loops.
    const rest = each(reports);
    const work = async () => {
      for (const [rawToken, report] of rest) {
        const kept = reported.redact(report);
        const isKnown = await this.end(rawToken, kept, caller);
        verdicts.set(rawToken, {
          token_hash: hashSecret(rawToken),
          token_type: kept.type,
          label: isKnown ? 'true_positive' : 'false_positive',
        });
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    return [...reports.keys()].flatMap((rawToken) => verdicts.get(rawToken) ?? []);
  }

  /**
   * @param report without raw tokens: it is kept in the audit trail
   * @returns whether the string is a credential of the application, living or not
   */
  private async end(rawToken: string, report: LeakReport, caller: Caller): Promise<boolean> {
    const cause = { reason: 'leaked', metadata: { ...report } } as const;
    const found = await this.apiTokens.lookup(rawToken);
    if (found) {
      const { id, ownerId, ownerType, name } = found.token;
      if (!this.isDangerous(found)) return true;
      // Clean-up can delete the row in the meantime.
      const lockedOut = await this.apiTokenRevoker.lockOut(id, caller, { type: ownerType }, cause).catch(unlessOutage);
      if (lockedOut && lockedOut.ended > 0) this.announce({ kind: 'api_token', id, ownerType, ownerId, name }, report);
      return true;
    }
    const leaked = await this.families.lockOutLeaked(rawToken, cause, caller);
    if (leaked?.family && leaked.ended > 0) {
      this.announce({ kind: 'refresh_family', ...leaked.family, name: null }, report);
    }
    return leaked !== undefined;
  }

  /**
   * An expired token counts as living, because it can be valid by the clock of another node. One that was revoked has ended
   * with all that it made, unless it was rotated: then its successor has that, and a thief can have rotated it, and revoked it
   * afterwards. A revocation of all tokens of the owner has ended the successor, too.
   */
  private isDangerous({ token, state }: LookedUpApiToken): boolean {
    if (token.replacedBy === null) return state !== 'revoked';
    const { rotatedWithin } = this.config.leaks;
    // Without a grace period, the rotation has revoked the token; with one, the token expires at its end.
    const endedAt = token.revokedAt ?? token.expiresAt;
    if (state === 'revoked' && (token.revokedAt === null || ENDS_ALL.has(token.revokeReason))) return false;
    return state === 'active' || (endedAt !== null && !hasExpired(later(endedAt, rotatedWithin), this.clock.now()));
  }

  private announce(credential: LeakedCredential, report: LeakReport): void {
    const { onLeaked } = this.config.leaks;
    if (!onLeaked) return;
    callContained(
      () => onLeaked(credential, report),
      (error) => {
        this.logger.error(`leaks.onLeaked failed: ${stackOf(error)}`);
      },
    );
  }
}

function* each<T>(items: Iterable<T>): Generator<T> {
  yield* items;
}
