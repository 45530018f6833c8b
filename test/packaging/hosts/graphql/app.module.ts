import { ApolloDriver } from '@nestjs/apollo';
import type { ApolloDriverConfig } from '@nestjs/apollo';
import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Field, GraphQLModule, Mutation, ObjectType, Query, Resolver } from '@nestjs/graphql';
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

@ObjectType()
export class Projects {
  @Field(() => String)
  of!: string;

  @Field(() => String)
  by!: string;
}

@Resolver()
export class ProjectsResolver {
  @Query(() => Projects)
  @RequireScopes('read:projects')
  projects(@CurrentPrincipal() principal: Principal<User>): Projects {
    return { of: principal.user.email, by: principal.method };
  }

  @Mutation(() => Boolean)
  @RequireScopes('write:projects')
  createProject(): boolean {
    return true;
  }
}

@Module({
  imports: [
    GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, autoSchemaFile: true }),
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
  providers: [ProjectsResolver, { provide: APP_GUARD, useExisting: SigraAuthGuard }],
})
export class AppModule {}
