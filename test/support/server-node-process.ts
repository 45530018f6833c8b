import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { CurrentPrincipal, type Principal, sigraEntities, SigraAuthGuard, SigraModule } from 'nestjs-sigra';
import type { ServerNodeSetup } from './server-node.js';

// The program of `ServerNode`.
const { adapter, databaseUrl, jwt } = JSON.parse(process.argv[2] ?? '') as ServerNodeSetup;

@Entity('users')
class User {
  @PrimaryColumn('uuid')
  id!: string;

  @Column({ name: 'disabled_at', type: 'timestamptz', nullable: true })
  disabledAt!: Date | null;
}

@Controller('me')
class MeController {
  @Get()
  me(@CurrentPrincipal() { userId }: Principal) {
    return { userId };
  }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'postgres', url: databaseUrl, entities: [User, ...sigraEntities], retryAttempts: 0 }),
    SigraModule.forRoot({
      users: { entity: User, isActive: (user: User) => user.disabledAt === null },
      session: { userId: (request) => request.headers['x-session-user'] as string | undefined },
      apiTokens: { scopes: ['read:notes'] },
      jwt,
      cleanup: { schedule: false },
      controllers: { tokens: 'api/tokens' },
      // A slow machine is not an unreachable database.
      lookupTimeout: 30_000,
    }),
  ],
  controllers: [MeController],
  providers: [{ provide: APP_GUARD, useExisting: SigraAuthGuard }],
})
class NodeModule {}

const app = await NestFactory.create(NodeModule, adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter(), {
  logger: false,
  forceCloseConnections: true,
});
await app.listen(0, '127.0.0.1');
process.once('disconnect', () => void app.close().then(() => process.exit()));
process.send?.(await app.getUrl());
