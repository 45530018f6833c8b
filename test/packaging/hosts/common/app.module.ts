import { Controller, Get, Module, Post } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
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

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env.DATABASE_URL ?? '',
      connectTimeoutMS: 5000,
      entities: [User, ...sigraEntities],
      migrations: [CreateUsers, ...sigraMigrations],
      migrationsRun: true,
    }),
    SigraModule.forRoot({ users: { entity: User }, apiTokens: { scopes: ['read:projects', 'write:projects'] } }),
  ],
  controllers: [ProjectsController],
  providers: [{ provide: APP_GUARD, useExisting: SigraAuthGuard }],
})
export class AppModule {}
