import { Controller, Get, UseGuards } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CurrentUser } from 'nestjs-sigra';
import { type Adapter, startTestApp, type TestApp, withoutGlobalGuard } from '../support/test-app.js';
import { answerOf, INVALID_TOKEN } from '../support/answers.js';

@Controller('passport')
@UseGuards(AuthGuard('bearer'))
class PassportController {
  @Get()
  me(@CurrentUser('email') email: string) {
    return { email };
  }
}

const PAIRS: readonly (readonly [Adapter, Adapter])[] = [
  ['express', 'express'],
  ['fastify', 'fastify'],
  ['express', 'fastify'],
  ['fastify', 'express'],
];

describe.each(PAIRS)('Two applications in one process, on %s and on %s', (one, other) => {
  let first: TestApp;
  let second: TestApp;

  beforeAll(async () => {
    const controllers = [PassportController];
    first = await startTestApp({ adapter: one, controllers, configure: withoutGlobalGuard });
    second = await startTestApp({
      adapter: other,
      controllers,
      configure: withoutGlobalGuard,
      sigra: { realm: 'second', controllers: { tokens: 'v2/tokens' } },
    });
  });
  afterAll(async () => {
    await first.close();
    await second.close();
  });

  const get = async (test: TestApp, path: string, rawToken = '') =>
    fetch(test.url + path, { headers: rawToken ? { authorization: `Bearer ${rawToken}` } : {} });

  it("accept only their own tokens through AuthGuard('bearer')", async () => {
    const mine = await first.tokens.create(first.user, { name: 'first', scopes: ['read:notes'] });
    const theirs = await second.tokens.create(await second.addUser('grace@example.com'), {
      name: 'second',
      scopes: ['read:notes'],
    });

    const [mineAtFirst, theirsAtSecond, mineAtSecond, theirsAtFirst] = await Promise.all([
      get(first, '/passport', mine.rawToken),
      get(second, '/passport', theirs.rawToken),
      get(second, '/passport', mine.rawToken),
      get(first, '/passport', theirs.rawToken),
    ]);

    expect(await mineAtFirst.json()).toEqual({ email: 'ada@example.com' });
    expect(await theirsAtSecond.json()).toEqual({ email: 'grace@example.com' });
    expect(mineAtSecond.status).toBe(401);
    expect(await answerOf(theirsAtFirst)).toEqual(INVALID_TOKEN);
  });

  it('answer with their own realm', async () => {
    const [atFirst, atSecond] = await Promise.all([get(first, '/passport'), get(second, '/passport')]);

    expect(atFirst.headers.get('www-authenticate')).toBe('Bearer realm="api"');
    expect(atSecond.headers.get('www-authenticate')).toBe('Bearer realm="second"');
  });

  it('mount the ready-made controllers under their own paths', async () => {
    const statusOf = async (test: TestApp, path: string) =>
      (await fetch(test.url + path, { headers: { 'x-session-user': test.user.id } })).status;

    expect(await statusOf(first, '/api/tokens')).toBe(200);
    expect(await statusOf(first, '/v2/tokens')).toBe(404);
    expect(await statusOf(second, '/v2/tokens')).toBe(200);
    expect(await statusOf(second, '/api/tokens')).toBe(404);
  });

  it('continue when another one closes', async () => {
    const third = await startTestApp({ adapter: other, controllers: [PassportController] });
    await third.close();
    const { rawToken } = await first.tokens.create(first.user, { name: 'first', scopes: ['read:notes'] });

    const response = await get(first, '/passport', rawToken);

    expect(await response.json()).toEqual({ email: 'ada@example.com' });
  });
});
