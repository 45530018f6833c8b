import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type DynamicModule, Inject, Injectable, type Provider, Scope, type Type } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { sigraEntities, SigraModule, type SigraModuleOptions, type UserProvider } from 'nestjs-sigra';
import { ProviderScopeCheck } from '../../libs/sigra/src/config/provider-scope.check.js';
import { SIGRA_CONFIG } from '../../libs/sigra/src/config/sigra-config.js';
import { boot, connection } from '../support/boot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { User } from '../support/test-app.js';

class Directory implements UserProvider<User> {
  async findByIds(): Promise<User[]> {
    return [];
  }
}

@Injectable({ scope: Scope.REQUEST })
class PerRequest extends Directory {}

@Injectable({ scope: Scope.TRANSIENT })
class PerUse extends Directory {}

@Injectable({ scope: Scope.REQUEST, durable: true })
class PerTenant extends Directory {}

@Injectable()
class OfRequest extends Directory {
  constructor(@Inject(REQUEST) readonly request: unknown) {
    super();
  }
}

@Injectable()
class OfRequestIndirectly extends Directory {
  constructor(readonly request: OfRequest) {
    super();
  }
}

class Alias extends Directory {}

@Injectable()
class Shared extends Directory {}

@Injectable()
class WithoutMethod {}

@Injectable({ scope: Scope.REQUEST })
class CurrentSession {
  userId(): string {
    return '';
  }
}

const OPTIONS: SigraModuleOptions<User> = { users: { entity: User }, cleanup: { schedule: false } };

describe('Providers of an application that Sigra calls', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  async function start(sigra: DynamicModule, providers: Provider[] = []): Promise<void> {
    const database$ = connection(database.url, { entities: [User, ...sigraEntities] });
    const app = await boot({ imports: [database$, sigra], providers });
    await app.close();
  }
  const withProvider = (provider: Type<object>) =>
    SigraModule.forRoot<User>({
      users: { provider: provider as Type<UserProvider<User>> },
      cleanup: { schedule: false },
    });

  it.each<[string, Type<object>, Provider[]]>([
    ['is request-scoped', PerRequest, [PerRequest]],
    ['is transient', PerUse, [PerUse]],
    ['is durable', PerTenant, [PerTenant]],
    ['injects the request', OfRequest, [OfRequest]],
    ['depends on a provider that injects the request', OfRequestIndirectly, [OfRequest, OfRequestIndirectly]],
    [
      'comes from a request-scoped factory',
      Alias,
      [{ provide: Alias, scope: Scope.REQUEST, useFactory: () => new Shared() }],
    ],
    ['is another name of a request-scoped one', Alias, [PerRequest, { provide: Alias, useExisting: PerRequest }]],
  ])('do not boot when users.provider %s', async (_what, provider, providers) => {
    const refusal = start(withProvider(provider), providers);

    await expect(refusal).rejects.toMatchObject({ name: 'SigraConfigError', option: 'users.provider' });
    await expect(refusal).rejects.toThrow(/is request-scoped or transient.*give it the default scope/);
  });

  it('do not boot when users.provider has no findByIds()', async () => {
    await expect(start(withProvider(WithoutMethod), [WithoutMethod])).rejects.toThrow(
      /WithoutMethod has no method findByIds\(\)/,
    );
  });

  it('do not boot when options depend on the request, as with a session that is injected', async () => {
    const sigra = SigraModule.forRootAsync<User>({
      inject: [CurrentSession],
      useFactory: (session: CurrentSession) => ({ ...OPTIONS, session: { userId: () => session.userId() } }),
      provideInjectionTokensFrom: [CurrentSession],
    });

    // Nest 12 refuses the filter of the module first.
    await expect(start(sigra)).rejects.toThrow(/request-scoped/);
  });

  it('are named by the error where Nest itself boots', async () => {
    const options = { provide: SIGRA_CONFIG, inject: [CurrentSession], useFactory: () => ({}) };
    const refusal = boot({ providers: [CurrentSession, ProviderScopeCheck, options] });

    await expect(refusal).rejects.toMatchObject({ name: 'SigraConfigError', option: 'forRootAsync' });
    await expect(refusal).rejects.toThrow(/inject providers of the default scope/);
  });

  it.each<[string, Type<object>, Provider[]]>([
    ['a class', Shared, [Shared]],
    ['another name of a class', Alias, [Shared, { provide: Alias, useExisting: Shared }]],
    ['a factory', Alias, [{ provide: Alias, useFactory: async () => new Shared() }]],
  ])('boot with %s of the default scope', async (_what, provider, providers) => {
    await start(withProvider(provider), providers);
  });
});
