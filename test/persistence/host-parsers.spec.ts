import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuditService } from 'nestjs-sigra';
import pg from 'pg';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';

const { TIMESTAMP, TIMESTAMPTZ } = pg.types.builtins;

describe('A host whose pg parsers return times as strings', () => {
  let test: JwtApp;
  const usual = [TIMESTAMP, TIMESTAMPTZ].map((type) => ({ type, parser: pg.types.getTypeParser(type) }));

  beforeAll(async () => {
    for (const { type } of usual) pg.types.setTypeParser(type, (text: string) => text);
    test = await startJwtApp({ refreshTtl: 3600, absoluteTtl: 7200, reuseLeeway: 10 });
  });
  afterAll(async () => {
    await test.close();
    // The files that follow use the same pg.
    for (const { type, parser } of usual) pg.types.setTypeParser(type, parser);
  });

  it('rejects expired refresh tokens', async () => {
    const { refreshToken } = await test.jwt.generateTokens(test.user, ['*']);
    const kept = await test.jwt.refresh(refreshToken);
    test.clock.advance({ seconds: 3601 });

    expect(await refusalOf(test.jwt.refresh(kept.refreshToken))).toBe('token_expired');
  });

  it('replays a refresh within the leeway, and detects reuse after it', async () => {
    const { refreshToken } = await test.jwt.generateTokens(test.user, ['*']);
    const successor = await test.jwt.refresh(refreshToken);
    test.clock.advance({ seconds: 9 });

    expect((await test.jwt.refresh(refreshToken)).refreshToken).toBe(successor.refreshToken);

    test.clock.advance({ seconds: 2 });
    expect(await refusalOf(test.jwt.refresh(refreshToken))).toBe('reuse_detected');
  });

  it('receives dates', async () => {
    const pair = await test.jwt.generateTokens(test.user, ['*']);
    const now = test.clock.now();

    const [signIn] = await test.jwt.listFamilies(test.user);
    const { events } = await test.get(AuditService).query({ targetId: familyIdOf(pair) });
    const { token } = await test.tokens.create(test.user, { name: 'CI', scopes: ['*'] });
    const [listed] = (await test.tokens.listActive(test.user)).tokens;

    expect(signIn).toMatchObject({ createdAt: now, refreshedAt: now });
    expect(events).toMatchObject([{ action: 'api.jwt_issue', occurredAt: now }]);
    expect(token.createdAt).toEqual(now);
    expect(listed!.createdAt).toEqual(now);
  });
});
