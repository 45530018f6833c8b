import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type INestApplicationContext, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import {
  ApiTokenService,
  SigraConfigError,
  SigraModule,
  type SigraModuleExtras,
  type SigraModuleOptions,
  sigraEntities,
} from 'nestjs-sigra';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { User } from '../support/test-app.js';
import { boot, connection } from '../support/boot.js';

const OPTIONS: SigraModuleOptions<User> = {
  users: { entity: User },
  apiTokens: { scopes: ['read:notes'] },
  cleanup: { schedule: false },
};

@Injectable()
class Settings {
  readonly scopes = ['read:settings'];

  /** Nest calls it on a class that is given as useClass or useExisting. */
  create(): SigraModuleOptions<User> {
    return { ...OPTIONS, apiTokens: { scopes: this.scopes } };
  }
}

@Module({ providers: [Settings], exports: [Settings] })
class SettingsModule {}

describe('SigraModule', () => {
  let database: TestDatabase;
  let app: INestApplicationContext | undefined;
  const start = async (sigra: ReturnType<typeof SigraModule.forRoot>, imports: object[] = []) => {
    app = await boot({
      imports: [connection(database.url, { entities: [User, ...sigraEntities] }), ...(imports as never[]), sigra],
    });
    return app.get(ApiTokenService);
  };

  beforeAll(async () => {
    database = await createDatabase();
  });
  afterEach(async () => {
    await app?.close();
    app = undefined;
  });
  afterAll(() => database.drop());

  it('is configured by forRoot', async () => {
    const tokens = await start(SigraModule.forRoot(OPTIONS));

    expect(tokens.listScopes()).toContain('read:notes');
  });

  it.each([
    ['a value', () => OPTIONS],
    ['a promise', () => Promise.resolve(OPTIONS)],
  ])('is configured by forRootAsync with useFactory that returns %s', async (_kind, useFactory) => {
    const tokens = await start(SigraModule.forRootAsync({ useFactory }));

    expect(tokens.listScopes()).toContain('read:notes');
  });

  it('is configured by forRootAsync with a factory that injects providers', async () => {
    const tokens = await start(
      SigraModule.forRootAsync({
        imports: [SettingsModule],
        inject: [Settings],
        useFactory: (settings: Settings) => settings.create(),
      }),
    );

    expect(tokens.listScopes()).toContain('read:settings');
  });

  it('is configured by forRootAsync with useClass', async () => {
    const tokens = await start(SigraModule.forRootAsync({ useClass: Settings }));

    expect(tokens.listScopes()).toContain('read:settings');
  });

  it('is configured by forRootAsync with useExisting', async () => {
    const tokens = await start(SigraModule.forRootAsync({ imports: [SettingsModule], useExisting: Settings }));

    expect(tokens.listScopes()).toContain('read:settings');
  });

  const invalid = { ...OPTIONS, apiTokens: { maxTtl: '90' } } as unknown as SigraModuleOptions<User>;

  it.each([
    ['forRoot', () => SigraModule.forRoot(invalid)],
    ['useFactory', () => SigraModule.forRootAsync({ useFactory: () => invalid })],
    ['useFactory that resolves', () => SigraModule.forRootAsync({ useFactory: () => Promise.resolve(invalid) })],
  ])('fails the boot with a SigraConfigError when an option is invalid: %s', async (_way, configure) => {
    const booting = start(configure());

    await expect(booting).rejects.toThrow(SigraConfigError);
    await expect(booting).rejects.toThrow(/^sigra: apiTokens.maxTtl must be an integer number of seconds/);
  });

  it('fails the boot when the factory returns nothing', async () => {
    const booting = start(
      SigraModule.forRootAsync({ useFactory: () => undefined as unknown as SigraModuleOptions<User> }),
    );

    await expect(booting).rejects.toThrow('sigra: users is missing');
  });

  it('throws in forRoot when a controller is unknown or its path is invalid', () => {
    const configure = (controllers: object) => () => SigraModule.forRoot({ ...OPTIONS, controllers });

    expect(configure({ token: 'api/tokens' })).toThrow(
      /^sigra: controllers.token is not a controller of Sigra; use one of: tokens/,
    );
    expect(configure({ tokens: true })).toThrow('sigra: controllers.tokens must be the path to mount it under');
    expect(configure({ constructor: 'x' })).toThrow('sigra: controllers.constructor is not a controller of Sigra');
  });

  it.each([
    ['forRoot', (extras: SigraModuleExtras) => SigraModule.forRoot({ ...OPTIONS, ...extras })],
    ['forRootAsync', (extras: SigraModuleExtras) => SigraModule.forRootAsync({ useFactory: () => OPTIONS, ...extras })],
  ])('mounts controllers under the paths beside the options: %s', async (_way, configure) => {
    @Module({
      imports: [
        connection(database.url, { entities: [User, ...sigraEntities] }),
        configure({ controllers: { tokens: 'my/tokens', scopes: 'my/scopes' } }),
      ],
    })
    class AppModule {}

    const server = await NestFactory.create<NestExpressApplication>(AppModule, { logger: false });
    app = server;
    await server.listen(0, '127.0.0.1');
    const url = await server.getUrl();

    const statuses = await Promise.all(
      ['my/tokens', 'my/scopes', 'api/tokens'].map(async (path) => (await fetch(`${url}/${path}`)).status),
    );
    expect(statuses).toEqual([401, 401, 404]);
  });

  it('is global unless isGlobal is false', async () => {
    @Injectable()
    class Robot {
      constructor(readonly tokens: ApiTokenService) {}
    }

    @Module({ providers: [Robot] })
    class FeatureModule {}

    await start(SigraModule.forRoot(OPTIONS), [FeatureModule]);
    const tokens = app!.get(Robot, { strict: false }).tokens;
    await app!.close();
    const booting = start(SigraModule.forRoot({ ...OPTIONS, isGlobal: false }), [FeatureModule]);

    expect(tokens).toBeInstanceOf(ApiTokenService);
    await expect(booting).rejects.toThrow(/can't resolve dependencies of the Robot/);
  });
});
