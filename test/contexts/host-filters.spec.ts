import { Catch, type ExceptionFilter, type Provider } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { Query, Resolver } from '@nestjs/graphql';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiTokenService, RequireScopes } from 'nestjs-sigra';
import { insufficientScope, INVALID_TOKEN, UNAUTHORIZED } from '../support/answers.js';
import { apollo, mercurius } from '../support/context-hosts.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

/** Filters of GraphQL return the error, as those of Nest's documentation do. */
@Catch()
class CatchAll implements ExceptionFilter {
  catch(exception: unknown): unknown {
    caught++;
    return exception;
  }
}

let caught = 0;

@Resolver()
class FilteredResolver {
  constructor(private readonly tokens: ApiTokenService) {}

  @Query(() => String)
  async verified(): Promise<string> {
    return (await this.tokens.verify('sigra_sk_unknown')).id;
  }

  @Query(() => String)
  @RequireScopes('admin')
  admin() {
    return 'yes';
  }
}

const PLACES: readonly (readonly [string, readonly Provider[]])[] = [
  ['useGlobalFilters()', []],
  ['APP_FILTER', [{ provide: APP_FILTER, useClass: CatchAll }]],
];
const VARIANTS = ADAPTERS.flatMap((adapter) => PLACES.map(([place, providers]) => ({ adapter, place, providers })));

describe.each(VARIANTS)('A catch-all filter of the host with $place, for GraphQL on $adapter', (variant) => {
  const { adapter, place, providers } = variant;
  let test: TestApp;
  let host: HostApp;
  let token: string;

  beforeAll(async () => {
    test = await startTestApp();
    host = await startHost({
      adapter,
      databaseUrl: test.databaseUrl,
      providers: [FilteredResolver, ...providers],
      imports: [adapter === 'express' ? apollo() : mercurius()],
      prepare: (app) => {
        if (place === 'useGlobalFilters()') app.useGlobalFilters(new CatchAll());
      },
    });
    token = (await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] })).rawToken;
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  const ask = async (field: string, credential?: string) => {
    const response = await fetch(`${host.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(credential !== undefined && { authorization: `Bearer ${credential}` }),
      },
      body: JSON.stringify({ query: `{ ${field} }` }),
    });
    const { errors } = (await response.json()) as {
      errors?: { extensions?: { code?: string; originalError?: object } }[];
    };
    const { code, originalError: body } = errors?.[0]?.extensions ?? {};
    return { code, body, challenge: response.headers.get('www-authenticate') };
  };

  it('leaves the error of a resolver its code and its body', async () => {
    const before = caught;

    const { code, body } = await ask('verified', token);

    // With APP_FILTER, the filter of the library comes first.
    expect(caught - before).toBe(place === 'APP_FILTER' ? 0 : 1);
    expect({ code, body }).toEqual({ code: 'UNAUTHENTICATED', body: INVALID_TOKEN.body });
  });

  it('leaves the refusals of guards their code, body and challenge', async () => {
    const lacking = insufficientScope(['admin'], ['admin']);

    expect(await ask('admin')).toEqual({
      code: 'UNAUTHENTICATED',
      body: UNAUTHORIZED.body,
      challenge: UNAUTHORIZED.challenge,
    });
    expect(await ask('admin', token)).toEqual({ code: 'FORBIDDEN', body: lacking.body, challenge: lacking.challenge });
  });
});
