// The module and its configuration.
export { SigraModule } from './sigra.module.js';
export { SigraConfigError } from './config/sigra-config-error.js';
export type {
  ApiTokenOptions,
  AuditOptions,
  CleanupOptions,
  ControllerPaths,
  JwtAlgorithm,
  JwtCheck,
  JwtKeyOptions,
  JwtOptions,
  SessionOptions,
  SessionRequest,
  SessionUserId,
  SigraModuleExtras,
  SigraModuleOptions,
  UserEntityOptions,
  UserProvider,
  UserProviderOptions,
  UsersOptions,
} from './config/sigra-options.js';

// API tokens.
export { ApiTokenService } from './tokens/api-token.service.js';
export type { ApiTokenPage, ListApiTokens } from './tokens/api-token.service.js';
export type { CreateApiToken, RotateApiToken } from './tokens/api-token.issuer.js';
export type { ApiToken, IssuedApiToken } from './tokens/api-token.js';
export { LastUsedRecorder } from './tokens/last-used.recorder.js';
export { VerifyFailureRecorder } from './tokens/verify-failure.recorder.js';
export type { RequestOrigin } from './tokens/verify-failure.recorder.js';
export type { ApiTokenView } from './http/token-view.js';
export { tokenPattern } from './common/token-format.js';
export { decodeCursor, encodeCursor } from './common/cursor.js';
export type { CursorPosition } from './common/cursor.js';

// JWTs and refresh tokens.
export { SigraJwtService } from './jwt/sigra-jwt.service.js';
export type { SignIn } from './jwt/sigra-jwt.service.js';
export type { AccessTokenClaims } from './jwt/access-token-claims.js';
export { AccessTokenSigner } from './jwt/access-token.signer.js';
export type { AccessTokenSubject, SignedAccessToken } from './jwt/access-token.signer.js';
export type { RefreshRequest } from './jwt/refresh-token.rotator.js';
export type { TokenPair } from './jwt/token-pair.js';
export type { TokenResponse } from './http/token-response.js';

// Scopes.
export { can } from './scopes/can.js';
export type { CanOptions, ScopeHolder } from './scopes/can.js';

// Guards, decorators and answers.
export { SigraAuthGuard } from './auth/guards/sigra-auth.guard.js';
export { BearerAuthGuard } from './auth/guards/bearer-auth.guard.js';
export { SessionAuthGuard } from './auth/guards/session-auth.guard.js';
export { ScopeGuard } from './auth/guards/scope.guard.js';
export { BearerStrategy } from './auth/bearer.strategy.js';
export { RequireScopes } from './auth/decorators/require-scopes.decorator.js';
export { AllowAnonymous } from './auth/decorators/allow-anonymous.decorator.js';
export { OptionalAuth } from './auth/decorators/optional-auth.decorator.js';
export { CurrentPrincipal } from './auth/decorators/current-principal.decorator.js';
export { CurrentUser } from './auth/decorators/current-user.decorator.js';
export { admit } from './auth/admit.js';
export type { AdmissionSettings } from './auth/admit.js';
export { SigraExceptionFilter } from './auth/sigra-exception.filter.js';
export type { HttpRefusalBody } from './auth/http-refusal.js';
export type { AuthMethod, Principal } from './common/principal.js';

// Errors and time.
export { SigraError } from './common/sigra-error.js';
export type { ScopeRefusal, SigraErrorCode, SigraErrorOptions } from './common/sigra-error.js';
export { Clock, SystemClock } from './common/clock.js';

// Audit and telemetry.
export { AuditService } from './audit/audit.service.js';
export type { AuditFilter, AuditPage, AuditQuery } from './audit/audit.service.js';
export type {
  AuditDetails,
  AuditEvent,
  AuditOutcome,
  CallContext,
  JwtAuditAction,
  NewAuditEvent,
  SigraAuditAction,
} from './audit/audit-event.js';
export type { AuditLogSafeError, RefreshReuse, SigraTrace } from './telemetry/channels.js';

// Persistence and maintenance.
export { sigraEntities } from './persistence/entities/sigra-entities.js';
export { ApiTokenEntity } from './persistence/entities/api-token.entity.js';
export { RefreshFamilyEntity } from './persistence/entities/refresh-family.entity.js';
export { RefreshTokenEntity } from './persistence/entities/refresh-token.entity.js';
export { SubjectEntity } from './persistence/entities/subject.entity.js';
export { AuditEventEntity } from './persistence/entities/audit-event.entity.js';
export { SIGRA_DATA_SOURCE } from './persistence/sigra-database.js';
export { sigraMigrations } from './persistence/migrations/sigra-migrations.js';
export type { UserRef } from './persistence/user-directory.js';
export { TokenCleanupService } from './maintenance/token-cleanup.service.js';
export type { CleanupOptions as CleanupRun, CleanupReport } from './maintenance/token-cleanup.service.js';
