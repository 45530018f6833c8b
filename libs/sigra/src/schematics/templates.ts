/** A class and the module specifier that imports it. */
export interface Imported {
  readonly className: string;
  readonly from: string;
}

export const userEntity = (): string => `import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** The owner of API tokens. */
@Entity('users')
export class User {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('text', { unique: true })
  email!: string;
}
`;

/** @param timestamp in milliseconds, 13 digits, which TypeORM orders migrations by */
export const usersMigration = (
  timestamp: number,
): string => `import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateUsers${timestamp} implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(\`
      CREATE TABLE users (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        email text NOT NULL UNIQUE
      )\`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE users');
  }
}
`;

/** What Sigra needs of a DataSource besides its tables: a limit, in milliseconds, for a server that is away; and migrations that build indexes without locks. */
export const DATA_SOURCE = { connectTimeoutMS: '2000', migrationsTransactionMode: "'each'" } as const;

export const dataSource = (
  user: Imported,
  migration: Imported | undefined,
): string => `import { sigraEntities, sigraMigrations } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';
${migration ? `import { ${migration.className} } from '${migration.from}';\n` : ''}import { ${user.className} } from '${user.from}';

const url = process.env.DATABASE_URL;
if (!url) {
  throw new Error(
    'Set DATABASE_URL, such as postgres://user:password@localhost:5432/my_api',
  );
}

export const dataSourceOptions: DataSourceOptions = {
  type: 'postgres',
  url,
  connectTimeoutMS: ${DATA_SOURCE.connectTimeoutMS},
  entities: [${user.className}, ...sigraEntities],
  migrations: [${migration ? `${migration.className}, ` : ''}...sigraMigrations],
  migrationsTransactionMode: ${DATA_SOURCE.migrationsTransactionMode},
};

/** For the command line of TypeORM. */
export default new DataSource(dataSourceOptions);
`;

export const exampleController = (
  user: Imported,
): string => `import { Controller, Get, Post, UseGuards } from '@nestjs/common';
import { CurrentPrincipal, RequireScopes, SigraAuthGuard } from 'nestjs-sigra';
import type { Principal } from 'nestjs-sigra';
import type { ${user.className} } from '${user.from}';

/** An example of protected routes. */
@Controller('sigra-example')
@UseGuards(SigraAuthGuard)
export class SigraExampleController {
  @Get()
  @RequireScopes('read:examples')
  read(@CurrentPrincipal() principal: Principal<${user.className}>) {
    return { userId: principal.userId, method: principal.method };
  }

  @Post()
  @RequireScopes('write:examples')
  write(@CurrentPrincipal() principal: Principal<${user.className}>) {
    return { writtenBy: principal.userId };
  }
}
`;

/** @param createsUser whether the user is the example, which can be created with an address alone */
export const makeToken = (
  rootModule: Imported,
  user: Imported,
  createsUser: boolean,
): string => `import { NestFactory } from '@nestjs/core';
import { ApiTokenService } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { ${rootModule.className} } from '${rootModule.from}';
import { ${user.className} } from '${user.from}';

/** Prints an API token ${createsUser ? 'of an example user' : 'of the first user'}, which can read and revoke tokens. */
async function makeToken(): Promise<void> {
  const app = await NestFactory.createApplicationContext(${rootModule.className}, {
    logger: ['error'],
  });
  const users = app.get(DataSource).getRepository(${user.className});
${createsUser ? OWN_USER : HOST_USER}  const { rawToken, token } = await app.get(ApiTokenService).create(user, {
    name: 'Example',
    scopes: ['read:examples', 'api_tokens:write'],
  });
  await app.close();
  console.log(\`TOKEN=\${rawToken} ID=\${token.id}\`);
}

void makeToken();
`;

const OWN_USER = `  const email = 'ada@example.com';
  const user =
    (await users.findOneBy({ email })) ?? (await users.save({ email }));
`;

const HOST_USER = `  const [user] = await users.find({ take: 1 });
  if (!user) throw new Error('There is no user yet: create one first.');
`;

/** @param user the name of the entity class */
export const moduleOptions = (user: string): string => `SigraModule.forRoot({
  users: { entity: ${user} },
  apiTokens: { scopes: ['read:examples', 'write:examples'] },
  controllers: { tokens: 'api/tokens' },
})`;
