import { type DynamicModule, Module, ValidationPipe } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { type JwtOptions, SigraAuthGuard, SigraModule } from 'nestjs-sigra';
import { SigraOpenTelemetryModule } from 'nestjs-sigra/opentelemetry';
import { AdminController } from './admin/admin.controller.js';
import { dataSourceOptions } from './database/data-source.options.js';
import { SCOPES } from './scopes.js';
import { UnavailableInterceptor } from './database/unavailable.interceptor.js';
import { OperationsModule } from './operations/operations.module.js';
import { PrometheusMetrics } from './operations/prometheus-metrics.js';
import { Organization } from './organizations/organization.entities.js';
import { OrganizationsModule } from './organizations/organizations.module.js';
import { ORGANIZATION, OrganizationsService } from './organizations/organizations.service.js';
import { PagesModule } from './pages/pages.module.js';
import { ProjectsModule } from './projects/projects.module.js';
import { SessionsModule } from './sessions/sessions.module.js';
import { User } from './users/user.entity.js';
import { UsersModule } from './users/users.module.js';
import { StartTokensService } from './welcome/start-tokens.service.js';

export interface AppSettings {
  readonly databaseUrl: string;
  readonly jwt: JwtOptions;
}

@Module({})
export class AppModule {
  static forRoot({ databaseUrl, jwt }: AppSettings): DynamicModule {
    return {
      module: AppModule,
      imports: [
        TypeOrmModule.forRoot({
          ...dataSourceOptions(databaseUrl),
          retryAttempts: 0,
          // A connection that falls silent must not keep a handler waiting.
          extra: { query_timeout: 5000 },
        }),
        SigraModule.forRootAsync({
          imports: [OrganizationsModule],
          inject: [OrganizationsService],
          useFactory: (organizations: OrganizationsService) => ({
            users: { entity: User },
            owners: { [ORGANIZATION]: { entity: Organization } },
            canManage: ({ userId }, { id }) => organizations.isOwner(userId, id),
            apiTokens: { scopes: SCOPES, usage: { enabled: true } },
            // express-session sets the session on Node's own request, which is `raw` on Fastify.
            session: { userId: (request) => (request.session ?? request.raw?.session)?.userId },
            jwt,
            admin: { canAdminister: ({ user }) => user.isAdmin },
          }),
          controllers: {
            tokens: 'api/tokens',
            owners: 'api/tokens/owners',
            admin: 'api/admin/tokens',
            scopes: 'api/scopes',
            jwt: 'api/jwt',
            oauth: 'oauth',
            jwks: '.well-known',
          },
        }),
        SigraOpenTelemetryModule.forRootAsync({
          imports: [OperationsModule],
          inject: [PrometheusMetrics],
          useFactory: ({ meterProvider }: PrometheusMetrics) => ({ meterProvider }),
        }),
        OperationsModule,
        UsersModule,
        SessionsModule,
        ProjectsModule,
        PagesModule,
      ],
      controllers: [AdminController],
      providers: [
        StartTokensService,
        // Every route requires a credential, except with @AllowAnonymous(). `useExisting` lets tests replace the guard.
        { provide: APP_GUARD, useExisting: SigraAuthGuard },
        { provide: APP_INTERCEPTOR, useClass: UnavailableInterceptor },
        {
          provide: APP_PIPE,
          useFactory: () => new ValidationPipe({ transform: true, whitelist: true, forbidNonWhitelisted: true }),
        },
      ],
    };
  }
}
