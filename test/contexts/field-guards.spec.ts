import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Field, GraphQLModule, ID, ObjectType, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { MercuriusDriver, type MercuriusDriverConfig } from '@nestjs/mercurius';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CurrentPrincipal, type Principal, RequireScopes } from 'nestjs-sigra';
import { insufficientScope } from '../support/answers.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

@ObjectType()
class Account {
  @Field(() => ID) id!: string;
}

@Resolver(() => Account)
class AccountResolver {
  @Query(() => Account)
  @RequireScopes('read:notes')
  account() {
    return { id: '1' };
  }

  @ResolveField(() => String, { nullable: true })
  @RequireScopes('admin')
  secret(@CurrentPrincipal() { method }: Principal) {
    return `seen with ${method}`;
  }
}

const FIELDS = { autoSchemaFile: true, fieldResolverEnhancers: ['guards' as const] };
const DRIVERS = {
  express: () => GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, ...FIELDS }),
  fastify: () => GraphQLModule.forRoot<MercuriusDriverConfig>({ driver: MercuriusDriver, ...FIELDS }),
};

describe.each(ADAPTERS)('A field of GraphQL with scopes, on %s', (adapter) => {
  let test: TestApp;
  let host: HostApp;

  beforeAll(async () => {
    test = await startTestApp();
    const imports = [DRIVERS[adapter]()];
    const { databaseUrl } = test;
    host = await startHost({ adapter, databaseUrl, sigra: { routes: 'error' }, imports, providers: [AccountResolver] });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  const ask = async (...scopes: string[]) => {
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes });
    const answer = await fetch(`${host.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${rawToken}` },
      body: JSON.stringify({ query: '{ account { id secret } }' }),
    });
    return (await answer.json()) as { data: unknown; errors?: { path: string[]; extensions: object }[] };
  };

  it('is resolved for a credential with its scopes', async () => {
    expect((await ask('read:notes', 'admin')).data).toEqual({ account: { id: '1', secret: 'seen with api_token' } });
  });

  it('is refused alone, and the rest of the query is answered', async () => {
    const { data, errors } = await ask('read:notes');

    expect(data).toEqual({ account: { id: '1', secret: null } });
    expect(errors).toMatchObject([
      {
        path: ['account', 'secret'],
        extensions: { code: 'FORBIDDEN', originalError: insufficientScope(['admin'], ['admin']).body },
      },
    ]);
  });
});
