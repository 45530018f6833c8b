import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, ForbiddenException, Get } from '@nestjs/common';
import { RequireScopes } from 'nestjs-sigra';
import { assertScopeDenied, bearer, scopedApiToken } from 'nestjs-sigra/testing';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { bodyOf, CLIENTS } from '../support/http-clients.js';
import { failureOf } from '../support/refusal.js';

@Controller('vault')
class VaultController {
  @Get()
  @RequireScopes('read:notes', 'write:notes')
  open() {
    return {};
  }

  @Get('shut')
  shut(): never {
    throw new ForbiddenException();
  }
}

describe.each(CLIENTS)('assertScopeDenied through $client', ({ adapter, send }) => {
  let test: TestApp;
  let reader: Record<string, string>;

  beforeAll(async () => {
    test = await startTestApp({ adapter, controllers: [VaultController] });
    reader = bearer((await scopedApiToken(test.app, test.user, ['read:notes'])).rawToken);
  });
  afterAll(() => test.close());

  it('passes when a scope was missing, with and without its name', async () => {
    const answer = await send(test, 'POST', '/notes', reader);

    await assertScopeDenied(answer);
    await assertScopeDenied(answer, ['write:notes']);
    expect(await bodyOf(answer)).toMatchObject({ error: 'insufficient_scope' });
  });

  it('accepts the promise of a response, and scopes in any order', async () => {
    const profile = bearer((await scopedApiToken(test.app, test.user, ['profile:read'])).rawToken);

    await assertScopeDenied(send(test, 'GET', '/vault', profile), ['write:notes', 'read:notes']);
  });

  it('fails when the request was served', async () => {
    const failure = await failureOf(assertScopeDenied(send(test, 'GET', '/notes', reader)));

    expect(failure.message).toContain('The answer is 200, not 403');
    expect(failure.message).toContain('"notes":[]');
    expect(failure).toMatchObject({ actual: 200, expected: 403 });
  });

  it('fails if the token is invalid', async () => {
    const failure = await failureOf(assertScopeDenied(send(test, 'GET', '/notes', bearer('sigra_sk_wrong'))));

    expect(failure.message).toContain('The answer is 401, not 403');
    expect(failure.message).toContain('error="invalid_token"');
  });

  it('fails if a 403 has another reason', async () => {
    const failure = await failureOf(assertScopeDenied(send(test, 'GET', '/vault/shut', reader)));

    expect(failure.message).toContain('403, but not insufficient_scope');
    expect(failure.message).toContain('WWW-Authenticate: (none)');
  });

  it.each([[['admin']], [['read:notes', 'write:notes']], [[]]])(
    'fails if the missing scopes are not %j',
    async (scopes) => {
      const failure = await failureOf(assertScopeDenied(send(test, 'GET', '/vault', reader), scopes));

      expect(failure).toMatchObject({ actual: ['write:notes'], expected: scopes });
      expect(failure.message).toContain('"missing":["write:notes"]');
    },
  );

  it('has a stack that points to the failed test', async () => {
    const failure = await failureOf(assertScopeDenied(send(test, 'GET', '/notes', reader)));

    expect(failure.stack).toContain('assert-scope-denied.spec');
  });
});

describe('assertScopeDenied with a fetched body', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  const denied = async () => {
    const { rawToken } = await scopedApiToken(test.app, test.user, ['read:notes']);
    return fetch(`${test.url}/notes`, { method: 'POST', headers: bearer(rawToken) });
  };

  it('leaves the body readable for the test', async () => {
    const answer = await denied();

    await assertScopeDenied(answer, ['write:notes']);

    expect(await answer.json()).toMatchObject({ missing: ['write:notes'] });
  });

  it('fails with an explanation if the test has already read the body', async () => {
    const answer = await denied();
    await answer.text();

    const failure = await failureOf(assertScopeDenied(answer, ['write:notes']));

    await assertScopeDenied(answer);
    expect(failure.message).toContain('has already read it: call assertScopeDenied first');
  });
});
