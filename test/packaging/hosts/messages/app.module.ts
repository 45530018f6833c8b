import { Controller, Module, UseFilters, UseGuards } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  CurrentPrincipal,
  RequireScopes,
  SigraAuthGuard,
  sigraEntities,
  SigraExceptionFilter,
  sigraMigrations,
  SigraModule,
} from 'nestjs-sigra';
import type { Principal } from 'nestjs-sigra';
import { CreateUsers, User } from './user.js';

@WebSocketGateway()
@UseGuards(SigraAuthGuard)
@UseFilters(SigraExceptionFilter)
export class ProjectsGateway {
  @SubscribeMessage('read')
  @RequireScopes('read:projects')
  read(@CurrentPrincipal() principal: Principal<User>) {
    return { event: 'answer', data: { of: principal.user.email, by: principal.method } };
  }

  @SubscribeMessage('write')
  @RequireScopes('write:projects')
  write() {
    return { event: 'answer', data: { created: true } };
  }
}

@Controller()
@UseGuards(SigraAuthGuard)
@UseFilters(SigraExceptionFilter)
export class ProjectsMessages {
  @MessagePattern('read')
  @RequireScopes('read:projects')
  read(@CurrentPrincipal() principal: Principal<User>) {
    return { of: principal.user.email, by: principal.method };
  }

  @MessagePattern('write')
  @RequireScopes('write:projects')
  write() {
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
  controllers: [ProjectsMessages],
  providers: [ProjectsGateway],
})
export class AppModule {}
