import 'reflect-metadata';
import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ThrottlerModule } from '@nestjs/throttler';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  ApiTokenService,
  Clock,
  CurrentPrincipal,
  RequireScopes,
  SigraError,
  SigraModule,
  sigraEntities,
  sigraMigrations,
  type Principal,
} from 'nestjs-sigra';
import { trustIssuers } from 'nestjs-sigra/issuers';
import { FakeClock } from 'nestjs-sigra/testing';
import { SigraOpenTelemetryModule } from 'nestjs-sigra/opentelemetry';
import { limitOf, SigraThrottlerGuard } from 'nestjs-sigra/throttler';
import { Column, DataSource, Entity, PrimaryGeneratedColumn, type MigrationInterface, type QueryRunner } from 'typeorm';

// A minimal host. It is compiled and run outside of this repository, against the packed library.

@Entity('users')
class User {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('text')
  email!: string;
}

class CreateUsers implements MigrationInterface {
  name = 'CreateUsers1700000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text NOT NULL)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE users');
  }
}

@Controller('projects')
@UseGuards(SigraThrottlerGuard)
class ProjectController {
  @Get()
  @RequireScopes('read:projects')
  list(@CurrentPrincipal() principal: Principal<User>): { email: string; method: string } {
    return { email: principal.user.email, method: principal.method };
  }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env.DATABASE_URL ?? '',
      entities: [User, ...sigraEntities],
      migrations: [...sigraMigrations, CreateUsers],
      migrationsRun: true,
    }),
    SigraOpenTelemetryModule.forRoot({}),
    ThrottlerModule.forRoot([{ ttl: 60_000, limit: limitOf((principal) => (principal ? 100 : 10)) }]),
    SigraModule.forRoot({
      users: { entity: User },
      apiTokens: { scopes: ['read:projects', 'write:projects'] },
      trustedIssuers: trustIssuers([
        { issuer: 'https://issuer.example', audience: 'projects', owner: ({ sub }) => sub },
      ]),
    }),
  ],
  controllers: [ProjectController],
  providers: [SigraThrottlerGuard],
})
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  await app.listen(0, '127.0.0.1');
  const get = async (token?: string): Promise<{ status: number; challenge: string | null; body: unknown }> => {
    const response = await fetch(`${await app.getUrl()}/projects`, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
    return {
      status: response.status,
      challenge: response.headers.get('www-authenticate'),
      body: await response.json(),
    };
  };

  const users = app.get(DataSource).getRepository(User);
  const user = await users.save(users.create({ email: 'ada@example.com' }));
  const tokens = app.get(ApiTokenService);
  const { rawToken, token } = await tokens.create(user, { name: 'scratch', scopes: ['read:projects'] });

  const anonymous = await get();
  const accepted = await get(rawToken);
  await tokens.revoke(token.id);
  const refused = await get(rawToken);
  const error: unknown = await tokens.verify(rawToken).catch((reason: unknown) => reason);
  await app.close();

  const clock = new FakeClock(new Date(0));
  clock.advance({ minutes: 1 });
  const report = {
    anonymous,
    accepted,
    refused,
    code: error instanceof SigraError ? error.code : undefined,
    clock: clock instanceof Clock && clock.now().toISOString(),
  };
  console.log(JSON.stringify(report));
}

void main();
