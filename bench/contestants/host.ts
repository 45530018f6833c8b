import { TypeOrmModule } from '@nestjs/typeorm';
import {
  type JwtOptions,
  sigraEntities,
  sigraMigrations,
  SigraModule,
  type SigraModuleExtras,
  type SigraModuleOptions,
} from 'nestjs-sigra';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { TOKEN_PREFIX } from '../harness/tokens.js';
import { HandWrittenToken } from './api-token.entity.js';

/** The host's user, as in a typical application. */
@Entity('users')
export class User {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'text' })
  email!: string;

  @Column({ name: 'password_hash', type: 'text', select: false })
  passwordHash?: string;

  @Column({ name: 'disabled_at', type: 'timestamptz', nullable: true })
  disabledAt!: Date | null;
}

export const JWT_SECRET = 'a secret of the benchmarks that is long enough';

export const JWT_OPTIONS: JwtOptions<User> = {
  enabled: true,
  issuer: 'https://bench.example',
  secret: JWT_SECRET,
  accessTtl: 3600,
};

/** The same pool of ten connections, the driver's default, for every contestant. */
const connection = (url: string) => ({
  type: 'postgres' as const,
  url,
  entities: [User, HandWrittenToken, ...sigraEntities],
});

export const typeOrmModule = (url: string) => TypeOrmModule.forRoot({ ...connection(url), retryAttempts: 0 });

export const typeOrmDataSource = (url: string) =>
  new DataSource({ ...connection(url), migrations: sigraMigrations }).initialize();

export const SCOPES = ['read:projects', 'write:projects', 'admin'];

/** Switches on every policy that verification checks; the tokens have addresses and resources, see `LIMITS`. */
export const EVERY_POLICY: Partial<SigraModuleOptions<User>> = {
  apiTokens: {
    scopes: SCOPES,
    kinds: { live: { prefix: TOKEN_PREFIX }, test: { prefix: 'sigra_test_' }, ci: { prefix: 'sigra_ci_' } },
    idleTtl: 90 * 86_400,
    usage: { enabled: true },
  },
};

/** A typical setup of Sigra; other options have their defaults. */
export const sigraModule = (options: Partial<SigraModuleOptions<User>> & SigraModuleExtras = {}) =>
  SigraModule.forRoot<User>({
    users: { entity: User, isActive: (user) => user.disabledAt === null },
    apiTokens: { scopes: SCOPES },
    jwt: JWT_OPTIONS,
    session: { userId: (request) => request.headers['x-session-user'] as string | undefined },
    cleanup: { schedule: false },
    ...options,
  });
