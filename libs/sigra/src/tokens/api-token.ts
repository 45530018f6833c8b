import type { ApiTokenRow } from '../persistence/api-token-row.js';

/** An API token as everybody may see it. The raw token is not in it and cannot be had from it. */
export interface ApiToken {
  readonly id: string;
  /** The owner's id as text. */
  readonly userId: string;
  readonly name: string;
  /** The `apiTokens.prefix` that it was made with. */
  readonly prefix: string;
  /** The first characters after the prefix, for display beside the name. */
  readonly hint: string;
  readonly scopes: readonly string[];
  /** It is refused from this instant on; null for never. */
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  /** Written in the background, at most once per `activityUpdateThreshold`. */
  readonly lastUsedAt: Date | null;
  /** The address of that use, as the framework knows it. */
  readonly lastUsedIp: string | null;
  /** The id of the token that rotation put in this one's place. */
  readonly replacedBy: string | null;
  readonly createdAt: Date;
}

/** A token just made. `rawToken` exists here and nowhere else: show it once, and let it go. */
export interface IssuedApiToken {
  /** The secret, as a client sends it. */
  readonly rawToken: string;
  readonly token: ApiToken;
}

export function toApiToken(row: ApiTokenRow): ApiToken {
  return {
    id: row.id,
    userId: row.user_id,
    name: row.name,
    prefix: row.prefix,
    hint: row.hint,
    scopes: row.scopes,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
    lastUsedIp: row.last_used_ip,
    replacedBy: row.replaced_by,
    createdAt: row.created_at,
  };
}
