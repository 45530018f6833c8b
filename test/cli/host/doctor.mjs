import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { sigraEntities, sigraMigrations } from 'nestjs-sigra';
import { User } from './data-source.mjs';

const { DATABASE_URL, TEST_SCENARIO = 'sound' } = process.env;

const SOUND = {
  users: { entity: User },
  apiTokens: { scopes: ['read:notes', 'write:notes'], maxTtl: 31_536_000 },
  lookupTimeout: 30_000,
};
const WEAK = {
  users: { entity: User },
  apiTokens: { scopes: ['read:notes', 'write:notes'], writeImpliesRead: true },
  jwt: {
    enabled: true,
    issuer: 'https://myapp.example',
    secret: 'a very secret text of an example',
    check: 'stateless',
    accessTtl: 7200,
    reuseLeeway: 60,
  },
  session: { userId: () => undefined, trustedOrigins: ['https://app.example.com'] },
  audit: { enabled: false, retention: 3600 },
  cleanup: { schedule: false },
  lookupTimeout: 30_000,
};
const OPTIONS = {
  sound: SOUND,
  weak: WEAK,
  'short secret': { ...SOUND, jwt: { enabled: true, issuer: 'https://myapp.example', secret: 'a short one' } },
  'same prefix twice': {
    ...SOUND,
    apiTokens: { kinds: { live: { prefix: 'sk_' }, test: { prefix: 'sk_' } }, scopes: ['read:notes'] },
  },
};

export default new DataSource({
  type: 'postgres',
  url: DATABASE_URL,
  entities: [User, ...(TEST_SCENARIO === 'no entities' ? [] : sigraEntities)],
  migrations: [...sigraMigrations],
  ...(TEST_SCENARIO === 'weak' ? { poolSize: 1 } : { connectTimeoutMS: 10_000 }),
});

export const sigra = OPTIONS[TEST_SCENARIO] ?? SOUND;

class AppModule {}
Module({})(AppModule);

/** Makes the application, as `main.ts` does. */
async function create() {
  const created = await NestFactory.create(AppModule, { logger: false });
  created.set('trust proxy', TEST_SCENARIO === 'weak' ? true : 'loopback');
  return created;
}

export const app = TEST_SCENARIO === 'no application' ? undefined : create;
