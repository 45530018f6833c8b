// The module and its configuration.
export { SigraModule } from './sigra.module.js';
export { SigraConfigError } from './config/sigra-config-error.js';
export type {
  AdminOptions,
  ApiTokenKindOptions,
  ApiTokenOptions,
  AuditOptions,
  ChangeHook,
  CleanupOptions,
  CommittedChange,
  ControllerPaths,
  CredentialOptions,
  DpopAlgorithm,
  DpopMode,
  DpopOptions,
  ForeignFormatOptions,
  ForeignToken,
  HooksOptions,
  HostCredential,
  HostRequest,
  JwtAlgorithm,
  JwtCheck,
  RouteChecking,
  JwtKeyOptions,
  JwtOptions,
  JwtSigner,
  LeakedCredential,
  LeakKeyOptions,
  LeakOptions,
  LeakPlace,
  LeakReport,
  MetadataOptions,
  NoticedApiToken,
  ReplicasOptions,
  SessionOptions,
  SessionRequest,
  SessionUserId,
  SigraModuleExtras,
  ScopeOptions,
  SigraModuleOptions,
  TokenNotice,
  TokenNoticeOptions,
  TrustedIssuers,
  UsageOptions,
  OwnersOptions,
  UserEntityOptions,
  UserProvider,
  UserProviderOptions,
  UsersOptions,
} from './config/sigra-options.js';

// API tokens.
export { ApiTokenService } from './tokens/api-token.service.js';
export type { ApiTokenPage, ListActiveApiTokens, ListApiTokens, VerifyApiToken } from './tokens/api-token.service.js';
export { ApiTokenAdminService } from './tokens/api-token-admin.service.js';
export type { FoundApiTokenPage, SearchApiTokens } from './tokens/api-token-admin.service.js';
export type { ListOrder } from './common/cursor.js';
export type { MatchingApiTokens, RevokedApiTokens } from './tokens/matching-token.revoker.js';
export type { ApiTokenFilter } from './persistence/api-token-filter.js';
export type { CreateApiToken } from './tokens/api-token.issuer.js';
export type { RotateApiToken } from './tokens/api-token.rotator.js';
export type { UpdateApiToken } from './tokens/api-token.updater.js';
export type { HashedToken } from './tokens/hashed-token.js';
export type { ImportedTokens, SkippedToken } from './tokens/hashed-token.importer.js';
export type { IssuedApiToken } from './tokens/issue.replayer.js';
export type { TokenUsage, UsageRange } from './tokens/usage.reader.js';
export type { ApiToken, ApiTokenState, LookedUpApiToken, TokenMetadata } from './persistence/tables.js';
export type { ApiTokenView } from './http/api-token.controller.js';
export type { AdminApiTokenView } from './http/api-token-admin.controller.js';
export { createRedactor, type Redactor } from './common/redactor.js';
export { tokenPattern } from './common/token-format.js';
export { decodeCursor, encodeCursor } from './common/cursor.js';
export type { CursorPosition } from './common/cursor.js';

// JWTs and refresh tokens.
export { SigraJwtService } from './jwt/sigra-jwt.service.js';
export type { FamilyPage, ListFamilies } from './jwt/sigra-jwt.service.js';
export type { FamilyView } from './http/jwt.controller.js';
export type { RefreshFamily } from './persistence/refresh-family.repository.js';
export type { AccessTokenClaims } from './jwt/access-token-claims.js';
export type { RefreshRequest } from './jwt/refresh-token.rotator.js';
export type { AccessTokenGrant, TokenPair, TokenType } from './jwt/token-pair.js';
export type { TokenBinding } from './jwt/token-binding.js';
export { DpopService } from './auth/dpop.service.js';
export type { AccessTokenResponse, TokenResponse } from './http/token-response.js';

// All credentials of an owner.
export { CredentialService } from './owners/credential.service.js';
export type { ForgetOptions } from './owners/credential.service.js';
export type { Owner } from './common/principal.js';

// Scopes.
export { can } from './scopes/can.js';
export type { CanOptions, ScopeHolder } from './scopes/can.js';
export type { ScopeDetails } from './scopes/scope-registry.js';
export type { ScopeRules } from './common/scope-rules.js';
export { scopeRules } from './config/scope-catalogue.js';
export { requireScopes } from './scopes/assert-scopes.js';

// Guards, decorators and HTTP answers.
export { BearerAuthGuard, ScopeGuard, SessionAuthGuard, SigraAuthGuard } from './auth/auth.guards.js';
export { BearerStrategy } from './auth/bearer.strategy.js';
export {
  AllowAnonymous,
  AllowOwners,
  EnforcesScopes,
  CurrentCaller,
  CurrentPrincipal,
  CurrentUser,
  OptionalAuth,
  RequireKind,
  RequireScopes,
} from './auth/auth.decorators.js';
export type { ResourceFinder } from './auth/resource-rule.js';
export { admit } from './auth/admit.js';
export type { AdmissionSettings } from './auth/admit.js';
export type { HttpRequest } from './auth/http-exchange.js';
export { CachesPerPrincipal, perPrincipal } from './auth/response-cache.js';
export { SigraExceptionFilter } from './auth/sigra-exception.filter.js';
export type { HttpRefusalBody } from './auth/http-refusal.js';
export type {
  AnyPrincipal,
  AuthMethod,
  OwnerPrincipal,
  Principal,
  PrincipalOwner,
  PrincipalToken,
} from './common/principal.js';
export { ownerRef, type OwnerReference } from './common/owner-reference.js';
export type { Caller } from './common/caller.js';

// Errors and time.
export { SigraError } from './common/sigra-error.js';
export type { ImportProblem, ScopeRefusal, SigraErrorCode, SigraErrorOptions } from './common/sigra-error.js';
export { Clock, SystemClock } from './common/clock.js';

// Audit and telemetry.
export { AuditService } from './audit/audit.service.js';
export type { AuditPage, AuditQuery, AuditStream } from './audit/audit.service.js';
export type { AuditFilter } from './persistence/audit-event.repository.js';
export type { AuditEvent, AuditOutcome } from './persistence/tables.js';
export type { AuditDetails, JwtAuditAction, NewAuditEvent, SigraAuditAction } from './audit/audit-event.js';
export type {
  AuditLogSafeError,
  LookupBatch,
  LookupName,
  LookupQueue,
  LookupShed,
  StandbyRead,
  OwnersKept,
  RefreshReuse,
  SigraTrace,
  SweepProgress,
  Verification,
} from './telemetry/channels.js';

// Persistence and maintenance.
export {
  ApiTokenEntity,
  AuditEventEntity,
  OwnerEntity,
  RefreshFamilyEntity,
  RefreshTokenEntity,
  sigraEntities,
  SweepEntity,
  TokenUsageEntity,
} from './persistence/sigra-entities.js';
export { InjectSigraDataSource } from './persistence/sigra-database.js';
export { translateDatabaseError } from './persistence/translate-database-error.js';
export { sigraMigrations, sigraPartitionMigrations } from './persistence/migrations/sigra-migrations.js';
export type { UserRef } from './persistence/user-directory.js';
export { TokenCleanupService } from './maintenance/token-cleanup.service.js';
export type { CleanupProgress, CleanupReport, CleanupRequest } from './maintenance/token-cleanup.service.js';
export { HealthProbe, type HealthReport } from './maintenance/health.probe.js';
