import {
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
} from './tables.js';

/** Rows of `sigra_api_tokens`, for the application's own queries. */
export const ApiTokenEntity = apiTokens.entity('SigraApiToken');
/** Rows of `sigra_audit_events`. */
export const AuditEventEntity = auditEvents.entity('SigraAuditEvent');
/** Rows of `sigra_refresh_families`. */
export const RefreshFamilyEntity = refreshFamilies.entity('SigraRefreshFamily');
/** Rows of `sigra_refresh_tokens`. */
export const RefreshTokenEntity = refreshTokens.entity('SigraRefreshToken');
/** Rows of `sigra_owners`. */
export const OwnerEntity = owners.entity('SigraOwner');
/** Rows of `sigra_owner_types`. */
export const OwnerTypeEntity = ownerTypes.entity('SigraOwnerType');
/** Rows of `sigra_idempotency_keys`. */
export const IdempotencyKeyEntity = idempotencyKeys.entity('SigraIdempotencyKey');
/** Rows of `sigra_dpop_proofs`. */
export const DpopProofEntity = dpopProofs.entity('SigraDpopProof');
/** Rows of `sigra_leases`. */
export const LeaseEntity = leases.entity('SigraLease');
/** Rows of `sigra_sweeps`. */
export const SweepEntity = sweeps.entity('SigraSweep');
/** Rows of `sigra_token_notices`. */
export const TokenNoticeEntity = tokenNotices.entity('SigraTokenNotice');
/** Rows of `sigra_token_usage`. */
export const TokenUsageEntity = tokenUsage.entity('SigraTokenUsage');

/** Sigra's entities, for the `entities` of the application's DataSource. `sigraMigrations` create their tables. */
export const sigraEntities = [
  ApiTokenEntity,
  AuditEventEntity,
  DpopProofEntity,
  IdempotencyKeyEntity,
  LeaseEntity,
  OwnerEntity,
  OwnerTypeEntity,
  RefreshFamilyEntity,
  RefreshTokenEntity,
  SweepEntity,
  TokenNoticeEntity,
  TokenUsageEntity,
];
