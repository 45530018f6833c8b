import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import * as main from 'nestjs-sigra';
import * as issuers from 'nestjs-sigra/issuers';
import * as openTelemetry from 'nestjs-sigra/opentelemetry';
import * as swagger from 'nestjs-sigra/swagger';
import * as terminus from 'nestjs-sigra/terminus';
import * as testing from 'nestjs-sigra/testing';
import * as throttler from 'nestjs-sigra/throttler';
import ts from 'typescript';

/** The names that an entry file exports as types only. */
function typesOf(file: string): string[] {
  const path = new URL(`../../libs/sigra/src/${file}`, import.meta.url);
  const source = ts.createSourceFile(file, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest);
  return source.statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement) || !statement.exportClause || !ts.isNamedExports(statement.exportClause)) {
      throw new Error(`${file} must contain nothing but lists of named exports`);
    }
    const { isTypeOnly, exportClause } = statement;
    return exportClause.elements.filter((each) => isTypeOnly || each.isTypeOnly).map(({ name }) => name.text);
  });
}

describe('nestjs-sigra', () => {
  it('exports these values', () => {
    expect(Object.keys(main).sort()).toEqual([
      'AllowAnonymous',
      'AllowOwners',
      'ApiTokenAdminService',
      'ApiTokenEntity',
      'ApiTokenService',
      'AuditEventEntity',
      'AuditService',
      'BearerAuthGuard',
      'BearerStrategy',
      'CachesPerPrincipal',
      'Clock',
      'CredentialService',
      'CurrentCaller',
      'CurrentPrincipal',
      'CurrentUser',
      'DpopService',
      'EnforcesScopes',
      'HealthProbe',
      'InjectSigraDataSource',
      'OptionalAuth',
      'OwnerEntity',
      'RefreshFamilyEntity',
      'RefreshTokenEntity',
      'RequireKind',
      'RequireScopes',
      'ScopeGuard',
      'SessionAuthGuard',
      'SigraAuthGuard',
      'SigraConfigError',
      'SigraError',
      'SigraExceptionFilter',
      'SigraJwtService',
      'SigraModule',
      'SweepEntity',
      'SystemClock',
      'TokenCleanupService',
      'TokenUsageEntity',
      'admit',
      'can',
      'createRedactor',
      'decodeCursor',
      'encodeCursor',
      'ownerRef',
      'perPrincipal',
      'requireScopes',
      'scopeRules',
      'sigraEntities',
      'sigraMigrations',
      'tokenPattern',
      'translateDatabaseError',
    ]);
  });

  it('has guards whose way to the request can be overridden', () => {
    for (const guard of [main.SigraAuthGuard, main.BearerAuthGuard, main.SessionAuthGuard]) {
      expect((guard.prototype as unknown as { getRequest: unknown }).getRequest).toBeInstanceOf(Function);
    }
  });

  it('exports these types', () => {
    expect(typesOf('index.ts').sort()).toEqual([
      'AccessTokenClaims',
      'AccessTokenGrant',
      'AccessTokenResponse',
      'AdminApiTokenView',
      'AdminOptions',
      'AdmissionSettings',
      'AnyPrincipal',
      'ApiToken',
      'ApiTokenFilter',
      'ApiTokenKindOptions',
      'ApiTokenOptions',
      'ApiTokenPage',
      'ApiTokenState',
      'ApiTokenView',
      'AuditDetails',
      'AuditEvent',
      'AuditFilter',
      'AuditLogSafeError',
      'AuditOptions',
      'AuditOutcome',
      'AuditPage',
      'AuditQuery',
      'AuditStream',
      'AuthMethod',
      'Caller',
      'CanOptions',
      'ChangeHook',
      'CleanupOptions',
      'CleanupProgress',
      'CleanupReport',
      'CleanupRequest',
      'CommittedChange',
      'ControllerPaths',
      'CreateApiToken',
      'CredentialOptions',
      'CursorPosition',
      'DpopAlgorithm',
      'DpopMode',
      'DpopOptions',
      'FamilyPage',
      'FamilyView',
      'ForeignFormatOptions',
      'ForeignToken',
      'ForgetOptions',
      'FoundApiTokenPage',
      'HashedToken',
      'HealthReport',
      'HooksOptions',
      'HostCredential',
      'HostRequest',
      'HttpRefusalBody',
      'HttpRequest',
      'ImportProblem',
      'ImportedTokens',
      'IssuedApiToken',
      'JwtAlgorithm',
      'JwtAuditAction',
      'JwtCheck',
      'JwtKeyOptions',
      'JwtOptions',
      'JwtSigner',
      'LeakKeyOptions',
      'LeakOptions',
      'LeakPlace',
      'LeakReport',
      'LeakedCredential',
      'ListApiTokens',
      'ListFamilies',
      'LookedUpApiToken',
      'LookupBatch',
      'LookupName',
      'LookupQueue',
      'LookupShed',
      'MatchingApiTokens',
      'MetadataOptions',
      'NewAuditEvent',
      'NoticedApiToken',
      'Owner',
      'OwnerPrincipal',
      'OwnerReference',
      'OwnersKept',
      'OwnersOptions',
      'Principal',
      'PrincipalOwner',
      'Redactor',
      'RefreshFamily',
      'RefreshRequest',
      'RefreshReuse',
      'ResourceFinder',
      'RevokedApiTokens',
      'RotateApiToken',
      'RouteChecking',
      'ScopeDetails',
      'ScopeHolder',
      'ScopeOptions',
      'ScopeRefusal',
      'ScopeRules',
      'SearchApiTokens',
      'SessionOptions',
      'SessionRequest',
      'SessionUserId',
      'SigraAuditAction',
      'SigraErrorCode',
      'SigraErrorOptions',
      'SigraModuleExtras',
      'SigraModuleOptions',
      'SigraTrace',
      'SkippedToken',
      'SweepProgress',
      'TokenBinding',
      'TokenMetadata',
      'TokenNotice',
      'TokenNoticeOptions',
      'TokenPair',
      'TokenResponse',
      'TokenType',
      'TokenUsage',
      'TrustedIssuers',
      'UpdateApiToken',
      'UsageOptions',
      'UsageRange',
      'UserEntityOptions',
      'UserProvider',
      'UserProviderOptions',
      'UserRef',
      'UsersOptions',
      'VerifyApiToken',
    ]);
  });
});

describe('nestjs-sigra/testing', () => {
  it('exports these values', () => {
    expect(Object.keys(testing).sort()).toEqual([
      'FakeClock',
      'actingAs',
      'assertAuditEvent',
      'assertScopeDenied',
      'assertTokenRevoked',
      'bearer',
      'createApiToken',
      'expiredApiToken',
      'expiredJwt',
      'flushBackgroundWrites',
      'generateJwt',
      'jwtWithScopes',
      'refreshPair',
      'revokedApiToken',
      'scopedApiToken',
    ]);
  });

  it('exports these types', () => {
    expect(typesOf('testing.ts').sort()).toEqual([
      'ActingCredential',
      'ActingGuard',
      'ActingPrincipal',
      'ApiTokenOverrides',
      'Duration',
      'ExpectedAuditEvent',
      'FetchAnswer',
      'HttpAnswer',
      'InjectAnswer',
      'Providers',
      'SupertestAnswer',
    ]);
  });
});

describe('nestjs-sigra/issuers', () => {
  it('exports these values', () => {
    expect(Object.keys(issuers)).toEqual(['trustIssuers']);
  });

  it('exports these types', () => {
    expect(typesOf('issuers.ts').sort()).toEqual([
      'ForeignAlgorithm',
      'ForeignClaims',
      'ForeignOwnerId',
      'TrustedIssuerOptions',
    ]);
  });
});

describe('nestjs-sigra/opentelemetry', () => {
  it('exports these values', () => {
    expect(Object.keys(openTelemetry)).toEqual(['SigraOpenTelemetryModule']);
  });

  it('exports these types', () => {
    expect(typesOf('opentelemetry.ts')).toEqual(['SigraOpenTelemetryOptions']);
  });
});

describe('nestjs-sigra/swagger', () => {
  it('exports these values', () => {
    expect(Object.keys(swagger)).toEqual(['describeSigra']);
  });

  it('exports these types', () => {
    expect(typesOf('swagger.ts')).toEqual(['DescribeSigraOptions']);
  });
});

describe('nestjs-sigra/terminus', () => {
  it('exports these values', () => {
    expect(Object.keys(terminus)).toEqual(['SigraHealthIndicator']);
  });
});

describe('nestjs-sigra/throttler', () => {
  it('exports these values', () => {
    expect(Object.keys(throttler).sort()).toEqual([
      'SigraThrottlerGuard',
      'limitOf',
      'trackByAddress',
      'trackByOwner',
      'trackByToken',
    ]);
  });
});
