import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { CallContext, JwtAuditAction, NewAuditEvent } from '../audit/audit-event.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { Clock } from '../common/clock.js';
import { isScope } from '../common/scope-grammar.js';
import { hashSecret } from '../common/secret.js';
import { refuse, SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type JwtConfig, type SigraConfig } from '../config/sigra-config.js';
import { type LocatedRefreshToken, RefreshTokenReader } from '../persistence/refresh-token.reader.js';
import { RefreshTokenRepository } from '../persistence/refresh-token.repository.js';
import { SigraDatabase, sqlState } from '../persistence/sigra-database.js';
import { missingScopes } from '../scopes/can.js';
import { jwtChannels, refreshReuseDetected, type RefreshReuse } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { AccessTokenSigner } from './access-token.signer.js';
import { decideRefresh, type RefreshDecision } from './refresh-decision.js';
import { isRefreshToken, mintRefreshToken } from './refresh-token-format.js';
import { openSuccessor, sealSuccessor } from './sealed-successor.js';
import { type TokenPair, tokenPair } from './token-pair.js';

/** What a refresh asks for. */
export interface RefreshRequest {
  /** Scopes of the new access token: fewer than the sign-in has, never more. @default all of them */
  readonly scopes?: readonly string[] | undefined;
}

/** What a transaction came to, once it is committed. */
type RefreshOutcome =
  | { readonly kind: 'issued'; readonly pair: TokenPair }
  | { readonly kind: 'reuse' }
  | Extract<RefreshDecision, { kind: 'refuse' }>;

/** Everything that an attempt needs, gathered before any lock is taken. */
interface Presented {
  readonly rawToken: string;
  readonly located: LocatedRefreshToken;
  readonly ownClaims: Readonly<Record<string, unknown>>;
  readonly requestedScopes: readonly string[] | undefined;
  readonly context: CallContext;
  readonly config: JwtConfig;
}

/** Lost a race against another transaction, as PostgreSQL says it: unique violation, serialization, deadlock, lock. */
const RACES: ReadonlySet<string | undefined> = new Set(['23505', '40001', '40P01', '55P03']);

/** Turns refresh tokens over, one at a time per family, at READ COMMITTED. */
@Injectable()
export class RefreshTokenRotator {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly reader: RefreshTokenReader,
    private readonly database: SigraDatabase,
    private readonly refreshTokens: RefreshTokenRepository,
    private readonly signer: AccessTokenSigner,
    private readonly audit: AuditWriter,
  ) {}

  async refresh(
    rawToken: string,
    request: RefreshRequest,
    context: CallContext,
    config: JwtConfig,
  ): Promise<TokenPair> {
    // Whose it is comes to light on the way.
    const trace: { userId?: string; familyId?: string } = {};
    return traced(
      jwtChannels.refresh,
      trace,
      async () => {
        const requestedScopes = parseNarrowing(request.scopes);
        const found = isRefreshToken(rawToken) ? await this.reader.find(hashSecret(rawToken)) : undefined;
        if (!found) throw refuse('invalid_token', 'The refresh token is unknown.');
        const { located, user } = found;
        const { user_id: userId, family_id: familyId } = located;
        Object.assign(trace, { userId, familyId });
        if (!user) throw refuse('invalid_token', 'The subject may not sign in.');
        const ownClaims = await this.signer.ownClaims(user);
        const outcome = await this.settle({ rawToken, located, ownClaims, requestedScopes, context, config });
        // Only now, after the commit: an error inside the transaction would undo the revocation that it reports.
        return accept(outcome, { userId, familyId });
      },
      () => ({ familyId: trace.familyId }),
    );
  }

  /** Tries twice, because the first try may lose against a transaction that is gone by the second. */
  private async settle(presented: Presented): Promise<RefreshOutcome> {
    try {
      return await this.attempt(presented).catch((error: unknown) => {
        if (RACES.has(sqlState(error))) return this.decide(presented);
        throw error;
      });
    } catch (error) {
      const state = sqlState(error);
      // Unreachable is not the same: then nobody can say whether the token was used.
      if (state === undefined || (error instanceof SigraError && !RACES.has(state))) throw error;
      const cause = error instanceof SigraError ? error.cause : error;
      throw new SigraError('refresh_aborted', 'The refresh token was not used; try again.', { cause });
    }
  }

  /** Nearly always the token is good: one statement says so by doing it. Whatever else it may be is decided with care. */
  private async attempt(presented: Presented): Promise<RefreshOutcome> {
    const pair = presented.located.looksFresh ? await this.rotate(presented) : undefined;
    return pair ? { kind: 'issued', pair } : this.decide(presented);
  }

  private decide(presented: Presented): Promise<RefreshOutcome> {
    const { located, config } = presented;
    return this.database.transaction(async (manager): Promise<RefreshOutcome> => {
      const family = await this.refreshTokens.lockFamily(manager, located.family_id);
      const token = family && (await this.refreshTokens.readState(manager, located.id, family.user_id));
      if (!token) return { kind: 'refuse', code: 'token_expired', message: 'The refresh token has expired.' };
      // Read after the wait for the lock.
      const now = this.clock.now();
      const decision = decideRefresh(family, token, now, config.reuseLeeway);
      switch (decision.kind) {
        case 'refuse':
          return decision;
        case 'rotate': {
          const pair = await this.rotate(presented, manager);
          if (pair) return { kind: 'issued', pair };
          throw new SigraError('refresh_aborted', 'The refresh token was not used; try again.');
        }
        case 'replay':
          return { kind: 'issued', pair: await this.replay(manager, presented, decision.sealedSuccessor) };
        case 'reuse':
          await this.refreshTokens.revokeFamily(manager, family.id, now, 'reuse_detected');
          await this.audit.append(manager, eventOf('api.jwt_refresh_reuse', presented));
          return { kind: 'reuse' };
      }
    });
  }

  /** @returns nothing when the token is not, or no longer, good for a rotation */
  private async rotate(presented: Presented, manager?: EntityManager): Promise<TokenPair | undefined> {
    const { rawToken, located, config } = presented;
    const scopes = this.narrow(presented);
    const now = this.clock.now();
    const successor = mintRefreshToken();
    const idle = new Date(now.getTime() + config.refreshTtl * 1000);
    // Signed before anything is written: what the host's claims may spoil must not cost the token.
    const signed = this.sign(presented, scopes);
    const rotated = await this.refreshTokens.rotate(
      {
        tokenId: located.id,
        familyId: located.family_id,
        userId: located.user_id,
        child: {
          id: uuidv7(),
          tokenHash: hashSecret(successor),
          expiresAt: idle < located.absolute_expires_at ? idle : located.absolute_expires_at,
          createdAt: now,
        },
        sealedSuccessor: config.reuseLeeway > 0 ? sealSuccessor(successor, rawToken) : null,
        event: this.audit.rowOf(eventOf('api.jwt_refresh', presented)),
      },
      manager,
    );
    return rotated ? tokenPair(signed, successor, scopes) : undefined;
  }

  private async replay(manager: EntityManager, presented: Presented, sealedSuccessor: Buffer): Promise<TokenPair> {
    const scopes = this.narrow(presented);
    const successor = openSuccessor(sealedSuccessor, presented.rawToken);
    await this.audit.append(manager, eventOf('api.jwt_refresh_replay', presented));
    return tokenPair(this.sign(presented, scopes), successor, scopes);
  }

  private narrow({ located, requestedScopes }: Presented): readonly string[] {
    if (!requestedScopes) return located.scopes;
    const missing = missingScopes(located.scopes, requestedScopes, this.config.apiTokens.writeImpliesRead);
    if (missing.length === 0) return requestedScopes;
    throw new SigraError('insufficient_scope', 'A refresh can narrow the scopes of the sign-in, never widen them.', {
      refusal: { required: requestedScopes, missing },
    });
  }

  private sign({ ownClaims, located }: Presented, scopes: readonly string[]) {
    return this.signer.sign({
      userId: located.user_id,
      ownClaims,
      familyId: located.family_id,
      epoch: located.epoch,
      scopes,
      familyExpiresAt: located.absolute_expires_at,
    });
  }
}

function eventOf(action: JwtAuditAction, { located, context }: Presented): NewAuditEvent {
  return {
    action,
    outcome: action === 'api.jwt_refresh_reuse' ? 'failure' : 'success',
    actorId: located.user_id,
    actorType: 'user',
    targetId: located.family_id,
    targetType: 'refresh_family',
    metadata: { refreshTokenId: located.id },
    ipAddress: context.ipAddress,
    userAgent: context.userAgent,
  };
}

function accept(outcome: RefreshOutcome, reuse: RefreshReuse): TokenPair {
  switch (outcome.kind) {
    case 'issued':
      return outcome.pair;
    case 'refuse':
      throw refuse(outcome.code, outcome.message);
    case 'reuse':
      refreshReuseDetected.publish(reuse);
      throw refuse('reuse_detected', 'The refresh token was used before; the sign-in has been revoked.');
  }
}

/** @throws SigraError `scopes_required`, `invalid_scope_format` */
function parseNarrowing(scopes: unknown): readonly string[] | undefined {
  if (scopes === undefined) return undefined;
  if (!Array.isArray(scopes) || scopes.length === 0)
    throw new SigraError('scopes_required', 'Give at least one scope.');
  if (!scopes.every(isScope)) throw new SigraError('invalid_scope_format', 'A scope is malformed.');
  return [...new Set(scopes)];
}
