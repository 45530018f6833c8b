import { sigraEntities, sigraMigrations } from 'nestjs-sigra';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';

/** The user of a host that is written in JavaScript. */
export class User {}
Entity('users')(User);
PrimaryColumn({ type: 'uuid' })(User.prototype, 'id');
Column({ type: 'text' })(User.prototype, 'email');

export default new DataSource({
  type: 'postgres',
  url: process.env.DATABASE_URL,
  entities: [User, ...sigraEntities],
  migrations: [...sigraMigrations],
  connectTimeoutMS: 10_000,
  // What must not reach the standard output, nor run by itself.
  logging: true,
  synchronize: true,
  ...JSON.parse(process.env.TEST_CONNECTION ?? '{}'),
});

export const sigra = {
  users: { entity: User },
  owners: { robot: { provider: { findByIds: (ids) => Promise.resolve(ids.map((id) => ({ id }))) } } },
  apiTokens: {
    scopes: ['read:notes', 'write:notes'],
    maxTtl: 31_536_000,
    foreignFormats: { knox: { pattern: /^[0-9a-f]{64}$/, digest: 'sha512' } },
  },
  lookupTimeout: 30_000,
  // The extras of forRoot() can stand beside the options.
  controllers: { tokens: 'api/tokens' },
  ...JSON.parse(process.env.TEST_OPTIONS ?? '{}'),
};
