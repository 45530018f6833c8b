import { MAX_ID_LENGTH, type Owner } from '../common/principal.js';
import {
  address,
  bigint,
  bytes,
  date,
  hash,
  integer,
  json,
  jsonObject,
  orZero,
  nullable,
  observed,
  oneOf,
  text,
  textArray,
  time,
  uuid,
  uuidSet,
  varchar,
} from './columns.js';
import type { RowOf } from './packed-row.js';
import { Table } from './table.js';

/** Fits any IPv6 address with its zone. An address that a proxy forwards can be as long as a header. */
const MAX_IP_LENGTH = 64;
const MAX_USER_AGENT_LENGTH = 1024;
/** In characters. */
export const MAX_NAME_LENGTH = 255;
/** In characters. */
export const MAX_DESCRIPTION_LENGTH = 1000;
/** The metadata of a token, in characters of JSON. */
export const MAX_TOKEN_METADATA_LENGTH = 4096;
/** In characters. */
export const MAX_ACTION_LENGTH = 255;

/** In characters. */
const MAX_OWNER_TYPE_LENGTH = 32;
/** The types of actors and targets in the audit trail, in characters. */
const MAX_TYPE_LENGTH = 255;
/** SHA-256 in base64url, in characters. */
export const THUMBPRINT_LENGTH = 43;
/** The metadata of an audit event, in characters of JSON. */
export const MAX_METADATA_LENGTH = 65_536;

/** Data of the application about a token: a JSON object. */
export type TokenMetadata = Readonly<Record<string, unknown>>;

/** Columns that every credential has: whose it is, where it is accepted and for which resources, and what made it. */
const owned = {
  /** `users.type`. */
  ownerType: text(MAX_OWNER_TYPE_LENGTH),
  /** The owner's id, as a string. */
  ownerId: text(MAX_ID_LENGTH),
};
const accepted = {
  /**
   * The IP addresses and CIDR ranges that this credential is accepted from. Null means all addresses. An empty array means
   * none: what made it was limited to other ones.
   */
  allowedIps: nullable(textArray()),
  /**
   * The resources that the scopes of this credential are limited to, such as `project:42` or `project:*`. Null means all
   * resources. An empty array means none: what made it was limited to other ones.
   */
  resources: nullable(textArray()),
};
const made = {
  /**
   * The API token that made this credential: the first one, if it was rotated. Null when a person or the application made it.
   */
  madeByTokenId: nullable(uuid()),
  /** The refresh family whose access token made this credential. */
  madeByFamilyId: nullable(uuid()),
  /** All credentials that made this one, directly or not. It is revoked with each of them. */
  descendsFrom: uuidSet(),
  /** The type of the owner who made this credential, if it is another one: for a token of an organization, a user. */
  creatorType: nullable(text(MAX_OWNER_TYPE_LENGTH)),
  /** The id of that owner. */
  creatorId: nullable(text(MAX_ID_LENGTH)),
};
/** What made a credential. */
export type Making = RowOf<typeof made>;

/** Picks what made a credential. */
export function makingOf({ madeByTokenId, madeByFamilyId, creatorType, creatorId }: Making): Making {
  return { madeByTokenId, madeByFamilyId, creatorType, creatorId };
}

/** Whose a row is. */
export function ownerOf({ ownerType, ownerId }: RowOf<typeof owned>): Owner {
  return { type: ownerType, id: ownerId };
}

/** API tokens. */
export const apiTokens = new Table(
  'sigra_api_tokens',
  {
    id: uuid(),
    /** The first token of the rotations that led to this one. Null for a token that was not made by rotation. */
    originId: nullable(uuid()),
    ...owned,
    /** The owner's token epoch when the token was authorized. The token is revoked when the owner's is later. */
    tokenEpoch: integer(),
    name: varchar(MAX_NAME_LENGTH),
    /** What the token is for, in the words of its owner. */
    description: nullable(text(MAX_DESCRIPTION_LENGTH)),
    /** Data of the application. */
    metadata: jsonObject<TokenMetadata>(MAX_TOKEN_METADATA_LENGTH),
    /** The `apiTokens.prefix` that the token was created with. */
    prefix: text(),
    /** The first characters after the prefix, for display next to the name. */
    hint: text(),
    /** SHA-256 of the raw token; of an imported one, see `foreignTokenHash`. It never changes. */
    tokenHash: hash(),
    /** Finds an imported token faster than `tokenHash`, from its first use on; see `secretHashOf`. */
    secretHash: nullable(hash()),
    scopes: textArray(),
    ...accepted,
    ...made,
    /** The token is rejected from this time on. Null means never. */
    expiresAt: nullable(time()),
    revokedAt: nullable(time()),
    revokeReason: nullable(oneOf('revoked', 'rotated', 'revoke_all', 'locked_out', 'made_by_revoked', 'leaked')),
    /** Written in the background, at most once per `activityUpdateThreshold`. */
    lastUsedAt: nullable(time()),
    /** The client's address at the last use, as the framework reports it. */
    lastUsedIp: nullable(address(MAX_IP_LENGTH)),
    /** The id of the token that replaced this one by rotation. */
    replacedBy: nullable(uuid()),
    createdAt: time(),
  },
  'id',
);

/** An API token as services return it. It contains neither the raw token nor its hash. */
export type ApiToken = ApiTokenRow & {
  /**
   * The kind of the token, by its prefix; see `apiTokens.kinds`. Null without kinds, and for one that is not configured any
   * more.
   */
  readonly kind: string | null;
};

/** A row of `sigra_api_tokens`. */
export type ApiTokenRow = RowOf<typeof apiTokens.columns>;

/** What has become of a token. Its owner can be inactive as well. */
export type ApiTokenState = 'active' | 'revoked' | 'expired';

/** A token in any state, as `ApiTokenService.lookup` and administrators find it. */
export interface LookedUpApiToken {
  readonly token: ApiToken;
  readonly state: ApiTokenState;
}

/** The id by which a token is the maker of others. It survives rotation, so what a token made belongs to its successors. */
export function makerIdOf({ originId, id }: Pick<ApiToken, 'originId' | 'id'>): string {
  return originId ?? id;
}

/** The epochs of each owner, which only grow. An owner without a row is in the epochs 0 and 0. */
export const owners = new Table(
  'sigra_owners',
  {
    ...owned,
    /** API tokens of an earlier epoch are rejected. */
    tokenEpoch: orZero(integer()),
    /** JWTs and refresh tokens of an earlier epoch are rejected. */
    familyEpoch: orZero(integer()),
    /** When the family epoch moved last. JWTs that other issuers had issued until then are rejected. */
    familyEpochAt: nullable(time()),
  },
  'ownerType',
  'ownerId',
);

/** The table of users that each type of owners belongs to. */
export const ownerTypes = new Table(
  'sigra_owner_types',
  {
    ownerType: text(MAX_OWNER_TYPE_LENGTH),
    /** The quoted name of the table, with its schema. */
    userTable: text(),
    /** The column of the users' ids. */
    idColumn: text(),
  },
  'ownerType',
);

/**
 * Work that follows a revocation, in batches: rows that an epoch has ended are marked or deleted, and what a revoked credential
 * made is revoked. The end of an epoch is in force without it.
 */
export const sweeps = new Table(
  'sigra_sweeps',
  {
    id: uuid(),
    ...owned,
    task: oneOf('mark_tokens', 'mark_families', 'forget', 'forget_and_anonymize', 'revoke_made', 'limit_made'),
    /** The credential whose descendants are revoked, or expire when it does, with the tasks `revoke_made` and `limit_made`. */
    makerId: nullable(uuid()),
    /** The new end of the descendants, with the task `limit_made`. */
    endsAt: nullable(time()),
    /** Rows of earlier epochs are concerned. */
    tokenEpoch: integer(),
    familyEpoch: integer(),
    reason: nullable(text()),
    requestedAt: time(),
  },
  'id',
);

/** A sweep. */
export type Sweep = RowOf<typeof sweeps.columns>;

/** Work that one node at a time does: the node that holds it, and until when, by the clock of the database. */
export const leases = new Table(
  'sigra_leases',
  {
    name: text(),
    holder: uuid(),
    expiresAt: time(),
  },
  'name',
);

/** The answers to requests with an idempotency key, for clients that did not receive them. */
export const idempotencyKeys = new Table(
  'sigra_idempotency_keys',
  {
    /** SHA-256 of the key, with the request's kind, caller and subject. */
    keyHash: hash(),
    /** SHA-256 of the other properties of the request. */
    requestHash: text(),
    /** The token that was issued. */
    tokenId: uuid(),
    /** The raw token, sealed with the key. */
    sealedToken: bytes(),
    /** By the clock of the database. */
    expiresAt: time(),
  },
  'keyHash',
);

/** An answer that is kept under an idempotency key. */
export type IdempotencyKeyRow = RowOf<typeof idempotencyKeys.columns>;

/** What the application was told about API tokens: the last notice of each kind, and the claim of the node that sends it. */
export const tokenNotices = new Table(
  'sigra_token_notices',
  {
    tokenId: uuid(),
    kind: oneOf('expiring', 'unused'),
    /** The expiry or the last use of the token that the notice is about. With another one, the thresholds begin again. */
    about: time(),
    /** The threshold, in days. */
    days: integer(),
    claimId: uuid(),
    attempts: integer(),
    /** When the notice is sent again, if it has not been sent. By the clock of the database. */
    retryAt: time(),
    sentAt: nullable(time()),
  },
  'tokenId',
  'kind',
);

/** Proofs of keys (RFC 9449) that have been used, until none of them is accepted any more. */
export const dpopProofs = new Table(
  'sigra_dpop_proofs',
  {
    /** SHA-256 of the thumbprint of the key and the `jti`. */
    proofHash: hash(),
    /** By the clock of the database. */
    expiresAt: time(),
  },
  'proofHash',
);

/** Refresh families: each holds the refresh tokens that descend from one sign-in. */
export const refreshFamilies = new Table(
  'sigra_refresh_families',
  {
    id: uuid(),
    ...owned,
    /** The owner's family epoch when the family was authorized. */
    epoch: integer(),
    scopes: textArray(),
    ...accepted,
    ...made,
    /** The family ends at this time, however often it is refreshed. */
    absoluteExpiresAt: time(),
    revokedAt: nullable(time()),
    revokeReason: nullable(
      oneOf(
        'revoked',
        'revoke_all',
        'reuse_detected',
        'sign_out_everywhere',
        'locked_out',
        'made_by_revoked',
        'too_many_families',
        'leaked',
      ),
    ),
    /** The client's address when the family began. */
    ipAddress: nullable(address(MAX_IP_LENGTH)),
    /** The client's `User-Agent` when the family began. */
    userAgent: nullable(observed(MAX_USER_AGENT_LENGTH)),
    /** The thumbprint of the key that the family's tokens are bound to (RFC 9449 section 5). It never changes. */
    dpopThumbprint: nullable(text(THUMBPRINT_LENGTH)),
    createdAt: time(),
  },
  'id',
);

/** The reasons of a family's end that have also ended what the family made. */
export const LINEAGE_ENDS: readonly RefreshFamilyRow['revokeReason'][] = [
  'locked_out',
  'reuse_detected',
  'made_by_revoked',
  'leaked',
];

/** A refresh family. */
export type RefreshFamilyRow = RowOf<typeof refreshFamilies.columns>;

/** Refresh tokens. A family has at most one that is not consumed. */
export const refreshTokens = new Table(
  'sigra_refresh_tokens',
  {
    id: uuid(),
    familyId: uuid(),
    /** The id of the token that this one succeeded. */
    parentId: nullable(uuid()),
    /** SHA-256 of the raw token. */
    tokenHash: hash(),
    expiresAt: time(),
    consumedAt: nullable(time()),
    /** The raw successor, sealed with this raw token. Only set during the leeway. */
    sealedSuccessor: nullable(bytes()),
    createdAt: time(),
  },
  'id',
);

/** A refresh token. It contains neither the raw token nor its hash. */
export type RefreshTokenRow = RowOf<typeof refreshTokens.columns>;

/** Requests with API tokens, counted by day. */
export const tokenUsage = new Table(
  'sigra_token_usage',
  {
    tokenId: uuid(),
    /** In UTC. */
    day: date(),
    requests: bigint(),
  },
  'tokenId',
  'day',
);

/** The outcome of the action of an audit event. */
export type AuditOutcome = 'success' | 'failure';

/** Audit events. */
export const auditEvents = new Table(
  'sigra_audit_events',
  {
    id: uuid(),
    action: text(MAX_ACTION_LENGTH),
    outcome: oneOf<AuditOutcome>('success', 'failure'),
    actorId: nullable(text(MAX_ID_LENGTH)),
    /** The type of an owner, `system`, `anonymous`, or a type of the application's own. */
    actorType: text(MAX_TYPE_LENGTH),
    targetId: nullable(text(MAX_ID_LENGTH)),
    targetType: nullable(text(MAX_TYPE_LENGTH)),
    /** A JSON object of at most 65,536 characters and 32 levels. Dates are ISO 8601 strings. */
    metadata: json<Readonly<Record<string, unknown>>>(MAX_METADATA_LENGTH),
    ipAddress: nullable(address(MAX_IP_LENGTH)),
    userAgent: nullable(observed(MAX_USER_AGENT_LENGTH)),
    occurredAt: time(),
  },
  'id',
);

/** An audit event. */
export type AuditEvent = RowOf<typeof auditEvents.columns>;

/** All of Sigra's tables. */
export const sigraTables = {
  apiTokens,
  auditEvents,
  dpopProofs,
  idempotencyKeys,
  leases,
  owners,
  ownerTypes,
  refreshFamilies,
  refreshTokens,
  sweeps,
  tokenNotices,
  tokenUsage,
};
