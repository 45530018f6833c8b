import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { RequireScopes, SigraAuthGuard, scopeRules } from 'nestjs-sigra';
import { actingAs, bearer, scopedApiToken } from 'nestjs-sigra/testing';
import { ADAPTERS, SIGRA_OPTIONS, startTestApp, type TestApp } from '../support/test-app.js';

@Controller('library')
@RequireScopes('read:notes')
class LibraryController {
  @Get()
  @RequireScopes({ any: ['admin', 'profile:read'] })
  read() {
    return {};
  }
}

const ROUTES = [
  'GET /notes',
  'POST /notes',
  'GET /notes/either',
  'GET /notes/open',
  'GET /notes/optional',
  'GET /library',
] as const;

async function ask(test: TestApp, route: string, headers: Record<string, string> = {}) {
  const [method, path] = route.split(' ');
  const answer = await fetch(`${test.url}${path}`, { method, headers });
  return { status: answer.status, challenge: answer.headers.get('www-authenticate'), body: await answer.json() };
}

// The same application twice: with the real global guard, and with its replacement.
describe.each(ADAPTERS)('actingAs in place of a global SigraAuthGuard on %s', (adapter) => {
  const settings = { realm: 'notes', rules: scopeRules({ writeImpliesRead: true }) };
  const acting = actingAs('anonymous', settings);
  let real: TestApp;
  let replaced: TestApp;

  beforeAll(async () => {
    const sigra = {
      realm: settings.realm,
      apiTokens: { ...SIGRA_OPTIONS.apiTokens, writeImpliesRead: true },
    };
    const options = { adapter, sigra, controllers: [LibraryController] };
    real = await startTestApp(options);
    replaced = await startTestApp({
      ...options,
      configure: (builder) => builder.overrideProvider(SigraAuthGuard).useValue(acting),
    });
  });
  beforeEach(() => {
    acting.as('anonymous');
  });
  afterAll(async () => {
    await real.close();
    await replaced.close();
  });

  it.each(ROUTES)('answers anonymous requests as the real guard does: %s', async (route) => {
    const expected = await ask(real, route);

    expect(await ask(replaced, route)).toEqual(expected);
  });

  it.each(
    ROUTES.flatMap((route) => [['write:notes'], ['admin'], ['profile:read']].map((scopes) => ({ route, scopes }))),
  )('answers a principal with $scopes as the real guard does: $route', async ({ route, scopes }) => {
    const { rawToken } = await scopedApiToken(real.app, real.user, scopes);
    acting.as({ user: real.user, scopes, method: 'api_token' });

    const expected = await ask(real, route, bearer(rawToken));

    expect(await ask(replaced, route)).toEqual(expected);
  });

  it('ignores the credential of the request, even an invalid one', async () => {
    acting.as({ user: replaced.user });

    const answer = await ask(replaced, 'GET /notes/me', { authorization: 'Bearer nonsense' });

    expect(answer).toMatchObject({ status: 200, body: { userId: replaced.user.id, email: 'ada@example.com' } });
  });
});
