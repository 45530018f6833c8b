import { Controller, Get, Post, UseGuards } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CurrentPrincipal,
  CurrentUser,
  ownerRef,
  type Principal,
  RequireScopes,
  type ResourceFinder,
  ScopeGuard,
} from 'nestjs-sigra';
import { ADAPTERS, startTestApp, type TestApp, withoutGlobalGuard } from '../support/test-app.js';
import {
  answerOf,
  insufficientScope,
  INVALID_TOKEN,
  MALFORMED_HEADER,
  SEVERAL_HEADERS,
  TOKEN_OUTSIDE_HEADER,
  UNAUTHORIZED,
} from '../support/answers.js';
import { sendRaw } from '../support/raw-http.js';
import { sendFrom } from '../support/send-from.js';

const ORGANIZATIONS = { findByIds: (ids: readonly string[]) => Promise.resolve(ids.map((id) => ({ id }))) };
const noteOf: ResourceFinder = (context) => {
  const { params } = context.switchToHttp().getRequest<{ params: Readonly<Record<string, string>> }>();
  return `note:${params.id}`;
};

@Controller('passport')
@UseGuards(AuthGuard('bearer'), ScopeGuard)
class PassportController {
  @Get()
  me(@CurrentPrincipal() { userId, method, scopes }: Principal, @CurrentUser('email') email: string) {
    return { userId, method, scopes, email };
  }

  @Get('scoped')
  @RequireScopes('write:notes')
  scoped() {
    return { ok: true };
  }

  @Get('note/:id')
  @RequireScopes('read:notes', { resource: noteOf })
  note() {
    return { ok: true };
  }

  @Post()
  add() {
    return { added: true };
  }
}

@Controller('passport-alone')
@UseGuards(AuthGuard('bearer'))
class PassportAloneController {
  @Get()
  me(@CurrentUser('email') email: string) {
    return { email };
  }
}

describe.each(ADAPTERS)("AuthGuard('bearer') of @nestjs/passport on %s", (adapter) => {
  let test: TestApp;
  let rawToken: string;

  beforeAll(async () => {
    test = await startTestApp({
      adapter,
      controllers: [PassportController, PassportAloneController],
      configure: withoutGlobalGuard,
      sigra: { owners: { organization: { provider: ORGANIZATIONS } } },
    });
    ({ rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] }));
  });
  afterAll(() => test.close());

  const send = async (path: string, init?: RequestInit) => answerOf(await fetch(test.url + path, init));
  const bearer = (credential = rawToken) => ({ headers: { authorization: `Bearer ${credential}` } });

  it('authenticates a token, and sets the principal and the user for the decorators', async () => {
    const answer = await send('/passport', bearer());

    expect(answer.body).toEqual({
      userId: test.user.id,
      method: 'api_token',
      scopes: ['read:notes'],
      email: 'ada@example.com',
    });
  });

  it('works without ScopeGuard where routes require no scopes', async () => {
    const answer = await send('/passport-alone', bearer());

    expect(answer.body).toEqual({ email: 'ada@example.com' });
  });

  it('answers with the realm and no error code when there is no credential', async () => {
    expect(await send('/passport')).toEqual(UNAUTHORIZED);
  });

  it('does not accept a session', async () => {
    expect(await send('/passport', { headers: { 'x-session-user': test.user.id } })).toEqual(UNAUTHORIZED);
  });

  it('gives a revoked and an unknown token the same answer', async () => {
    const revoked = await test.tokens.create(test.user, { name: 'old', scopes: ['read:notes'] });
    await test.tokens.revoke(revoked.token.id);

    expect(await send('/passport', bearer(revoked.rawToken))).toEqual(INVALID_TOKEN);
    expect(await send('/passport', bearer(`${rawToken}x`))).toEqual(INVALID_TOKEN);
  });

  it('answers 403 through ScopeGuard, with the missing scopes', async () => {
    expect(await send('/passport/scoped', bearer())).toEqual(insufficientScope(['write:notes'], ['write:notes']));
  });

  it('refuses a token of an organization, whose id can be that of a user', async () => {
    const organization = ownerRef('organization', test.user.id);
    const ofOrganization = await test.tokens.create(organization, { name: 'CI', scopes: ['*'] });

    for (const path of ['/passport', '/passport-alone']) {
      const { status, body } = await send(path, bearer(ofOrganization.rawToken));
      expect([status, (body as { error: string }).error]).toEqual([403, 'owner_not_allowed']);
    }
  });

  it('refuses a token that is limited to resources through ScopeGuard, where a route names none', async () => {
    const limited = await test.tokens.create(test.user, { name: 'CI', scopes: ['*'], resources: ['note:1'] });
    const statusOf = async (id: number) => (await send(`/passport/note/${id}`, bearer(limited.rawToken))).status;

    const { status, body } = await send('/passport/scoped', bearer(limited.rawToken));

    expect([status, (body as { error: string }).error]).toEqual([403, 'resource_not_allowed']);
    expect([await statusOf(1), await statusOf(2)]).toEqual([200, 403]);
  });

  it('refuses a token that is limited to addresses from elsewhere', async () => {
    const limited = await test.tokens.create(test.user, { name: 'CI', scopes: ['*'], allowedIps: ['127.0.0.1'] });

    for (const path of ['/passport', '/passport-alone']) {
      expect((await sendFrom('127.0.0.1', test.url, { path, ...bearer(limited.rawToken) })).status).toBe(200);
      expect(await sendFrom('127.0.0.2', test.url, { path, ...bearer(limited.rawToken) })).toEqual(INVALID_TOKEN);
    }
  });

  it('answers 400 to a malformed or repeated header, where Passport would answer 401', async () => {
    const head = ['GET /passport HTTP/1.1', 'Host: localhost'];
    const twice = [`Authorization: Bearer ${rawToken}`, `Authorization: Bearer ${rawToken}`];

    expect(await sendRaw(test.url, [...head, 'Authorization: Bearer'])).toEqual(MALFORMED_HEADER);
    expect(await sendRaw(test.url, [...head, 'Authorization: Bearer a b'])).toEqual(MALFORMED_HEADER);
    expect(await sendRaw(test.url, [...head, ...twice])).toEqual(SEVERAL_HEADERS);
  });

  it('accepts no token from the query or a form, where passport-http-bearer reads it', async () => {
    const form = {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `access_token=${rawToken}`,
    };
    const json = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ access_token: rawToken }),
    };

    expect(await send(`/passport?access_token=${rawToken}`)).toEqual(TOKEN_OUTSIDE_HEADER);
    expect(await send('/passport', form)).toEqual(TOKEN_OUTSIDE_HEADER);
    expect(await send('/passport', json)).toEqual(UNAUTHORIZED);
  });
});
