import { ArgumentsHost, Catch, Controller, Get, Injectable, Module, Post, ValidationPipe } from '@nestjs/common';
import type { ExceptionFilter } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { APP_FILTER, APP_GUARD, APP_PIPE, BaseExceptionFilter, HttpAdapterHost } from '@nestjs/core';
import { PassportModule, PassportStrategy } from '@nestjs/passport';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import { ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  CurrentPrincipal,
  RequireScopes,
  SigraAuthGuard,
  sigraEntities,
  sigraMigrations,
  SigraModule,
} from 'nestjs-sigra';
import type { Principal } from 'nestjs-sigra';
import { trustIssuers } from 'nestjs-sigra/issuers';
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

/** The application's own JWTs. */
@Injectable()
export class OwnJwtStrategy extends PassportStrategy(Strategy) {
  constructor() {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKey: 'a secret of the application itself',
    });
  }

  validate(payload: { sub: string }) {
    return { id: payload.sub };
  }
}

@Catch()
export class CatchAllFilter extends BaseExceptionFilter implements ExceptionFilter {
  constructor({ httpAdapter }: HttpAdapterHost) {
    super(httpAdapter);
  }

  override catch(error: unknown, host: ArgumentsHost): void {
    super.catch(error, host);
  }
}

@Injectable()
export class Jobs {
  ticks = 0;

  @Cron('* * * * * *')
  tick(): void {
    this.ticks++;
  }
}

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    ScheduleModule.forRoot(),
    ThrottlerModule.forRoot([{ ttl: 60_000, limit: 1000 }]),
    PassportModule,
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
        trustedIssuers: trustIssuers([
          { issuer: 'https://issuer.example', audience: 'projects', owner: ({ sub }) => sub },
        ]),
      }),
    }),
  ],
  controllers: [ProjectsController],
  providers: [
    Jobs,
    OwnJwtStrategy,
    { provide: APP_GUARD, useClass: ThrottlerGuard },
    { provide: APP_GUARD, useExisting: SigraAuthGuard },
    { provide: APP_FILTER, useClass: CatchAllFilter },
    { provide: APP_PIPE, useValue: new ValidationPipe({ whitelist: true }) },
  ],
})
export class AppModule {}
