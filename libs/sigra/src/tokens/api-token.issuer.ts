import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { ownerMembers } from '../audit/audit-event.js';
import type { Caller } from '../common/caller.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { MintingGate } from '../owners/minting.gate.js';
import { ScopeCeiling } from '../owners/scope.ceiling.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { OwnerDirectories, type OwnerRef } from '../persistence/owner-directories.js';
import { assertMayGrant } from '../scopes/assert-scopes.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { apiTokenChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { ApiTokenCreator } from './api-token.creator.js';
import { type IssuedApiToken, IssueReplayer } from './issue.replayer.js';
import { parseMetadata, parseProperties, type RequestedProperties } from './token-properties.js';
import { timeOf } from './token-lifetime.js';

/** The properties of a token to create. */
export interface CreateApiToken extends RequestedProperties {
  /** The kind of the token: a name of `apiTokens.kinds`. @default the only kind; required if there are several */
  readonly kind?: string | null | undefined;
  /**
   * The token is rejected from this time on; null means never. @default after `apiTokens.defaultTtl`, but not later than the
   * end of the principal's own credential; without that option, the end of the credential, or never. Without the option,
   * required with `requireExpiry` or `maxTtl`
   */
  readonly expiresAt?: Date | null | undefined;
  /**
   * Repeats the answer when the same credential sends the same request again with this key, within ten minutes: 16 to 255 visible
   * ASCII characters, such as a random UUID. It is a secret, because it opens the sealed answer.
   */
  readonly idempotencyKey?: string | undefined;
}

/** Checks requests for API tokens, and has them created. */
@Injectable()
export class ApiTokenIssuer {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly scopes: ScopeRegistry,
    private readonly database: SigraDatabase,
    private readonly owners: OwnerDirectories,
    private readonly ceiling: ScopeCeiling,
    private readonly gate: MintingGate,
    private readonly replayer: IssueReplayer,
    private readonly creator: ApiTokenCreator,
  ) {}

  /** Creates a token. See `ApiTokenService.create`. */
  async create(ref: OwnerRef, request: CreateApiToken, caller: Caller): Promise<IssuedApiToken> {
    const { apiTokens } = this.config;
    const owner = this.owners.ownerOf(ref);
    const properties = await parseProperties(request, { scopes: this.scopes, parseMetadata: apiTokens.parseMetadata });
    const { scopes } = properties;
    // As it was sent: the application can add a time or an id, which a repetition would have anew.
    const metadata = apiTokens.parseMetadata ? await parseMetadata(request.metadata, undefined) : properties.metadata;
    const kind = apiTokens.kinds.parse(request.kind, owner.type);
    this.ceiling.assertKindAllows(kind, scopes);
    assertMayGrant(caller.principal, scopes, apiTokens.rules);
    const id = uuidv7();
    const idempotent = this.replayer.identify(
      request.idempotencyKey,
      { kind: 'create', ownerId: owner.id },
      [{ ...properties, metadata, kind: kind.name ?? undefined }, timeOf(request.expiresAt)],
      owner,
      caller,
    );

    return traced(
      apiTokenChannels.create,
      { ...ownerMembers(owner, this.config.users.type), tokenId: id },
      async () => {
        const deadline = this.database.deadlineOf(caller);
        const since = await deadline.limit(this.gate.enter(owner, caller));
        await deadline.limit(this.ceiling.assertMayHold(ref, scopes));
        const { expiresAt } = request;
        const creation = { id, owner, since, caller, kind, properties, expiresAt, idempotent };
        return this.replayer.once(idempotent, caller, deadline, () => this.creator.create(creation, deadline));
      },
      ({ token }) => token,
    );
  }
}
