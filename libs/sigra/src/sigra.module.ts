import { type ConfigurableModuleAsyncOptions, type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ScheduleModule } from '@nestjs/schedule';
import { AuditWriter } from './audit/audit-writer.js';
import { AuditService } from './audit/audit.service.js';
import { Authenticator } from './auth/authenticator.js';
import { BearerAuthenticator } from './auth/bearer.authenticator.js';
import { BearerStrategy } from './auth/bearer.strategy.js';
import { BearerAuthGuard } from './auth/guards/bearer-auth.guard.js';
import { ScopeGuard } from './auth/guards/scope.guard.js';
import { SessionAuthGuard } from './auth/guards/session-auth.guard.js';
import { SigraAuthGuard } from './auth/guards/sigra-auth.guard.js';
import { SessionAuthenticator } from './auth/session.authenticator.js';
import { SigraExceptionFilter } from './auth/sigra-exception.filter.js';
import { Clock, SystemClock } from './common/clock.js';
import { resolveConfig } from './config/resolve-config.js';
import { SIGRA_CONFIG } from './config/sigra-config.js';
import type { SigraModuleExtras, SigraModuleOptions } from './config/sigra-options.js';
import { AccessTokenSigner } from './jwt/access-token.signer.js';
import { AccessTokenVerifier } from './jwt/access-token.verifier.js';
import { JwtIntrospector } from './jwt/introspector.js';
import { JwkSet } from './jwt/jwk-set.js';
import { RefreshTokenIssuer } from './jwt/refresh-token.issuer.js';
import { RefreshTokenRevoker } from './jwt/refresh-token.revoker.js';
import { RefreshTokenRotator } from './jwt/refresh-token.rotator.js';
import { SigraJwtService } from './jwt/sigra-jwt.service.js';
import { CleanupSchedule } from './maintenance/cleanup.schedule.js';
import { TokenCleanupService } from './maintenance/token-cleanup.service.js';
import { AdvisoryLock } from './persistence/advisory-lock.js';
import { ApiTokenRepository } from './persistence/api-token.repository.js';
import { AuditEventRepository } from './persistence/audit-event.repository.js';
import { CredentialReader } from './persistence/credential-reader.js';
import { RefreshTokenReader } from './persistence/refresh-token.reader.js';
import { RefreshTokenRepository } from './persistence/refresh-token.repository.js';
import { SigraDatabase } from './persistence/sigra-database.js';
import { SubjectReader } from './persistence/subject-reader.js';
import { UserDirectory } from './persistence/user-directory.js';
import { ScopeRegistry } from './scopes/scope-registry.js';
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } from './sigra.module-definition.js';
import { ApiTokenIssuer } from './tokens/api-token.issuer.js';
import { ApiTokenRevoker } from './tokens/api-token.revoker.js';
import { ApiTokenService } from './tokens/api-token.service.js';
import { ApiTokenVerifier } from './tokens/api-token.verifier.js';
import { LastUsedRecorder } from './tokens/last-used.recorder.js';
import { VerifyFailureRecorder } from './tokens/verify-failure.recorder.js';

/**
 * API authentication for a Nest application. Import it once, at the root, beside TypeORM's module.
 *
 * @example
 * SigraModule.forRoot({
 *   users: { entity: User },
 *   apiTokens: { scopes: ['read:projects', 'write:projects'] },
 *   session: { userId: (request) => request.session?.userId },
 *   controllers: { tokens: 'api/tokens' },
 * })
 */
@Module({
  imports: [ScheduleModule.forRoot()],
  providers: [
    { provide: SIGRA_CONFIG, useFactory: resolveConfig, inject: [MODULE_OPTIONS_TOKEN] },
    { provide: Clock, useClass: SystemClock },
    ScopeRegistry,
    SigraDatabase,
    UserDirectory,
    CredentialReader,
    SubjectReader,
    ApiTokenRepository,
    AuditEventRepository,
    RefreshTokenReader,
    RefreshTokenRepository,
    AdvisoryLock,
    AuditWriter,
    AuditService,
    ApiTokenIssuer,
    ApiTokenVerifier,
    ApiTokenRevoker,
    ApiTokenService,
    LastUsedRecorder,
    VerifyFailureRecorder,
    AccessTokenSigner,
    AccessTokenVerifier,
    RefreshTokenIssuer,
    RefreshTokenRotator,
    RefreshTokenRevoker,
    JwtIntrospector,
    JwkSet,
    SigraJwtService,
    SessionAuthenticator,
    BearerAuthenticator,
    Authenticator,
    SigraAuthGuard,
    BearerAuthGuard,
    SessionAuthGuard,
    ScopeGuard,
    BearerStrategy,
    SigraExceptionFilter,
    { provide: APP_FILTER, useExisting: SigraExceptionFilter },
    TokenCleanupService,
    CleanupSchedule,
  ],
  exports: [
    // What guards need where they are used, in the host's modules.
    SIGRA_CONFIG,
    Authenticator,
    Clock,
    ApiTokenService,
    SigraJwtService,
    AuditService,
    TokenCleanupService,
    SigraAuthGuard,
    BearerAuthGuard,
    SessionAuthGuard,
    ScopeGuard,
    BearerStrategy,
    LastUsedRecorder,
    VerifyFailureRecorder,
  ],
})
export class SigraModule extends ConfigurableModuleClass {
  /**
   * Configures the module. Wrong options fail here or while the application boots, with a `SigraConfigError`.
   *
   * @typeParam User the host's user type, inferred from `users`
   */
  static override forRoot<User extends object>(options: SigraModuleOptions<User> & SigraModuleExtras): DynamicModule {
    return super.forRoot(options as unknown as SigraModuleOptions & SigraModuleExtras);
  }

  /**
   * Configures the module from other providers. `isGlobal`, `dataSource` and `controllers` stand beside `useFactory`:
   * they shape the module before any provider exists.
   */
  static override forRootAsync<User extends object>(
    options: ConfigurableModuleAsyncOptions<SigraModuleOptions<User>> & SigraModuleExtras,
  ): DynamicModule {
    return super.forRootAsync(
      options as unknown as ConfigurableModuleAsyncOptions<SigraModuleOptions> & SigraModuleExtras,
    );
  }
}
