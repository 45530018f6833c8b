import { type ConfigurableModuleAsyncOptions, type DynamicModule, Module, type NestModule } from '@nestjs/common';
import { AuditService } from './audit/audit.service.js';
import { AuditWriter } from './audit/audit.writer.js';
import { ChangeHooks } from './audit/change.hooks.js';
import { authExports, authProviders } from './auth/auth.providers.js';
import { Clock, SystemClock } from './common/clock.js';
import { announceCopy, refusalsOfCopies } from './common/package-copies.js';
import { ProviderScopeCheck } from './config/provider-scope.check.js';
import { resolveConfig } from './config/resolve-config.js';
import { SIGRA_CONFIG } from './config/sigra-config.js';
import type { SigraModuleExtras, SigraModuleOptions } from './config/sigra-options.js';
import { BodyLimits } from './http/body.limits.js';
import { httpProviders } from './http/http.providers.js';
import { OAuthParserErrors } from './http/oauth-parser.errors.js';
import { PublicDocuments } from './http/public.documents.js';
import { jwtProviders } from './jwt/jwt.providers.js';
import { SigraJwtService } from './jwt/sigra-jwt.service.js';
import { CleanupSchedule } from './maintenance/cleanup.schedule.js';
import { AuditPartitionKeeper } from './maintenance/audit-partition.keeper.js';
import { FormerOwnerCleaner } from './maintenance/former-owner.cleaner.js';
import { HealthProbe } from './maintenance/health.probe.js';
import { TokenCleanupService } from './maintenance/token-cleanup.service.js';
import { TokenNoticeSender } from './maintenance/token-notice.sender.js';
import { CredentialService } from './owners/credential.service.js';
import { ownerProviders } from './owners/owner.providers.js';
import { persistenceProviders } from './persistence/persistence.providers.js';
import { SIGRA_DATA_SOURCE } from './persistence/sigra-database.js';
import { ScopeRegistry } from './scopes/scope-registry.js';
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } from './sigra.module-definition.js';
import { ApiTokenAdminService } from './tokens/api-token-admin.service.js';
import { ApiTokenService } from './tokens/api-token.service.js';
import { tokenProviders } from './tokens/token.providers.js';

// Nest resolves the dependencies of a guard in the module that uses it, so guards need the configuration and the
// clock there.
const EXPORTS = [
  SIGRA_CONFIG,
  SIGRA_DATA_SOURCE,
  Clock,
  ApiTokenService,
  ApiTokenAdminService,
  SigraJwtService,
  CredentialService,
  AuditService,
  TokenCleanupService,
  HealthProbe,
  ...authExports,
];
announceCopy(EXPORTS);

/**
 * API authentication for a Nest application. Import it once, in the root module, next to `TypeOrmModule`.
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
  providers: [
    { provide: SIGRA_CONFIG, useFactory: resolveConfig, inject: [MODULE_OPTIONS_TOKEN] },
    ProviderScopeCheck,
    { provide: Clock, useClass: SystemClock },
    ScopeRegistry,
    ...persistenceProviders,
    ChangeHooks,
    AuditWriter,
    AuditService,
    ...ownerProviders,
    ...tokenProviders,
    ...jwtProviders,
    ...authProviders,
    AuditPartitionKeeper,
    FormerOwnerCleaner,
    TokenCleanupService,
    CleanupSchedule,
    HealthProbe,
    TokenNoticeSender,
    ...httpProviders,
  ],
  exports: EXPORTS,
})
export class SigraModule extends ConfigurableModuleClass implements NestModule {
  constructor(
    private readonly documents: PublicDocuments,
    private readonly parserErrors: OAuthParserErrors,
    private readonly bodyLimits: BodyLimits,
  ) {
    super();
  }

  /** Nest calls it between the body parsers and the routes, and only in applications that serve HTTP. */
  configure(): void {
    this.documents.serve();
    this.parserErrors.register();
    this.bodyLimits.register();
  }

  /**
   * Configures the module. Wrong options are rejected here or while the application boots.
   *
   * @typeParam User the host's user type, inferred from `users`
   * @throws SigraConfigError with the name of the option and its remedy
   */
  static override forRoot<User extends object>(options: SigraModuleOptions<User> & SigraModuleExtras): DynamicModule {
    return refusingCopies(super.forRoot(options as unknown as SigraModuleOptions & SigraModuleExtras));
  }

  /**
   * Configures the module from other providers. Pass `isGlobal`, `dataSource` and `controllers` next to `useFactory`, not in
   * its result: they determine the module before any provider exists.
   *
   * @typeParam User the host's user type
   */
  static override forRootAsync<User extends object>(
    options: ConfigurableModuleAsyncOptions<SigraModuleOptions<User>> & SigraModuleExtras,
  ): DynamicModule {
    return refusingCopies(
      super.forRootAsync(options as unknown as ConfigurableModuleAsyncOptions<SigraModuleOptions> & SigraModuleExtras),
    );
  }
}

function refusingCopies({ providers = [], exports = [], ...definition }: DynamicModule): DynamicModule {
  const refusals = refusalsOfCopies(EXPORTS);
  return { ...definition, providers: [...providers, ...refusals], exports: [...exports, ...refusals] };
}
