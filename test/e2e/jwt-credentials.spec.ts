import { Controller, Get, UseGuards } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CurrentPrincipal, type Principal, SessionAuthGuard } from 'nestjs-sigra';
import { type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { ADAPTERS } from '../support/test-app.js';
import { answerOf, insufficientScope, INVALID_TOKEN, UNAUTHORIZED } from '../support/answers.js';
import { TokenClient } from '../support/token-client.js';

@Controller('in-person')
@UseGuards(SessionAuthGuard)
class InPersonController {
  @Get()
  get() {
    return { ok: true };
  }
}

@Controller('passport')
@UseGuards(AuthGuard('bearer'))
class PassportController {
  @Get()
  get(@CurrentPrincipal() { userId, method }: Principal) {
    return { userId, method };
  }
}

describe.each(ADAPTERS)('A JWT as a credential on %s', (adapter) => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({}, { adapter, controllers: [InPersonController, PassportController] });
  });
  afterAll(() => test.close());

  const issue = async (user = test.user, scopes = ['read:notes']) =>
    (await test.jwt.generateTokens(user, scopes)).accessToken;
  const get = async (path: string, jwt: string, headers: Record<string, string> = {}) =>
    answerOf(await fetch(test.url + path, { headers: { ...headers, authorization: `Bearer ${jwt}` } }));

  it('gets the same refusal as every invalid credential', async () => {
    const good = await issue();
    const [header = '', payload = '', signature = ''] = good.split('.');
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url');
    const foreign = await startJwtApp(
      { secret: 'another secret of thirty-two bytes' },
      { databaseUrl: test.databaseUrl },
    );
    const gone = await test.addUser('gone@example.com');
    const signedOut = await test.addUser('signed-out@example.com');
    const { refreshToken } = await test.jwt.generateTokens(test.user, ['read:notes']);
    const bad = [
      `${header}.${payload}.${signature.split('').reverse().join('')}`,
      `${header}.${payload}.`,
      `${none}.${payload}.`,
      `${header}.${Buffer.from('{"sub":"1"}').toString('base64url')}.${signature}`,
      'eyJ',
      'eyJ..',
      `eyJ${'a'.repeat(9000)}`,
      refreshToken,
      (await foreign.jwt.generateTokens(foreign.user, ['read:notes'])).accessToken,
      await issue(gone),
      await issue(signedOut),
    ];
    await foreign.close();
    await test.dataSource.query('DELETE FROM users WHERE id = $1', [gone.id]);
    await test.jwt.signOutEverywhere(signedOut);

    const answers = await Promise.all(bad.map((jwt) => get('/notes/me', jwt)));

    expect(answers).toEqual(bad.map(() => INVALID_TOKEN));
    expect((await get('/notes/me', good)).status).toBe(200);
  });

  it('gets the same refusal once it has expired', async () => {
    const jwt = await issue();

    test.clock.advance({ minutes: 15 });

    expect(await get('/notes/me', jwt)).toEqual(INVALID_TOKEN);
  });

  it('is limited to its scopes', async () => {
    expect(await get('/notes/either', await issue())).toEqual(
      insufficientScope(['write:notes', 'admin'], ['write:notes', 'admin']),
    );
  });

  it('decides alone beside a session', async () => {
    const grace = await test.addUser('grace@example.com');
    const session = { 'x-session-user': test.user.id };

    const good = await get('/notes/me', await issue(grace), session);
    const bad = await get('/notes/me', 'eyJhbGciOiJIUzI1NiJ9.e30.x', session);

    expect(good).toMatchObject({ status: 200, body: { userId: grace.id, method: 'jwt', scopes: ['read:notes'] } });
    expect(bad).toEqual(INVALID_TOKEN);
  });

  it("is accepted by AuthGuard('bearer'), and not by SessionAuthGuard", async () => {
    const jwt = await issue();

    expect(await get('/passport', jwt)).toMatchObject({ status: 200, body: { userId: test.user.id, method: 'jwt' } });
    expect(await get('/in-person', jwt)).toEqual(UNAUTHORIZED);
  });

  it('creates tokens with only the scopes that it holds', async () => {
    const manager = TokenClient.withToken(test, await issue(test.user, ['api_tokens:write', 'read:notes']));

    const granted = await manager.create({ name: 'x', scopes: ['read:notes'] });
    const beyond = await manager.create({ name: 'x', scopes: ['admin'] });

    expect(granted.status).toBe(201);
    expect([beyond.status, beyond.body.missing]).toEqual([403, ['admin']]);
  });
});
