import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { type Principal, stampOf } from '../common/principal.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { MintingGate } from '../owners/minting.gate.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { parseScopes, ScopeRegistry } from '../scopes/scope-registry.js';
import { jwtChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { AccessTokenSigner, outlives } from './access-token.signer.js';
import { enabledJwt } from './enabled-jwt.js';
import { type TokenBinding, thumbprintIn } from './token-binding.js';
import type { AccessTokenGrant } from './token-pair.js';

/**
 * Issues access tokens to API tokens (RFC 6749 section 4.4). Such a token starts no family: it belongs to the API token, with
 * which it ends, and there is no refresh token.
 */
@Injectable()
export class ClientTokenIssuer {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly scopes: ScopeRegistry,
    private readonly database: SigraDatabase,
    private readonly gate: MintingGate,
    private readonly signer: AccessTokenSigner,
    private readonly audit: AuditWriter,
  ) {}

  /**
   * Issues an access token to an API token, with the audit row `api.jwt_issue`.
   *
   * @param client the principal of the API token
   * @param requested at most the scopes of the API token. @default all of them
   * @param caller where the call comes from
   * @param binding the key that the token is bound to
   * @throws SigraError `jwt_disabled`, `invalid_dpop_proof`, `insufficient_scope`, `unregistered_scopes`, and the codes of
   * malformed scopes; `token_revoked`, `token_expired` or `epoch_mismatch` when the API token ended in the meantime;
   * `too_many_makers`, `unavailable`
   */
  async issue(
    client: Principal,
    requested: readonly string[] | undefined,
    caller: Caller,
    binding: TokenBinding = {},
  ): Promise<AccessTokenGrant> {
    enabledJwt(this.config);
    const dpopThumbprint = thumbprintIn(binding, this.config);
    const { owner, tokenId, allowedIps = null } = stampOf(client) ?? {};
    const { resources = null } = client;
    if (!owner || tokenId === undefined) throw new TypeError('sigra: the client is not an API token');
    const scopes = requested ? this.scopes.narrow(client.scopes, parseScopes(requested)) : client.scopes;
    const by = { ...caller, principal: client };

    return traced(
      jwtChannels.generate,
      { userId: owner.id, tokenId },
      async () => {
        const deadline = this.database.deadlineOf(caller);
        const since = await deadline.limit(this.gate.enter(owner, by));
        const ownClaims = await this.signer.ownClaims(client.user, deadline);
        const origin = { apiTokenId: tokenId, tokenEpoch: since.tokenEpoch };
        const claims = {
          owner,
          origin,
          epoch: since.familyEpoch,
          ownClaims,
          scopes,
          allowedIps,
          resources,
          dpopThumbprint,
        };
        const signed = await deadline.limit(this.signer.sign({ ...claims, endsAt: null }));
        const record = async (manager: EntityManager) => {
          const mint = await this.gate.admit(manager, 'refresh_family', owner, since, by);
          const metadata = { userId: owner.id, scopes };
          await this.audit.record(
            manager,
            { action: 'api.jwt_issue', targetId: tokenId, targetType: 'api_token', metadata },
            by,
          );
          // Rare: the API token ends soon, or was narrowed in the meantime.
          const { endsAt, allowedIps: addresses, resources: left } = mint;
          const isTooMuch = outlives(signed, endsAt) || addresses !== allowedIps || left !== resources;
          const fitting = isTooMuch
            ? await this.signer.sign({ ...claims, endsAt, allowedIps: addresses, resources: left })
            : signed;
          const { accessToken, expiresIn, tokenType } = fitting;
          return { accessToken, expiresIn, tokenType, scope: scopes.join(' ') };
        };
        return this.database.transaction(record, deadline.left, { settles: false });
      },
      () => ({ tokenId }),
    );
  }
}
