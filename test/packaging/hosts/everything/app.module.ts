import {
  ArgumentsHost,
  Catch,
  Controller,
  Get,
  HttpException,
  Injectable,
  Module,
  Post,
  UseGuards,
  ValidationPipe,
} from '@nestjs/common';
import type { ExceptionFilter } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { APP_FILTER, APP_GUARD, APP_PIPE, HttpAdapterHost } from '@nestjs/core';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { ThrottlerModule } from '@nestjs/throttler';
import { TypeOrmModule } from '@nestjs/typeorm';
import { jwtVerify } from 'jose';
import {
  AllowAnonymous,
  ApiTokenService,
  CurrentPrincipal,
  RequireScopes,
  sigraEntities,
  sigraMigrations,
  SigraModule,
} from 'nestjs-sigra';
import type { Principal } from 'nestjs-sigra';
import { trustIssuers } from 'nestjs-sigra/issuers';
import { SigraOpenTelemetryModule } from 'nestjs-sigra/opentelemetry';
import { SigraHealthIndicator } from 'nestjs-sigra/terminus';
import { limitOf, SigraThrottlerGuard } from 'nestjs-sigra/throttler';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { CreateUsers, User } from './user.js';

@Controller('projects')
export class ProjectsController {
  @Get()
  @RequireScopes('read:projects')
  list(@CurrentPrincipal() principal: Principal<User>) {
    return { of: principal.user.email, by: principal.method };
  }

  @Post()
  @RequireScopes('write:projects')
  create() {
    return { created: true };
  }
}

/** The secret of the application's own JWTs. */
export const OWN_SECRET = 'a secret of the application itself';

@Injectable()
export class OwnJwtStrategy extends PassportStrategy(Strategy) {
  constructor() {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKey: OWN_SECRET,
    });
  }

  validate(payload: { sub: string }) {
    return { id: payload.sub };
  }
}

async function ownClaims(header: unknown) {
  const token = /^Bearer (.+)$/.exec(String(header))?.[1] ?? '';
  const verified = await jwtVerify(token, new TextEncoder().encode(OWN_SECRET)).catch(() => undefined);
  return verified?.payload;
}

@Controller('own')
export class OwnController {
  constructor(private readonly tokens: ApiTokenService) {}

  /** As before: a guard of Passport alone. */
  @Get()
  @AllowAnonymous()
  @UseGuards(AuthGuard('jwt'))
  before() {
    return { before: true };
  }

  @Get('error')
  @AllowAnonymous()
  async error() {
    await this.tokens.revoke('01234567-89ab-7def-8123-456789abcdef');
  }
}

@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly sigra: SigraHealthIndicator,
  ) {}

  @Get()
  @AllowAnonymous()
  @HealthCheck()
  check() {
    return this.health.check([() => this.sigra.check()]);
  }
}

@Catch()
export class CatchAllFilter implements ExceptionFilter {
  constructor(private readonly host: HttpAdapterHost) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const status = error instanceof HttpException ? error.getStatus() : 500;
    const body = error instanceof HttpException ? error.getResponse() : {};
    this.host.httpAdapter.reply(host.switchToHttp().getResponse(), body, status);
  }
}

@Injectable()
export class Jobs {
  readonly seconds: number[] = [];

  @Cron('* * * * * *')
  tick(): void {
    this.seconds.push(Math.floor(Date.now() / 1000));
  }
}

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    ScheduleModule.forRoot(),
    ThrottlerModule.forRoot([{ ttl: 60_000, limit: limitOf((principal) => (principal ? 1000 : 10)) }]),
    PassportModule,
    TerminusModule,
    SigraOpenTelemetryModule.forRoot(),
    TypeOrmModule.forRootAsync({
      inject: [ConfigService],
      useFactory: (config: ConfigService) => ({
        type: 'postgres',
        url: config.getOrThrow<string>('DATABASE_URL'),
        connectTimeoutMS: 5000,
        entities: [User, ...sigraEntities],
        migrations: [CreateUsers, ...sigraMigrations],
        migrationsRun: true,
      }),
    }),
    SigraModule.forRootAsync({
      useFactory: () => ({
        users: { entity: User },
        apiTokens: { scopes: ['read:projects', 'write:projects'] },
        credentials: {
          resolve: async ({ headers }) => {
            const claims = await ownClaims(headers.authorization);
            return claims && { userId: String(claims.sub), scopes: ['read:projects'] };
          },
        },
        trustedIssuers: trustIssuers([
          { issuer: 'https://issuer.example', audience: 'projects', owner: ({ sub }) => sub },
        ]),
      }),
    }),
  ],
  controllers: [ProjectsController, OwnController, HealthController],
  providers: [
    Jobs,
    OwnJwtStrategy,
    SigraHealthIndicator,
    SigraThrottlerGuard,
    { provide: APP_GUARD, useExisting: SigraThrottlerGuard },
    { provide: APP_FILTER, useClass: CatchAllFilter },
    { provide: APP_PIPE, useValue: new ValidationPipe({ whitelist: true }) },
  ],
})
export class AppModule {}
